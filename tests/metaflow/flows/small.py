"""The smallest flow that has an environment and keeps something."""

from metaflow import FlowSpec, conda, step


class SmallFlow(FlowSpec):
    """Two steps that share an environment."""

    @conda(packages={"tinylib": "==1.0"})
    @step
    def start(self):
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    SmallFlow()
