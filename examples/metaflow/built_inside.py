"""An environment that one step of the run makes, and a later one runs in."""

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from metaflow import FlowSpec, Parameter, conda_base, current, named_env, step

ENVIRONMENT = """
channels: [conda-forge]
dependencies: [rich ={}]
"""


@conda_base(disabled=True)
class BuiltInsideFlow(FlowSpec):
    """The run's parameter decides what is in the environment."""

    rich = Parameter("rich", help="the version to run with", default="14.0.0")

    @step
    def start(self):
        """Resolve an environment, and name it after this run."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "environment.yml")
            file.write_text(ENVIRONMENT.format(self.rich))
            command = [sys.executable, "-m", "metaflow.cmd.main_cli", "environment", "resolve"]
            alias = f"built/{current.run_id}:v1"
            subprocess.run([*command, "--file", str(file), "--alias", alias], check=True)
        self.next(self.use)

    @named_env(name="built/@{METAFLOW_RUN_ID}:v1", fetch_at_exec=True)
    @step
    def use(self):
        """Run in it: looked up when this task starts."""
        self.found = version("rich")
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print("built inside the run: rich", self.found)


if __name__ == "__main__":
    BuiltInsideFlow()
