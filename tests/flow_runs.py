"""Running flows as a user does, in a home of their own, and looking at what they left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_server import SERVERS
from loopback import LoopbackServer

__all__ = ["FLOWS", "Flows", "Ran"]

FLOWS = Path(__file__).parent / "metaflow" / "flows"

_RUN_ID = re.compile(r"\(run-id (\S+)\)")

# Importing Metaflow takes longer than reading a run: one process reads all runs of a home.
_READER = """
import json, sys, traceback
from metaflow import Run, namespace
namespace(None)
for line in sys.stdin:
    try:
        found = {
            step.id: [
                {'id': task.id, 'seen': getattr(task.data, 'seen', None),
                 'metadata': task.metadata_dict,
                 'stdout': task.stdout, 'stderr': task.stderr, 'information': task.environment_info}
                for task in step]
            for step in Run(line.strip())}
    except Exception:
        found = traceback.format_exc()
    print(json.dumps(found), flush=True)
"""


@dataclass(frozen=True)
class Ran:
    """A command that ended.

    :ivar code: its exit code.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def run_id(self) -> str:
        """The id of the run it started."""
        found = _RUN_ID.search(self.stdout) or _RUN_ID.search(self.stderr)
        assert found is not None, self.said
        return found[1]

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


class Flows:
    """Runs flows in ``folder`` against the channel and the index that ``server`` has.

    :ivar variables: the whole environment of the commands.
    """

    def __init__(self, folder: Path, server: LoopbackServer) -> None:
        self.folder = folder
        self.server = server
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "USER": "tester",
            "METAFLOW_USER": "tester",
            "METAFLOW_HOME": str(folder / "none"),
            # What this checkout is, Metaflow would ask git for each task.
            "GIT_CEILING_DIRECTORIES": str(FLOWS.parent),
            "CONJOIN_CONFIG": os.devnull,
            "CONJOIN_PROJECT": os.devnull,
            "METAFLOW_CONDA_CHANNELS": f"{server.url}/channel",
            "METAFLOW_CONDA_DEFAULT_PYPI_SOURCE": f"{server.url}/simple/",
        }
        self._reader: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """End the process that reads runs, if there is one."""
        if self._reader is not None:
            self._reader.communicate()
            self._reader = None

    @property
    def envs(self) -> list[Path]:
        """The prefixes that are there."""
        return sorted((self.folder / "home/.local/share/conjoin/envs").glob("metaflow_*"))

    def command(self, flow: str | Path, *arguments: str, environment: str | None = "conda") -> list[str]:
        """Return the command line of a flow's command."""
        chosen = [f"--environment={environment}"] if environment else []
        return [sys.executable, str(FLOWS / flow), "--no-pylint", *chosen, *arguments]

    def run(
        self,
        flow: str | Path,
        *arguments: str,
        environment: str | None = "conda",
        variables: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a flow's command (default: ``run``) to its end."""
        return self.call(
            *self.command(flow, *(arguments or ("run",)), environment=environment), variables=variables
        )

    def call(self, *command: str, variables: Mapping[str, str] | None = None) -> Ran:
        """Run any command as the flows are run: Python's, in a process that has Metaflow already."""
        found = {**self.variables, **(variables or {})}
        served = shutil.which(command[0], path=found["PATH"]) == sys.executable
        if served and command[1:3] != ("-m", "conjoin"):
            return Ran(*SERVERS.run(command, self.folder, found))
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=found,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=1800,  # of a machine that has much else to do
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def tasks(self, flow: str, ran: Ran) -> dict[str, list[dict[str, Any]]]:
        """Return what tasks of a run left: by step, artifacts (``seen`` alone) and metadata of each task."""
        if self._reader is None:
            self._reader = subprocess.Popen(
                [sys.executable, "-c", _READER],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        self._reader.stdin.write(f"{flow}/{ran.run_id}\n")
        self._reader.stdin.flush()
        found: dict[str, list[dict[str, Any]]] | str = json.loads(self._reader.stdout.readline())
        assert not isinstance(found, str), found
        return found

    def task(self, flow: str, ran: Ran) -> dict[str, dict[str, Any]]:
        """Return the same of a run whose steps have one task each."""
        return {step: tasks[0] for step, tasks in self.tasks(flow, ran).items()}
