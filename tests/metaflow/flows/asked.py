"""A flow whose steps ask for their environments in every way that ``environment show`` tells apart."""

import sys

from metaflow import FlowSpec, conda, named_env, pypi, step


class AskedFlow(FlowSpec):
    """``start`` asks for packages on both sides, as a file and a command line may."""

    @conda(packages={"condaonly": ">=1"})
    @pypi(packages={"pypionly": "3.1"})
    @step
    def start(self):
        import pypionly  # noqa: F401

        self.prefix = sys.prefix
        self.next(self.off, self.named, self.extended, self.fetched)

    @conda(disabled=True)
    @step
    def off(self):
        self.next(self.joined)

    @named_env(name="asked/base:v1")
    @step
    def named(self):
        self.next(self.joined)

    @named_env(name="asked/base:v1")
    @pypi(packages={"tinyapp": ""})
    @step
    def extended(self):
        self.next(self.joined)

    @named_env(name="asked/@{METAFLOW_RUN_ID}:v1", fetch_at_exec=True)
    @step
    def fetched(self):
        self.next(self.joined)

    @conda(packages={"tinylib": "1.0"})
    @step
    def joined(self, inputs):
        self.next(self.end)

    @conda(packages={"tinylib": "==1.0"})
    @step
    def end(self):
        pass


if __name__ == "__main__":
    AskedFlow()
