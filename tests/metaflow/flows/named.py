"""Environments by name: as they are, extended, of a past step, and fetched when a task starts."""

import os
import subprocess
import sys

from looking import look

from metaflow import FlowSpec, Parameter, conda, named_env, pypi, step


class NamedFlow(FlowSpec):
    """``start`` makes the environments that two later steps fetch."""

    kind = Parameter("kind", default="fast")

    @conda(disabled=True)
    @step
    def start(self):
        self.seen = look()
        for name in (f"built/{os.environ['METAFLOW_RUN_ID']}:v1", f"kinds/{self.kind}"):
            command = [sys.executable, "-m", "conjoin", "resolve", "--quiet", "--alias", name]
            packages = ["--conda", "tinylib=2", "--conda", "requests", "--conda", "boto3"]
            channel = ["-c", os.environ["METAFLOW_CONDA_CHANNELS"]]
            python = ["--python", ".".join(map(str, sys.version_info[:2]))]
            subprocess.run([*command, *packages, *channel, *python], check=True)
        self.next(self.alone, self.extended, self.substituted, self.past, self.fetched, self.chosen)

    @named_env(name="team/base:v1")
    @step
    def alone(self):
        self.seen = look()
        self.next(self.joined)

    @named_env(name="team/base:v1")
    @pypi(packages={"pypionly": ""})
    @step
    def extended(self):
        self.seen = look()
        self.next(self.joined)

    @named_env(name="@{TEAM}/base:v1")
    @step
    def substituted(self):
        self.seen = look()
        self.next(self.joined)

    @named_env(pathspec="SidesFlow/@{SIDES_RUN}/newer")
    @step
    def past(self):
        self.seen = look()
        self.next(self.joined)

    @named_env(name="built/@{METAFLOW_RUN_ID}:v1", fetch_at_exec=True)
    @step
    def fetched(self):
        self.seen = look()
        self.next(self.joined)

    @named_env(name="kinds/@{METAFLOW_INIT_KIND}", fetch_at_exec=True)
    @step
    def chosen(self):
        self.seen = look()
        self.next(self.joined)

    @conda(disabled=True)
    @step
    def joined(self, inputs):
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    NamedFlow()
