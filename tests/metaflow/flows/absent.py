"""The first step's environment is looked up when it starts, by what it is started with."""

from metaflow import FlowSpec, Parameter, conda, named_env, step


class AbsentFlow(FlowSpec):
    """Somebody has to give an environment that name."""

    kind = Parameter("kind", default="fast")

    @named_env(name="absent/@{METAFLOW_RUN_ID}:@{METAFLOW_INIT_KIND}", fetch_at_exec=True)
    @step
    def start(self):
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    AbsentFlow()
