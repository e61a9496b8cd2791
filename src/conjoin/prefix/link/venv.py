"""A virtual environment around an interpreter of this host, where the lock says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conjoin.errors import NotFound
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.uv import run_uv

__all__ = ["FindPython", "host_interpreter", "make_venv", "tidy_venv"]

FindPython = Callable[[LockedPackage], "Path | None"]
"""Returns the path of this host's interpreter of exactly that implementation, version and ABI, or None."""


def host_interpreter(package: LockedPackage, find_python: FindPython | None) -> Path:
    """Return the interpreter that ``package`` (of kind ``python``) names.

    :raises NotFound: where this host has none of exactly that implementation, version and ABI.
    """
    found = find_python(package) if find_python is not None else None
    if found is None:
        raise NotFound(
            f"this host has no {package.implementation or 'python'} {package.version} "
            f"({package.abi or 'any ABI'}), which the lock names",
            advice="install it, or resolve again with --python-source channel",
        )
    return found


def make_venv(prefix: Path, interpreter: Path, *, cache: Path, lock_descriptor: int) -> None:
    """Make ``prefix``, which holds our marker alone, a virtual environment (PEP 405) without pip."""
    run_uv(
        ["venv", "--quiet", "--allow-existing", "--no-project", "--python", str(interpreter), str(prefix)],
        cache=cache,
        lock_descriptor=lock_descriptor,
        what="making the virtual environment",
        where=prefix,
    )


def tidy_venv(prefix: Path) -> None:
    """Take away what uv leaves in a virtual environment and no package owns."""
    for litter in ("CACHEDIR.TAG", ".gitignore", ".lock"):
        (prefix / litter).unlink(missing_ok=True)
