"""The demo's steps: a channel forged here, a mixed request, conda first as other tools do it, and the result.

The conda channel is forged on first use, out of an interpreter of this machine and real wheels.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.config.load import load_settings
from conjoin.errors import ConjoinError, NoSolution, NotFound
from conjoin.prefix.activation import environment_variables
from conjoin.prefix.prefix import read_marker
from conjoin.resolving import Resolution, ResolveOptions, resolve_request
from conjoin.spec.build import build_requirements
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import Requirements
from conjoin.store.store import Store

if TYPE_CHECKING:
    from conjoin.forge.interpreter import Interpreter

__all__ = [
    "PYPI",
    "CondaFirst",
    "Report",
    "ask",
    "choose_python",
    "conda_packages",
    "forge_channel",
    "forget_prefix",
    "has_compiler",
    "requirements",
    "solve_conda_first",
]

_NUMPYS = ("numpy==1.26.4", "numpy==2.2.6")
"""What the channel has; both have wheels for Python 3.10, 3.11 and 3.12."""

PYPI = ("contourpy==1.2.0", "requests", "rich")
"""The first one asks for ``numpy>=1.20,<2.0``."""

_MINORS = ("3.12", "3.11", "3.10")
"""Pythons that numpy 1.26 and 2.2 both have wheels for."""


@dataclass(frozen=True, slots=True)
class CondaFirst:
    """How it ended.

    :ivar chosen: conda package to version, as solved without a look at PyPI.
    :ivar failure: why no PyPI package can live with that, None if some can.
    """

    chosen: dict[str, str]
    failure: NoSolution | None


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


def choose_python(wanted: str | None = None) -> Interpreter:
    """Return an interpreter that both numpy versions have wheels for: the running one, if it will do.

    :param wanted: a version or a path, to choose another one.
    :raises NotFound: where this machine has none.
    """
    from conjoin.forge.interpreter import find_interpreters, inspect_interpreter

    if wanted is not None:
        (chosen,) = find_interpreters([wanted])
        if _fits(chosen):
            return chosen
        raise NotFound(
            f"the demo does not work with Python {chosen.version}",
            advice=f"numpy 1.26 has wheels for {', '.join(_MINORS)}",
        )
    (running,) = find_interpreters()
    if _fits(running):
        return running
    from conjoin.config.places import cache_dir
    from conjoin.index.interpreters import find_interpreters as find_all

    for other in find_all(cache_dir()):
        minor = ".".join(map(str, other.version.release[:2]))
        if other.implementation == "cp" and minor in _MINORS and not other.free_threaded:
            return inspect_interpreter(other.path)
    raise NotFound(
        f"the demo needs a CPython {', '.join(_MINORS[:-1])} or {_MINORS[-1]}, and this machine has none",
        advice="install one; numpy 1.26, which the demo is about, has no wheels for others",
    )


def forge_channel(directory: Path, python: Interpreter) -> Path:
    """Make the channel, unless it is there, and return it.

    :raises Unreachable: where numpy's wheels cannot be fetched.
    """
    from conjoin.forge import forge

    channel = directory / f"channel-{python.version}"
    # Fast rather than small: nobody downloads it.
    forge(channel, pythons=[str(python.executable)], wheels=_NUMPYS, sample=has_compiler(), level=3)
    return channel


def _fits(python: Interpreter) -> bool:
    return ".".join(python.version.split(".")[:2]) in _MINORS and not python.free_threaded


def has_compiler() -> bool:
    """Tell whether the sample, a C library and a program, can be built here."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang"))


def conda_packages() -> tuple[str, ...]:
    """Return what is asked of the channel: the newest numpy and, where there is one, the C program."""
    return ("numpy", "forgedemo") if has_compiler() else ("numpy",)


def requirements(channel: Path, conda: Sequence[str], pypi: Sequence[str] = ()) -> Requirements:
    """Return a request on the demo's channel and the user's PyPI index, deaf to all other settings."""
    settings = load_settings().only("index-url", "extra-index-urls")
    return build_requirements(conda=conda, pypi=pypi, channels=[str(channel)], settings=settings)


def solve_conda_first(channel: Path, store: Store, *, offline: bool = False) -> CondaFirst:
    """Solve conda alone, then PyPI with everything of conda pinned; nothing is kept."""
    alone = _solve(requirements(channel, conda_packages()), store, offline)
    packages = alone.lock.platforms[host_platform()].packages
    chosen = {package.name: package.version for package in packages}
    pinned = [f"{package.name} =={package.version} {package.build}" for package in packages]
    try:
        _solve(requirements(channel, pinned, PYPI), store, offline)
    except NoSolution as failure:
        return CondaFirst(chosen, failure)
    return CondaFirst(chosen, None)


def _solve(asked: Requirements, store: Store, offline: bool) -> Resolution:
    return resolve_request(
        asked, options=ResolveOptions(force=True, dry_run=True, offline=offline), store=store
    )


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
