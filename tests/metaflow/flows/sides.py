"""Every way to ask for packages in one flow."""

from looking import look

from metaflow import FlowSpec, conda, conda_base, pypi, step, sys_packages


@conda_base(libraries={"tinylib": "1.0"})
class SidesFlow(FlowSpec):
    """One library in two versions, on both sides, together, or not at all."""

    @step
    def start(self):
        self.seen = look()
        self.next(self.newer, self.both, self.same, self.off)

    @conda(packages={"tinylib": "2.0"})
    @step
    def newer(self):
        import tinylib

        self.version = tinylib.__version__
        self.seen = look()
        self.next(self.joined)

    @conda(libraries={"condaonly": ""})
    @pypi(packages={"pypionly": ">=3", "tinyapp": "", "tinyactive": "1.0"})
    @step
    def both(self):
        import condaonly  # noqa: F401
        import pypionly  # noqa: F401

        self.seen = look()
        self.next(self.joined)

    @conda(packages={"tinylib": "==1.0"})
    @step
    def same(self):
        self.seen = look()
        self.next(self.joined)

    @conda(disabled=True)
    @step
    def off(self):
        self.seen = look()
        self.next(self.joined)

    @sys_packages(packages={"__glibc": "2.31"})
    @step
    def joined(self, inputs):
        self.seen = look()
        self.versions = [one.seen["versions"].get("tinylib") for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    SidesFlow()
