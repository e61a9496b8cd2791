"""What commands tell about environments: as documents for programs, as a line each, and as tables."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.store.store import Store

__all__ = [
    "environment_document",
    "environment_type",
    "machine_line",
    "made_prefix",
    "print_environment",
    "write_document",
]

NOTHING = "-"
"""Stands in a line for programs where there is no value."""


def environment_type(lock: Lock, store: Store | None = None) -> str:
    """Return ``conda-only``, ``pypi-only`` or ``mixed``, by what was asked for; Python does not count.

    :param store: where environments are that this one extends: what was asked for there counts as well.
    """
    from conjoin.errors import ConjoinError

    conda, pypi = bool(lock.requirements.get("conda")), bool(lock.requirements.get("pypi"))
    base = str(lock.requirements.get("base") or "")
    if base and store is not None:
        try:
            below = environment_type(store.lock(*base.split(":")), store)
        except (ConjoinError, TypeError):
            pass
        else:
            conda, pypi = conda or below != "pypi-only", pypi or below != "conda-only"
    if conda and pypi:
        return "mixed"
    return "pypi-only" if pypi else "conda-only"


def made_prefix(lock: Lock) -> str | None:
    """Return the prefix where the environment is on this machine, None where it was not made."""
    from conjoin.prefix.prefix import Marker, prefix_path, read_marker
    from conjoin.spec.platform import host_platform

    platform = host_platform()
    if platform not in lock.platforms:
        return None
    path = prefix_path(lock, platform=platform)
    there = read_marker(path)
    return str(path) if there is not None and there.holds(Marker.of(lock, platform)) else None


def environment_document(lock: Lock, platform: str, store: Store | None = None) -> dict[str, Any]:
    """Return what programs are told about an environment."""
    from conjoin.cli.output.documents import lock_document

    packages = lock_document(lock)["platforms"][platform]
    return {
        "req_id": lock.req_id,
        "full_id": lock.full_id,
        "arch": platform,
        "type": environment_type(lock, store),
        "python": next((p["version"] for p in packages if p["name"] == "python" and p["kind"] != "pypi"), ""),
        "requirements": lock.requirements,
        "packages": packages,
    }


def machine_line(lock: Lock, platform: str, store: Store | None = None) -> str:
    """Return an environment as scripts read it: id, platform, type and prefix, with blanks between them."""
    prefix = made_prefix(lock) or NOTHING
    return f"{lock.req_id}:{lock.full_id} {platform} {environment_type(lock, store)} {prefix}"


def print_environment(
    lock: Lock, platform: str, title: str, store: Store | None = None, stream: TextIO | None = None
) -> None:
    """Print an environment for people, to ``stream``, default: stdout."""
    from conjoin.cli.output.packages import counts, print_packages, total_size
    from conjoin.cli.output.reporter import presentable, styled

    stream = stream or sys.stdout
    locked = lock.platforms[platform]
    size = total_size(locked)
    print(styled(presentable(title), "bold", stream), file=stream)
    for name, text in (
        ("environment", f"{lock.req_id}:{lock.full_id}"),
        ("platform", f"{platform}: {counts(locked)}{f', {size}' if size else ''}"),
        ("type", environment_type(lock, store)),
        ("prefix", made_prefix(lock) or ""),
    ):
        if text:
            print(f"{styled(f'{name:<12}', 'dim', stream)}{presentable(text)}", file=stream)
    print_packages(locked, stream)
    print(file=stream, flush=True)


def write_document(document: dict[str, Any], output: str) -> None:
    """Write JSON to a file, whole or not at all; to stdout (``-``), or into a pipe that somebody reads.

    :raises conjoin.errors.UsageError: where it cannot be written.
    """
    from conjoin.errors import UsageError
    from conjoin.writing import replace

    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if output == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        if _is_special(output):
            Path(output).write_text(text, encoding="utf-8")
            return
        path = Path(output).absolute()
        path.parent.stat()  # else it would be made
        replace(path, text.encode(), durable=False, mode=0o666 & ~_umask())
    except OSError as error:
        raise UsageError(
            f"it cannot be written ({error.strerror or error})",
            where=output,
            advice="choose another --output",
        ) from None


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except FileNotFoundError:
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
