"""Verified wheels into a prefix: linked by uv, then made the same on every machine."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from conjoin.errors import ConjoinError
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.direct_url import NAME as DIRECT_URL
from conjoin.prefix.link.direct_url import direct_url
from conjoin.prefix.link.packaged_path import PackagedPath, PythonLayout
from conjoin.prefix.link.uv import run_uv
from conjoin.prefix.link.wheel_cache import IN_ARCHIVE, Inspected, UnpackedWheels, identity
from conjoin.prefix.link.wheel_listing import WheelEntry
from conjoin.store.backend.atomic import replace

__all__ = ["WheelLinker"]

# What uv wrote about this machine (nobody else reads it), and where a wheel says it was installed from.
_DROPPED = (DIRECT_URL, "uv_build.json", "uv_cache.json")
# What uv wrote that stays.
_WRITTEN = (b"INSTALLER", b"REQUESTED")


class WheelLinker:
    """Links wheels into one prefix.

    :param python: what uv takes for the prefix's interpreter.
    :param archives: where each wheel lies: a folder of its own, so that its name and hash are enough.
    :param cache: uv's cache, best on the prefix's file system.
    :param unpacked: what is remembered of that cache.
    :param work: a folder for the requirements files.
    """

    def __init__(
        self,
        prefix: Path,
        layout: PythonLayout,
        archives: Mapping[LockedPackage, Path],
        *,
        python: Path,
        cache: Path,
        unpacked: UnpackedWheels,
        work: Path,
        lock_descriptor: int,
    ) -> None:
        self._prefix = prefix
        self._site = prefix / layout.site_packages
        self._layout = layout
        self._archives = archives
        self._python = python
        self._cache = cache
        self._unpacked = unpacked
        self._work = work
        self._lock_descriptor = lock_descriptor

    def link(
        self, groups: Sequence[Sequence[LockedPackage]], entries: Mapping[LockedPackage, WheelEntry]
    ) -> None:
        """Link groups one after the other, a later one over an earlier one.

        :raises ConjoinError: where it fails; the prefix is incomplete then.
        """
        # Not wheels that later ones are laid over: some of their files are not theirs any more.
        checked = groups[-1] if groups else ()
        inspected: dict[LockedPackage, Inspected] = {}

        def inspect() -> None:
            if not inspected:
                inspected.update(self._unpacked.inspect(checked))

        for group in groups:
            self._install(group, meanwhile=inspect)
        for package, entry in entries.items():
            self._settle(package, entry)
        new = [each for each in checked if not self._is_sound(each, entries[each], inspected.get(each))]
        self._unpacked.remember(
            (package, entries[package], witness)
            for package in new
            if (witness := identity(self._site / entries[package].dist_info)) is not None
        )

    def _is_sound(self, package: LockedPackage, entry: WheelEntry, inspected: Inspected | None) -> bool:
        """Return whether a wheel was linked from where it was inspected; where it is damaged, link it anew.

        :raises ConjoinError: where that does not help.
        """
        if inspected is not None and inspected.witness == identity(self._site / entry.dist_info):
            elsewhere = [each for each in entry.paths if not each.path.startswith(IN_ARCHIVE)]
            damaged = inspected.damaged or self._damaged(elsewhere)
            if not damaged:
                return True
        elif not (damaged := self._damaged(entry.paths)):
            return False
        # Editing a file in a prefix in place edits uv's cache, which is hard linked to it.
        self._uv(["cache", "clean", "--quiet", package.name], what="cleaning the cache of wheels")
        self._install([package], anew=True)
        self._settle(package, entry)
        if damaged := self._damaged(entry.paths):
            raise ConjoinError(
                f"the cache of unpacked wheels is damaged: {damaged} of {package.name}",
                where=str(self._cache),
                advice="delete that folder and run again; if it stays, report the wheel to its project",
            )
        return False

    def _install(
        self,
        packages: Sequence[LockedPackage],
        *,
        anew: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
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
                str(self._python),
                "--requirements",
                str(requirements),
            ],
            what="linking wheels",
            meanwhile=meanwhile,
        )

    def _uv(
        self, arguments: Sequence[str], *, what: str, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        run_uv(
            arguments,
            cache=self._cache,
            lock_descriptor=self._lock_descriptor,
            what=what,
            where=self._prefix,
            meanwhile=meanwhile,
        )

    def _settle(self, package: LockedPackage, entry: WheelEntry) -> None:
        """Say where a package is from (PEP 610), and make its RECORD (PEP 376) reproducible."""
        record = self._site / entry.dist_info / "RECORD"
        for name in _DROPPED:
            record.with_name(name).unlink(missing_ok=True)
        said = direct_url(package)
        added = []
        if said is not None:
            replace(record.with_name(DIRECT_URL), said, durable=False)
            added = [_row(f"{entry.dist_info}/{DIRECT_URL}".encode(), said)]
        # As lines, not as csv: ten times faster, and lines are only dropped and sorted.
        dropped = tuple(f"{entry.dist_info}/{name},".encode() for name in _DROPPED)
        with record.open("r+b") as file:
            lines = [line for line in file.read().splitlines() if not line.startswith(dropped)]
            content = b"\n".join(sorted([*self._once(lines, os.fsencode(entry.dist_info)), *added])) + b"\n"
            if os.fstat(file.fileno()).st_nlink == 1:  # else it may be uv's cache as well
                # A third of what a new file costs; and nobody reads a prefix that is not complete.
                file.seek(0)
                file.write(content)
                file.truncate()
                return
        replace(record, content, durable=False)

    def _once(self, lines: list[bytes], info: bytes) -> list[bytes]:
        """Return one row for each file that the installer wrote: the wheel may have had one for its own."""
        for name in _WRITTEN:
            start = info + b"/" + name + b","
            if sum(line.startswith(start) for line in lines) > 1:
                content = (self._site / os.fsdecode(start[:-1])).read_bytes()
                lines = [*(line for line in lines if not line.startswith(start)), _row(start[:-1], content)]
        return lines

    def _damaged(self, paths: Iterable[PackagedPath]) -> str:
        """Return a file that is missing or cut short, else an empty string."""
        top = f"{self._prefix}/"
        for packaged in paths:
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


def _row(path: bytes, content: bytes) -> bytes:
    digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=")
    return b"%b,sha256=%b,%d" % (path, digest, len(content))
