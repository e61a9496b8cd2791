"""An environment that somebody resolved and named: as it is, and extended by a package.

Before the first run: ``metaflow environment resolve -f report.yml --alias examples/report:v1``.
"""

from importlib.metadata import version

from metaflow import FlowSpec, conda_base, named_env, pypi, step


@conda_base(disabled=True)
class NamedFlow(FlowSpec):
    """Two steps with environments, the others without."""

    @step
    def start(self):
        """Go on."""
        self.next(self.report)

    @named_env(name="examples/report:v1")
    @step
    def report(self):
        """Run in exactly that environment."""
        self.rich = version("rich")
        self.next(self.extended)

    @named_env(name="examples/report:v1")
    @pypi(packages={"humanize": ">=4.9,<5"})
    @step
    def extended(self):
        """Run in that environment and one package more: everything else stays as it was locked."""
        assert version("rich") == self.rich
        self.humanize = version("humanize")
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print("rich", self.rich, "by name, and humanize", self.humanize, "on top")


if __name__ == "__main__":
    NamedFlow()
