"""conda and PyPI packages on one step, solved together.

``flake8 6.1.0`` of PyPI needs ``pycodestyle <2.12``, and conda has newer ones. Who solves conda first pins
the newest, and then fails on PyPI. Here both sides are one question.
"""

from importlib.metadata import version

from metaflow import FlowSpec, conda, pypi, step


class OneSolveFlow(FlowSpec):
    """One step with packages of both sides."""

    @step
    def start(self):
        """Go on."""
        self.next(self.check)

    @conda(packages={"pycodestyle": ""})
    @pypi(packages={"flake8": "6.1.0"})
    @step
    def check(self):
        """See which version of the conda package suits the PyPI package."""
        self.versions = {name: version(name) for name in ("pycodestyle", "flake8")}
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print("solved together:", ", ".join(f"{name} {it}" for name, it in self.versions.items()))


if __name__ == "__main__":
    OneSolveFlow()
