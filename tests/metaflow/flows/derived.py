"""Environments out of configurations, mutators and inherited flows."""

from looking import look

from metaflow import Config, FlowMutator, FlowSpec, StepMutator, conda, conda_base, config_expr, pypi, step


class Everywhere(FlowMutator):
    """Adds a package to every step of a flow."""

    def mutate(self, mutable_flow):
        for _, each in mutable_flow.steps:
            each.add_decorator("pypi", deco_kwargs={"packages": {"pypionly": "3.1"}})


class Newer(StepMutator):
    """Gives a step another version."""

    def mutate(self, mutable_step):
        mutable_step.add_decorator("conda", deco_kwargs={"packages": {"tinylib": "2.0"}})


@conda_base(packages={"tinylib": "2.0", "condaonly": "1.5"})
class BaseFlow(FlowSpec):
    """What others inherit."""

    @step
    def start(self):
        self.seen = look()
        self.next(self.changed)


@Everywhere
@conda_base(packages={"tinylib": config_expr("asked.tinylib")}, disabled=False)
class DerivedFlow(BaseFlow):
    """Its own decorators override those it inherits."""

    asked = Config("asked", default_value={"tinylib": "1.0"})

    @Newer
    @step
    def changed(self):
        self.seen = look()
        self.next(self.end)

    @pypi(disabled=True)
    @conda(disabled=True)
    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    DerivedFlow()
