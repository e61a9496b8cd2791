"""The demo's environment on disk: made anew each time, then asked what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conjoin.errors import ConjoinError
from conjoin.prefix.activation import environment_variables
from conjoin.prefix.prefix import read_marker

__all__ = ["Report", "ask", "forget_prefix"]


@dataclass(frozen=True, slots=True)
class Report:
    """What the environment says of itself.

    :ivar packages: ``name``, ``version``, ``kind``, ``origin`` of each.
    :ivar work: what two packages computed together.
    :ivar program: output of the C program, empty where there is none.
    """

    packages: list[dict[str, str]]
    work: str
    program: str


def forget_prefix(prefix: Path) -> None:
    """Delete the environment of the last demo; anything else that stands there stays."""
    if read_marker(prefix) is not None:
        shutil.rmtree(prefix)


def ask(prefix: Path) -> Report:
    """Run the demo's script in the environment.

    :raises ConjoinError: where it fails, which is a bug.
    """
    script = Path(__file__).with_name("origins.py")
    done = subprocess.run(
        [str(prefix / "bin" / "python"), "-I", str(script)],
        env=environment_variables(prefix),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ConjoinError(f"the demo's script failed: {last}", where=str(prefix))
    return Report(**json.loads(done.stdout))
