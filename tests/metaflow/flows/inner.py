"""A flow that others start."""

from looking import look

from metaflow import FlowSpec, conda, step


class InnerFlow(FlowSpec):
    """A step with an environment, if environments are used at all, and one without."""

    @step
    def start(self):
        self.seen = look()
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    InnerFlow()
