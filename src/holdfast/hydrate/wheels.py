"""Verified wheels into a prefix: linked by uv, then made the same on every machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.hydrate.packaged_path import PythonLayout
from holdfast.hydrate.uv_bridge import run_uv
from holdfast.hydrate.wheel_listing import WheelEntry
from holdfast.lock.model import LockedPackage
from holdfast.store.atomic import replace

__all__ = ["WheelLinker"]

# uv's own note of when it unpacked the wheel: differs by machine, and nobody else reads it.
_NOTE = "uv_cache.json"


class WheelLinker:
    """Links wheels into one prefix.

    :param archives: where each wheel lies: a folder of its own, so that its name and hash are enough.
    :param cache: uv's cache, best on the prefix's file system.
    :param work: a folder for the requirements files.
    """

    def __init__(
        self,
        prefix: Path,
        layout: PythonLayout,
        archives: Mapping[LockedPackage, Path],
        *,
        cache: Path,
        work: Path,
        lock_descriptor: int,
    ) -> None:
        self._prefix = prefix
        self._layout = layout
        self._archives = archives
        self._cache = cache
        self._work = work
        self._lock_descriptor = lock_descriptor

    def link(
        self, groups: Sequence[Sequence[LockedPackage]], entries: Mapping[LockedPackage, WheelEntry]
    ) -> None:
        """Link groups one after the other, a later one over an earlier one.

        :raises HoldfastError: where it fails; the prefix is incomplete then.
        """
        for group in groups:
            self._install(group)
        last = groups[-1] if groups else []
        overlaid = len(groups) > 1
        for package in entries:
            damaged = self._settle(entries[package], check=package in last or not overlaid)
            if damaged:
                # Editing a file in a prefix in place edits uv's cache, which is hard linked to it.
                self._uv(["cache", "clean", "--quiet", package.name], what="cleaning the cache of wheels")
                self._install([package], anew=True)
                damaged = self._settle(entries[package], check=True)
            if damaged:
                raise HoldfastError(
                    f"the cache of unpacked wheels is damaged: {damaged} of {package.name}",
                    where=str(self._cache),
                    advice="delete that folder and run again",
                )

    def _install(self, packages: Sequence[LockedPackage], *, anew: bool = False) -> None:
        # Folders as URLs: a requirements file knows no quoting for spaces.
        places = sorted({self._archives[package].parent.as_uri() for package in packages})
        wanted = sorted(f"{each.name}=={each.version} --hash=sha256:{each.sha256}" for each in packages)
        lines = [*(f"--find-links {place}" for place in places), *wanted]
        requirements = self._work / "requirements.txt"
        requirements.write_text("\n".join(lines) + "\n")
        reinstall = [f"--reinstall-package={each.name}" for each in packages] if anew else []
        self._uv(
            [
                "pip",
                "install",
                "--quiet",
                "--no-index",
                "--no-deps",
                "--no-build",
                "--require-hashes",
                "--no-compile-bytecode",
                "--break-system-packages",
                *reinstall,
                "--python",
                str(self._prefix / "bin" / "python"),
                "--requirements",
                str(requirements),
            ],
            what="linking wheels",
        )

    def _uv(self, arguments: Sequence[str], *, what: str) -> None:
        run_uv(
            arguments,
            cache=self._cache,
            lock_descriptor=self._lock_descriptor,
            what=what,
            where=self._prefix,
        )

    def _settle(self, entry: WheelEntry, *, check: bool) -> str:
        """Make a wheel's RECORD (PEP 376) reproducible; return a file that is missing or cut short, or ''.

        :param check: look at the sizes of files; not of wheels that later ones were laid over.
        """
        site = self._prefix / self._layout.site_packages
        record = site / entry.dist_info / "RECORD"
        note = record.with_name(_NOTE)
        note.unlink(missing_ok=True)
        # As lines, not as csv: ten times faster, and lines are only dropped and sorted.
        dropped = f"{entry.dist_info}/{_NOTE},".encode()
        lines = [line for line in record.read_bytes().splitlines() if not line.startswith(dropped)]
        # Never in place: it may be a hard link of the file in uv's cache.
        replace(record, b"\n".join(sorted(lines)) + b"\n", durable=False)
        return self._damaged(entry) if check else ""

    def _damaged(self, entry: WheelEntry) -> str:
        top = f"{self._prefix}/"
        for packaged in entry.paths:
            if not packaged.sha256:
                continue  # made on linking
            path = self._layout.place(packaged.path)
            try:
                size = os.lstat(top + path).st_size
            except OSError:
                return path
            if size != packaged.size:
                return path
        return ""
