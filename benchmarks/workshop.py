"""A place to measure in: folders of its own, a scrubbed environment, commands, servers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from uv import find_uv_bin

from loopback import LoopbackServer

__all__ = ["ROOT", "SAMPLE_CHANNEL", "SHARED", "Workshop", "each"]

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
SAMPLE_CHANNEL = SHARED / "conda-forge-sample"

# Settings of this host would make two tools see two worlds.
_FOREIGN = ("CONJOIN_", "PIP_", "UV_", "CONDA_", "MAMBA_", "RATTLER_", "VIRTUAL_ENV", "PYTHON")


@dataclass
class Workshop:
    """Where benchmarks run, and how: use as a context manager.

    :ivar command: what ``conjoin`` is.
    :ivar quick: fewer cases and runs.
    :ivar keep: folder for what is worth keeping from run to run (downloaded wheels).
    """

    command: tuple[str, ...]
    quick: bool = False
    keep: Path = ROOT / ".cache" / "benchmarks"
    folder: Path = field(init=False)
    _stack: ExitStack = field(init=False, default_factory=ExitStack)
    _count: int = field(init=False, default=0)
    _made: dict[str, Any] = field(init=False, default_factory=dict)

    def __enter__(self) -> Workshop:
        self.folder = Path(tempfile.mkdtemp(prefix="conjoin-bench-"))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        print("cleaning up", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def runs(self, many: int) -> int:
        """Return how often to run: ``many`` times, but less when in a hurry."""
        return max(1, many // 3) if self.quick else many

    def fresh(self, name: str) -> Path:
        """Return a new empty folder; nothing is deleted before the end (ext4 is slow just after)."""
        self._count += 1
        folder = self.folder / f"{self._count:03}-{name}"
        folder.mkdir()
        return folder

    def fresh_in(self, folder: Path, name: str) -> Path:
        """Return a new empty folder below another than the workshop's; it goes with the workshop."""
        made = Path(tempfile.mkdtemp(prefix=f"conjoin-bench-{name}-", dir=folder))
        self._stack.callback(shutil.rmtree, made, ignore_errors=True)
        return made

    def once(self, name: str, make: Callable[[Workshop], Any]) -> Any:
        """Return what ``make`` returns, made for the first benchmark that asks."""
        if name not in self._made:
            self._made[name] = make(self)
        return self._made[name]

    def environment(self, home: Path | None = None, **variables: str) -> dict[str, str]:
        """Return environment variables free of this host's settings, everything kept below ``home``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        if home is not None:
            kept |= {
                "CONJOIN_STORE": str(home / "store"),
                "CONJOIN_ENVS": str(home / "envs"),
                "CONJOIN_CACHE": str(home / "cache"),
                "CONJOIN_CONFIG": str(home / "config.toml"),
                "RATTLER_CACHE_DIR": str(home / "rattler"),
                "UV_CACHE_DIR": str(home / "uv"),
                "MAMBA_ROOT_PREFIX": str(home / "mamba"),
            }
        return {**kept, "UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull, **variables}

    def conjoin(self, *arguments: str) -> list[str]:
        """Return the command line of Conjoin."""
        return [*self.command, *arguments]

    def python(self, script: str, *arguments: str) -> list[str]:
        """Return the command line of a script beside this file."""
        return [sys.executable, str(Path(__file__).with_name(script)), *arguments]

    def uv(self, *arguments: str) -> list[str]:
        """Return the command line of the uv that Conjoin uses."""
        return [find_uv_bin(), *arguments]

    def serve(self, folder: Path) -> LoopbackServer:
        """Serve a folder over loopback http until the end."""
        return self._stack.enter_context(LoopbackServer(folder))

    def default_index(self) -> str:
        """Return the public index's URL."""
        return PYPI_SIMPLE_ENDPOINT

    def index_unreachable(self) -> str | None:
        """Return why the public index cannot be used, None if it can."""
        try:
            answer = httpx.head(f"{self.default_index().rstrip('/')}/pip/", timeout=5, follow_redirects=True)
        except httpx.HTTPError as error:
            return f"the public index cannot be reached ({type(error).__name__})"
        return None if answer.status_code < 400 else f"the public index answered {answer.status_code}"


def each(option: str, values: Sequence[str]) -> list[str]:
    """Return ``option value`` for each value."""
    return [word for value in values for word in (option, value)]
