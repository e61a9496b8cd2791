"""Conda packages: extracted into a cache, then linked into a prefix out of it.

The cache has one folder for each, by content, complete or not there:

``<cache>/conda/<aa>/<sha256>/pkg`` is what the archive holds, ``manifest.json`` beside it what was there
right after extraction, with hashes of the bytes. Files of the cache are hard links of files in prefixes, so
editing one of those in place edits the cache: that, like a truncated file, shows in size or mtime, and the
package is extracted anew.

What rattler notes of this machine in ``conda-meta`` is taken out again: it is as any machine would write it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link import rattler_bridge
from conjoin.prefix.link.extracted_package import read_extracted
from conjoin.prefix.link.packaged_index import PackagedIndex, read_index
from conjoin.prefix.link.packaged_path import PackagedPath
from conjoin.prefix.link.sealed import sealed, unsealed
from conjoin.store.backend.filelock import locked
from conjoin.store.packages import file_sha256
from conjoin.untrusted import decode_json, read_as
from conjoin.writing import replace

__all__ = [
    "CondaCache",
    "CondaEntry",
    "check_placeholders",
    "link_conda",
    "link_script_warnings",
    "refuse_untrue",
]


class CondaEntry(msgspec.Struct, frozen=True):
    """A package that is extracted and as it was extracted.

    :ivar files: of the extracted folder: path, size, mtime in ns, mode.
    :ivar paths: what will be linked, with hashes of the bytes that were extracted.
    :ivar folders: the folders of ``paths``, all the way up.
    :ivar links: symbolic links among ``paths``, with what each points to.
    :ivar link_scripts: those among ``paths`` that conda would run on linking; here they never are.
    :ivar about: what the package says of itself.
    :ivar shortest_placeholder: length of the shortest prefix placeholder in a binary file, 0 for none: a
        longer prefix cannot be written there.
    """

    files: tuple[tuple[str, int, int, int], ...]
    paths: tuple[PackagedPath, ...]
    about: PackagedIndex
    shortest_placeholder: int
    folders: tuple[str, ...] = ()
    links: dict[str, str] = {}
    link_scripts: tuple[str, ...] = ()


class CondaCache:
    """The cache below ``root``; any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, package: LockedPackage) -> Path:
        """Return where a package is extracted to."""
        return self._entry_path(package) / "pkg"

    def find(self, package: LockedPackage) -> CondaEntry | None:
        """Return a package's entry if it is there and unchanged, else None. Costs one lstat per file."""
        entry_path = self._entry_path(package)
        try:
            entry = unsealed((entry_path / "manifest.json").read_bytes(), CondaEntry)
        except OSError:
            return None
        if entry is None:
            return None
        top = f"{entry_path}/pkg/"
        try:
            for path, size, mtime, mode in entry.files:
                found = os.lstat(top + path)
                if (found.st_size, found.st_mtime_ns, found.st_mode) != (size, mtime, mode):
                    return None
        except OSError:
            return None
        with suppress(OSError):
            os.utime(entry_path / "manifest.json")  # used now: whoever collects garbage looks at this
        return entry

    def forget(self, package: LockedPackage) -> None:
        """Believe nothing of what is extracted of a package: it is extracted anew when it is needed next."""
        (self._entry_path(package) / "manifest.json").unlink(missing_ok=True)

    async def fill(
        self, package: LockedPackage, archive: Path, *, verified: bool, pool: Executor
    ) -> CondaEntry:
        """Extract a package unless another process did meanwhile, and return its entry.

        :param verified: whether the archive's bytes were hashed just now.
        :param pool: runs what blocks; a task waiting for another process's extraction occupies a thread.
        :raises IntegrityError: where the archive's bytes are not the locked ones.
        """
        loop = asyncio.get_running_loop()
        entry_path = self._entry_path(package)
        with ExitStack() as stack:
            lock = locked(entry_path.with_name(f".{package.sha256}.lock"))
            await loop.run_in_executor(pool, stack.enter_context, lock)
            if (entry := self.find(package)) is not None:
                return entry
            if not verified:
                await loop.run_in_executor(pool, _verify, archive, package)
            # We hold this package's lock, so whose folder it was is dead.
            for leftover in entry_path.parent.glob(f".{package.sha256}-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            workshop = Path(tempfile.mkdtemp(dir=entry_path.parent, prefix=f".{package.sha256}-"))
            stack.callback(shutil.rmtree, workshop, ignore_errors=True)
            sha256, md5 = await rattler_bridge.extract(archive, workshop / "pkg")
            if sha256 != package.sha256:
                raise IntegrityError(f"{package.file} changed while it was read", where=str(archive))
            return await loop.run_in_executor(pool, _publish, workshop, entry_path, package.file, md5)

    def _entry_path(self, package: LockedPackage) -> Path:
        return self._root / package.sha256[:2] / package.sha256


def check_placeholders(packages: Mapping[LockedPackage, CondaEntry], prefix: Path) -> None:
    """Check that the path of the prefix can be written into every package.

    :raises UsageError: where one leaves less room: rattler would notice halfway through, and leave the first
        half behind.
    """
    length = len(os.fsencode(prefix))
    for package, entry in packages.items():
        if 0 < entry.shortest_placeholder < length:
            raise UsageError(
                f"the conda package {package.name} leaves room for a prefix of {entry.shortest_placeholder} "
                f"bytes, this one has {length}",
                where=str(prefix),
                advice="choose a shorter one with --prefix, or set CONJOIN_ENVS",
            )


def link_script_warnings(packages: Mapping[LockedPackage, CondaEntry]) -> list[str]:
    """Return what to say of packages with scripts that conda would run: here nobody runs them."""
    names = [package.name for package, entry in packages.items() if entry.link_scripts]
    if not names:
        return []
    return [f"the conda packages {', '.join(names)} have post-link scripts, which are not run"]


def refuse_untrue(packages: Mapping[LockedPackage, CondaEntry]) -> None:
    """Refuse a lock that says of a package what the package itself does not.

    :raises IntegrityError: naming the first, and what differs.
    """
    for package, entry in packages.items():
        entry.about.refuse_other(package)


async def link_conda(
    packages: Mapping[LockedPackage, CondaEntry],
    cache: CondaCache,
    prefix: Path,
    *,
    layer: Path,
    platform: str,
) -> None:
    """Link conda packages, which ``cache`` has, into an empty prefix.

    Whatever decides on the tree is what the packages say of themselves, which their hashes prove: two locks
    of one environment give one tree.

    :param layer: a folder of this process alone, made for rattler.
    :raises ConjoinError: where rattler cannot link; the prefix is incomplete then.
    :raises Unreachable: where the disk is full; likewise.
    """
    folders = {entry.about.told(package): cache.folder(package) for package, entry in packages.items()}
    await rattler_bridge.link(folders, layer, prefix, platform)
    await asyncio.to_thread(_normalise, prefix, folders)


def _verify(archive: Path, package: LockedPackage) -> None:
    found = file_sha256(archive)
    if found != package.sha256:
        raise IntegrityError(
            f"the package {package.file} in the store is damaged: sha256 is {found}",
            where=str(archive),
            advice="nothing was installed; delete that file, it is fetched from its origin again",
        )


def _publish(workshop: Path, entry_path: Path, where: str, md5: str) -> CondaEntry:
    top = workshop / "pkg"
    holds = read_extracted(top, where)
    entry = CondaEntry(
        files=_listing(top),
        paths=holds.paths,
        about=read_index(top, md5),  # which is no link, or it had been refused
        shortest_placeholder=holds.shortest_placeholder,
        folders=holds.folders,
        links=holds.links,
        link_scripts=holds.link_scripts,
    )
    replace(workshop / "manifest.json", sealed(entry), durable=False)
    if entry_path.exists():
        # Damaged, else it had been found.
        discarded = Path(tempfile.mkdtemp(dir=entry_path.parent, prefix=f".{entry_path.name}-"))
        entry_path.rename(discarded / "entry")
        shutil.rmtree(discarded, ignore_errors=True)
    # The workshop's name dies with the rename: mkdtemp's 0o700 would lock other users out of a shared cache.
    workshop.chmod(0o755)
    workshop.rename(entry_path)
    return entry


def _listing(top: Path) -> tuple[tuple[str, int, int, int], ...]:
    found = []
    for folder, names, files in os.walk(top):
        # Links to folders are listed among the folders.
        for name in [*files, *(each for each in names if Path(folder, each).is_symlink())]:
            path = os.path.join(folder, name)  # noqa: PTH118 (40,000 times: pathlib would cost half a second)
            facts = os.lstat(path)
            if stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode):
                relative = os.path.relpath(path, top)
                found.append((relative, facts.st_size, facts.st_mtime_ns, facts.st_mode))
    return tuple(sorted(found))


def _normalise(prefix: Path, packages: Iterable[LockedPackage]) -> None:
    """Rewrite the ``conda-meta`` records of ``packages``: real origins, no paths of caches, readable by all.

    Also drop the ``CACHEDIR.TAG`` that makes backup programs skip the prefix.
    """
    for package in packages:
        path = prefix / "conda-meta" / f"{rattler_bridge.layer_entry(package)}.json"
        with read_as(IntegrityError, f"what was noted of {package.name} cannot be read", where=str(path)):
            record = decode_json(path.read_bytes(), dict[str, Any])
        record["url"] = package.url
        for key in ("extracted_package_dir", "package_tarball_full_path"):
            record.pop(key, None)
        if isinstance(link := record.get("link"), dict):
            # conda knows the key, so it stays; where the cache was is nobody's business.
            link["source"] = ""
        replace(path, msgspec.json.format(msgspec.json.encode(record), indent=2), durable=False)
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)
