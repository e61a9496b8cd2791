"""Two versions of one library in one run: every step has the packages it asks for, and no others."""

from importlib.metadata import version

from metaflow import FlowSpec, conda, step


class TwoVersionsFlow(FlowSpec):
    """One branch has the old version of a library, the other the new one."""

    @step
    def start(self):
        """Branch. A step that says nothing has an environment too: Python and Metaflow's libraries."""
        self.next(self.older, self.newer)

    @conda(packages={"rich": "13.9.4"})
    @step
    def older(self):
        """Run with the old version."""
        self.rich = version("rich")
        self.next(self.compare)

    @conda(packages={"rich": "14.0.0"})
    @step
    def newer(self):
        """Run with the new version."""
        self.rich = version("rich")
        self.next(self.compare)

    @step
    def compare(self, inputs):
        """See both."""
        self.versions = sorted(branch.rich for branch in inputs)
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print("the branches had rich", " and ".join(self.versions))


if __name__ == "__main__":
    TwoVersionsFlow()
