"""What the caches and the default place of prefixes hold that nobody refers to any more.

Everything is moved into a folder for trash while the gates are held, which takes no time, and deleted after
that: files by the ten thousand, while others work.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path

import msgspec

from conjoin.prefix.gc.deletion import TRASH, Trash, Tree, freed, modified
from conjoin.prefix.registry import KnownPrefix
from conjoin.store.announcements import read_announcements
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.gc.collect import GRACE, LEFTOVER_AGE, leftovers
from conjoin.untrusted import decode_json

__all__ = ["Trash", "Tree", "Wheel", "cache_garbage", "freed", "prefix_leftovers", "unused_prefixes"]

Wheel = tuple[str, str]
"""A wheel's project, normalised, and its version."""

_POINTER_SIZE = 1 << 16
"""Bytes: what points to an unpacked wheel in uv's cache has about a hundred."""

_LEFT_BEHIND = re.compile(r"^\.trash-|^\..+\.trash-[^.]+$|^\..+\.work$")
"""What this module and :class:`~conjoin.prefix.prefix.Prefix` call their trash and their work folders."""

_BUILDS = (("sources", "sources/*"), ("sources", "sources/git/*"), ("built_wheels", "built/*/*"))

_WORD = re.compile(rb"[A-Za-z0-9_-]{8,}")


def cache_garbage(
    cache: Path, keep: Set[str], wheels: Set[Wheel], older_than: float, *, now: float
) -> list[Tree]:
    """Return what can go from the caches below ``cache``. To take it away, their lock is held since before.

    :param keep: sha256 of the packages whose unpacked files stay.
    :param wheels: those of them that are wheels.
    :param older_than: seconds; what was used since stays, but never less than an hour.
    :param now: seconds since 1970.
    """
    announced = read_announcements(FolderBackend(cache), now)
    kept = keep | announced.packages
    before = now - max(older_than, GRACE)
    return [
        *_conda(cache / "conda", kept, before, now),
        # Wheels that are being linked just now may not be remembered yet.
        *_wheels(cache, kept, wheels if not announced.ids else None, before),
        *_builds(cache, before, now),
        *(
            Tree("leftovers", (cache / each.key,))
            for each in leftovers(cache, now, but_not={"conda", "wheels"})
        ),
        *(Tree("leftovers", (cache / key,)) for key in announced.expired),
        *(Tree("leftovers", (path,)) for path in sorted(cache.glob(f"{TRASH}*"))),
    ]


def unused_prefixes(known: Iterable[KnownPrefix], older_than: float, *, now: float) -> list[KnownPrefix]:
    """Return the prefixes at their default place that nobody used for a time, nor runs anything from."""
    before = now - max(older_than, GRACE)
    found = [each for each in known if each.is_at_default_place and each.last_used <= before]
    running = tuple(_running()) if found else ()
    return [each for each in found if not any(path.startswith(f"{each.path}/") for path in running)]


def prefix_leftovers(envs: Path, *, now: float) -> list[Tree]:
    """Return what processes left below ``envs`` that were killed while they made or deleted prefixes."""
    return [
        Tree("leftovers", (path,))
        for folder in (envs, envs / "named")
        for path in sorted(folder.glob(".*"))
        if _LEFT_BEHIND.search(path.name) and now - modified(path) > LEFTOVER_AGE
    ]


def _conda(root: Path, keep: Set[str], before: float, now: float) -> Iterator[Tree]:
    for entry in sorted(root.glob("*/*")):
        if entry.name.startswith("."):  # where a package is, or was being, extracted
            if entry.is_dir() and now - modified(entry) > LEFTOVER_AGE:
                yield Tree("leftovers", (entry,))
        elif entry.name not in keep and modified(entry / "manifest.json", entry) <= before:
            yield Tree("unpacked_conda", (entry,))


class _Unpacked(msgspec.Struct):
    """What :mod:`conjoin.prefix.link.wheel_cache` remembers, as far as it matters here."""

    folder: str


def _wheels(cache: Path, keep: Set[str], wheels: Set[Wheel] | None, before: float) -> Iterator[Tree]:
    """Yield unpacked wheels and what is remembered of them.

    :param wheels: those that are kept; None to leave alone what is not remembered.
    """
    uv_cache = cache / "wheels"
    notes: list[Path] = []
    doomed: set[Path] = set()
    used: set[Path] = set()
    for note in sorted((cache / "wheel-listings").glob("*/*.json")):
        folder = _folder(note, uv_cache)
        stays = note.name.partition(".")[0] in keep or modified(note) > before
        if not stays:
            notes.append(note)
        if folder is not None:
            (used if stays else doomed).add(folder)
    for folder in uv_cache.glob("archive-v*/*"):
        if wheels is not None and folder not in used | doomed and modified(folder) <= before:
            wheel = _wheel(folder)
            if wheel is not None and wheel not in wheels:
                doomed.add(folder)
    gone = sorted(folder for folder in doomed - used if folder.is_dir())
    # What points to a folder goes first: uv believes what it finds, and fails where it points to nothing.
    pointers = _pointers(uv_cache, gone)
    for folder in gone:
        yield Tree("unpacked_wheels", (*pointers.get(folder.name, ()), folder))
    for note in notes:
        yield Tree("records", (note,))


def _folder(note: Path, uv_cache: Path) -> Path | None:
    if not note.name.endswith(".unpacked.json"):
        return None
    try:
        relative = decode_json(note.read_bytes(), _Unpacked).folder
    except (OSError, msgspec.DecodeError):
        return None
    parts = Path(relative).parts
    return uv_cache / relative if len(parts) == 2 and parts[0].startswith("archive-v") else None


def _wheel(folder: Path) -> Wheel | None:
    """Return which wheel lies unpacked in ``folder``, None where that cannot be told for sure."""
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    names = [path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info")]
    if len(names) != 1:
        return None
    name, _, version = names[0].partition("-")
    try:
        return canonicalize_name(name), str(Version(version))
    except InvalidVersion:
        return None


def _pointers(uv_cache: Path, folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Return for the names of ``folders`` what names them in the rest of uv's cache."""
    wanted = {folder.name for folder in folders}
    found: dict[str, list[Path]] = {}
    if not wanted:
        return found
    for top, names, files in os.walk(uv_cache):
        names[:] = sorted(name for name in names if not name.startswith("archive-v") or top != str(uv_cache))
        for name in sorted([*files, *names]):
            path = Path(top, name)
            for folder in wanted & _named_in(path):
                found.setdefault(folder, []).append(path)
    return found


def _named_in(path: Path) -> set[str]:
    with suppress(OSError):
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            return {path.readlink().name}
        if stat.S_ISREG(facts.st_mode) and facts.st_size < _POINTER_SIZE:
            return {word.decode() for word in _WORD.findall(path.read_bytes())}
    return set()


def _builds(cache: Path, before: float, now: float) -> Iterator[Tree]:
    """Yield the sources and built wheels below ``cache`` that were not used since; they can be had again.

    :param before: seconds since 1970; what was used after that stays.
    :param now: seconds since 1970.
    """
    for kind, pattern in _BUILDS:
        for entry in sorted(cache.glob(pattern)):
            if entry.name.startswith("."):  # where a process works, or was killed
                if now - modified(entry) > LEFTOVER_AGE:
                    yield Tree("leftovers", (entry,))
            elif entry != cache / "sources" / "git" and modified(entry) <= before:
                yield Tree(kind, (entry,))


def _running() -> Iterator[str]:
    """Yield the programs that run on this host, as far as it tells."""
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("exe", "cwd"):
            with suppress(OSError):
                yield f"{(process / name).readlink()}/"
