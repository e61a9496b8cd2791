"""A step that is resolved and one with an environment by its name: half of the kinds of ``cloud.py``."""

from looking import look

from metaflow import FlowSpec, conda, named_env, step


class CloudNamedFlow(FlowSpec):
    """As ``plain`` and ``named`` of ``cloud.py``."""

    @conda(packages={"tinylib": "1.0"})
    @step
    def start(self):
        self.seen = look()
        self.next(self.end)

    @named_env(name="cloud/base:v1")
    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    CloudNamedFlow()
