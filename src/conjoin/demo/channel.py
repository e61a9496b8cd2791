"""The demo's conda channel: forged on first use, out of an interpreter of this machine and real wheels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.demo.request import NUMPYS, has_compiler
from conjoin.errors import NotFound

if TYPE_CHECKING:
    from conjoin.forge.interpreter import Interpreter

__all__ = ["choose_python", "forge_channel"]

_MINORS = ("3.12", "3.11", "3.10")
"""Those numpy 1.26 and 2.2 both have wheels for."""


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
    forge(channel, pythons=[str(python.executable)], wheels=NUMPYS, sample=has_compiler(), level=3)
    return channel


def _fits(python: Interpreter) -> bool:
    return ".".join(python.version.split(".")[:2]) in _MINORS and not python.free_threaded
