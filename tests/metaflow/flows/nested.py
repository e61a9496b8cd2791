"""Flows that steps start: nothing of the outer task's environment reaches inner tasks."""

import os
from pathlib import Path

from looking import look

from metaflow import FlowSpec, Runner, conda, step

INNER = Path(__file__).with_name("inner.py")


class NestedFlow(FlowSpec):
    """``start`` has an environment, ``outside`` none; both start another flow."""

    @conda(packages={"tinylib": "1.0"})
    @step
    def start(self):
        # Without an environment: what runs it here is this environment's Python.
        with Runner(str(INNER), pylint=False, environment="local", show_output=False).run() as running:
            self.plain = running.run["end"].task.data.seen
        self.next(self.outside)

    @conda(disabled=True)
    @step
    def outside(self):
        # As a launcher finds it that is itself a task with an environment.
        os.environ["_METAFLOW_CONDA_ENV"] = "0:0"
        with Runner(str(INNER), pylint=False, environment="conda", show_output=False).run() as running:
            self.inner_start = running.run["start"].task.data.seen
            self.inner_end = running.run["end"].task.data.seen
            self.inner_metadata = running.run["end"].task.metadata_dict
            self.output = running.stdout
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        self.seen = {
            "plain": self.plain,
            "start": self.inner_start,
            "end": self.inner_end,
            "metadata": self.inner_metadata,
            "output": self.output,
            "mine": look(),
        }


if __name__ == "__main__":
    NestedFlow()
