"""Packages from PyPI, in tasks that run side by side: their environment is made once."""

from importlib.metadata import version

from metaflow import FlowSpec, pypi, step


class PypiPackagesFlow(FlowSpec):
    """Three tasks with one environment."""

    @step
    def start(self):
        """Fan out."""
        self.numbers = [1, 2, 3]
        self.next(self.work, foreach="numbers")

    @pypi(packages={"humanize": ">=4.9,<5"})
    @step
    def work(self):
        """Use the package: one task for each number."""
        import humanize

        self.said = f"humanize {version('humanize')} from {humanize.__file__}"
        self.next(self.join)

    @step
    def join(self, inputs):
        """All tasks saw the same package in the same place."""
        [self.said] = {task.said for task in inputs}
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print(self.said)


if __name__ == "__main__":
    PypiPackagesFlow()
