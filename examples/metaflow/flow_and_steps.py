"""Packages for a whole flow, and steps that want something else."""

import sys
from importlib.metadata import version

from metaflow import FlowSpec, conda, conda_base, pypi, step


@conda_base(packages={"rich": "13.9.4"}, python=">=3.10")
class FlowAndStepsFlow(FlowSpec):
    """What the flow asks for holds for every step; a step overrides it, package by package."""

    @step
    def start(self):
        """Have what the flow asks for."""
        self.start_rich = version("rich")
        self.next(self.other)

    @conda(packages={"rich": "14.0.0"})
    @pypi(packages={"humanize": ""})
    @step
    def other(self):
        """Have another version, and one package more."""
        self.other_rich, self.other_humanize = version("rich"), version("humanize")
        self.next(self.none)

    @conda(disabled=True)
    @step
    def none(self):
        """Have no environment: the Python that the run was started with."""
        self.launcher = sys.prefix
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print("the flow's rich", self.start_rich, "and that of a step", self.other_rich)
        print("another prefix:", sys.prefix != self.launcher)


if __name__ == "__main__":
    FlowAndStepsFlow()
