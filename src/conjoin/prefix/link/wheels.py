"""Verified wheels into a prefix: linked by uv, then made the same on every machine."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from conjoin.errors import IntegrityError
from conjoin.lock.identity import ARCHIVES
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.packaged_path import PackagedPath, PythonLayout
from conjoin.prefix.link.uv import Uv
from conjoin.prefix.link.wheel_cache import IN_ARCHIVE, Inspected, WheelCache, identity
from conjoin.prefix.link.wheel_listing import WheelEntry
from conjoin.spec.credentials import without_credentials
from conjoin.untrusted import split_url, without_fragment
from conjoin.writing import replace, write_all

__all__ = ["WheelLinker", "direct_url"]

_DIRECT_URL = "direct_url.json"

# What uv wrote about this machine (nobody else reads it), and where a wheel says it was installed from.
_DROPPED = (_DIRECT_URL, "uv_build.json", "uv_cache.json")
# What uv wrote that stays.
_WRITTEN = (b"INSTALLER", b"REQUESTED")


class WheelLinker:
    """Links wheels into one prefix.

    :param archives: where each wheel lies: a folder of its own, so that its name and hash are enough.
    :param python: what uv takes for the prefix's interpreter.
    :param cache: what is remembered of uv's cache.
    :param work: a folder for the requirements files.
    """

    def __init__(
        self,
        uv: Uv,
        layout: PythonLayout,
        archives: Mapping[LockedPackage, Path],
        *,
        python: Path,
        cache: WheelCache,
        work: Path,
    ) -> None:
        self._uv = uv
        self._site = uv.prefix / layout.site_packages
        self._layout = layout
        self._archives = archives
        self._python = python
        self._cache = cache
        self._work = work

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
                inspected.update(self._cache.inspect(checked))

        for group in groups:
            self._install(group, meanwhile=inspect)
        for package, entry in entries.items():
            self._settle(package, entry)
        new = [each for each in checked if not self._is_sound(each, entries[each], inspected.get(each))]
        self._cache.remember(
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
        self._uv.run(["cache", "clean", "--quiet", package.name], what="cleaning the cache of wheels")
        self._install([package], anew=True)
        self._settle(package, entry)
        if damaged := self._damaged(entry.paths):
            raise IntegrityError(
                f"the cache of unpacked wheels is damaged: {damaged} of {package.name}",
                where=str(self._uv.cache),
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
        replace(requirements, ("\n".join(lines) + "\n").encode(), durable=False)
        reinstall = [f"--reinstall-package={each.name}" for each in packages] if anew else []
        self._uv.run(
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

    def _settle(self, package: LockedPackage, entry: WheelEntry) -> None:
        """Say where a package is from (PEP 610), and make its RECORD (PEP 376) reproducible."""
        record = self._site / entry.dist_info / "RECORD"
        for name in _DROPPED:
            record.with_name(name).unlink(missing_ok=True)
        said = direct_url(package)
        added = []
        if said is not None:
            replace(record.with_name(_DIRECT_URL), said, durable=False)
            added = [_row(f"{entry.dist_info}/{_DIRECT_URL}".encode(), said)]
        # As lines, not as csv: ten times faster, and lines are only dropped and sorted.
        dropped = tuple(f"{entry.dist_info}/{name},".encode() for name in _DROPPED)
        with record.open("r+b", buffering=0) as file:
            lines = [line for line in file.read().splitlines() if not line.startswith(dropped)]
            content = b"\n".join(sorted([*self._once(lines, os.fsencode(entry.dist_info)), *added])) + b"\n"
            if os.fstat(file.fileno()).st_nlink == 1:  # else it may be uv's cache as well
                # A third of what a new file costs; and nobody reads a prefix that is not complete.
                file.seek(0)
                write_all(file, content, record)
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
        top = f"{self._uv.prefix}/"
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


def direct_url(package: LockedPackage) -> bytes | None:
    """Return a package's ``direct_url.json`` (PEP 610), which `pip freeze` reads; the same on every machine.

    :returns: None for what comes from an index, built here or not.
    """
    url = package.source_url or package.url
    if not (package.direct or package.editable or url.startswith("git+")):
        return None
    text = json.dumps(_document(package, without_credentials(url)), sort_keys=True, separators=(",", ":"))
    return text.encode()


def _document(package: LockedPackage, url: str) -> dict[str, Any]:
    address, fragment = without_fragment(url)
    below = fragment.removeprefix("subdirectory=") if fragment.startswith("subdirectory=") else ""
    said: dict[str, Any] = {"subdirectory": below} if below else {}
    if url.startswith("git+"):
        # A lock has the commit. Not read by `build.git`, which bare containers do not have.
        repository, _, commit = address.removeprefix("git+").rpartition("@")
        return {**said, "url": repository, "vcs_info": {"commit_id": commit, "vcs": "git"}}
    if package.editable:
        return {**said, "url": address, "dir_info": {"editable": True}}
    if not split_url(address).path.endswith(ARCHIVES):
        return {**said, "url": address, "dir_info": {}}
    sha256 = package.source_sha256 if package.source_url else package.sha256
    # `hash` is what readers from before `hashes` look for.
    archive = {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}
    return {**said, "url": address, "archive_info": archive}
