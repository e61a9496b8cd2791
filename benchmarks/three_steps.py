"""The flow that ``metaflow_runs.py`` measures: three steps that do nothing."""

from metaflow import FlowSpec, step


class ThreeStepsFlow(FlowSpec):
    """Start, middle, end."""

    @step
    def start(self):
        """Begin."""
        self.next(self.middle)

    @step
    def middle(self):
        """Go on."""
        self.next(self.end)

    @step
    def end(self):
        """Be done."""


if __name__ == "__main__":
    ThreeStepsFlow()
