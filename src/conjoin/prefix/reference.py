"""What a prefix is to hold, file by file: its environment is made once more beside it, out of its packages.

What a prefix says of itself (``conda-meta``, ``RECORD``) may have been edited with it, and files that hold
the prefix's path, or are made on linking, have no hash in any package. So the truth is made again, by what
made it: in a folder whose path is as long, so that both differ in that path alone. It costs what hydrating
from warm caches does, and hard links.
"""

from __future__ import annotations

import os
import shutil
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conjoin.config.places import cache_dir
from conjoin.errors import Unreachable
from conjoin.lock.model import Lock, LockedPackage
from conjoin.prefix.link.conda import CondaCache, CondaEntry
from conjoin.prefix.link.packaged_path import PackagedPath, python_layout
from conjoin.prefix.link.wheel_listing import WheelListings
from conjoin.prefix.options import HydrateOptions
from conjoin.prefix.prefix import Marker, Prefix
from conjoin.prefix.registry import Registry
from conjoin.store.store import Store

__all__ = ["Reference", "reference"]

_LETTERS = string.ascii_lowercase + string.digits
_HIDDEN = (".", ".work")
"""How what is being worked on is called: collecting garbage finds what a killed process leaves."""
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Reference:
    """A prefix made once more.

    :ivar path: where.
    :ivar owners: for each path in it, as far as packages tell, who brings it.
    :ivar hashes: the sha256 of what packages bring unchanged, by path; several where packages overlap.
    """

    path: Path
    owners: dict[str, str]
    hashes: dict[str, set[str]]


@contextmanager
def reference(
    prefix: Path, lock: Lock, marker: Marker, store: Store, options: HydrateOptions
) -> Iterator[Reference]:
    """Give a second prefix of what ``prefix`` is to hold, which is gone afterwards.

    :param options: what hydrates it; where to is chosen here.
    :raises ConjoinError: where it cannot be made: as packages are not at hand, for instance.
    """
    with _twin(prefix) as twin:
        from conjoin.prefix.install import install

        target = Prefix(twin, marker)
        try:
            install(lock, target, store=store, registry=_Unregistered(), options=options)
            yield Reference(twin, *_brought(lock, marker.platform, store))
        finally:
            target.lock_file.unlink(missing_ok=True)


class _Unregistered(Registry):
    """Nobody is to find what is gone in a moment."""

    def add(self, prefix: Path, marker: Marker) -> None:
        """Do nothing."""


@contextmanager
def _twin(prefix: Path) -> Iterator[Path]:
    """Give the path of an empty folder that is as long as the prefix's."""
    made = _beside(prefix)
    root = made
    if made is None:  # a folder that we may only read
        root = Path(tempfile.mkdtemp(prefix="conjoin-"))
        left = len(os.fsencode(prefix)) - len(os.fsencode(root)) - 1
        if not 0 < left <= 200:
            root.rmdir()
            raise Unreachable(
                "there is no place to make this environment once more",
                where=str(prefix.parent),
                advice="make the folder of the prefix writable",
            )
        made = root / ("v" * left)
        made.mkdir()
    assert root is not None
    try:
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _beside(prefix: Path) -> Path | None:
    import random

    length = len(os.fsencode(prefix.name))
    before, after = _HIDDEN if length > 10 else ("", "")
    for _ in range(_TRIES):
        letters = random.choices(_LETTERS, k=length - len(before + after))  # noqa: S311 (no secret)
        if " " in prefix.name and len(letters) > 2:
            letters[1] = " "  # which changes how scripts name their interpreter
        path = prefix.with_name(before + "".join(letters) + after)
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError:
            return None
        return path
    return None


def _brought(lock: Lock, platform: str, store: Store) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return what packages say of their own files: who brings which path, and with which bytes."""
    locked = lock.platforms[platform]
    layout = python_layout(platform, locked)
    owners: dict[str, str] = {}
    hashes: dict[str, set[str]] = {}
    conda = CondaCache(cache_dir() / "conda")
    wheels = WheelListings(cache_dir() / "wheel-listings")
    for package in locked.packages:
        entry = _entry(package, conda, wheels, store)
        if entry is None:
            continue
        paths, translated = entry
        for packaged in paths:
            path = layout.place(packaged.path) if translated and layout else packaged.path
            owners[path] = package.name
            known = hashes.setdefault(path, set())
            if len(packaged.sha256) == 64:
                known.add(packaged.sha256)
            else:
                known.add("")  # made or changed on linking
    return owners, {path: known for path, known in hashes.items() if "" not in known}


def _entry(
    package: LockedPackage, conda: CondaCache, wheels: WheelListings, store: Store
) -> tuple[tuple[PackagedPath, ...], bool] | None:
    if package.kind == "conda":
        found: CondaEntry | None = conda.find(package)
        return (found.paths, package.noarch == "python") if found is not None else None
    if package.kind == "pypi":
        wheel = wheels.find(package, store.packages.path(package.sha256, package.file))
        return (wheel.paths, True) if wheel is not None else None
    return None
