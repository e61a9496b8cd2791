"""Steps whose environment cannot be made, with and without ``@catch``."""

from looking import look

from metaflow import FlowSpec, Parameter, catch, conda, conda_base, step


@conda_base(disabled=True)
class BreaksFlow(FlowSpec):
    """``caught`` goes on without its environment, ``hurt`` does not."""

    only_caught = Parameter("only-caught", default=False, type=bool)

    @step
    def start(self):
        self.next(self.caught)

    @catch(var="problem", print_exception=False)
    @conda(libraries={"tinyapp": "1.0", "condaonly": ""})
    @step
    def caught(self):
        self.seen = look()
        self.next(self.hurt)

    @conda(libraries={"tinyapp": "1.0", "condaonly": "1.5"})
    @step
    def hurt(self):
        self.seen = look()
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    BreaksFlow()
