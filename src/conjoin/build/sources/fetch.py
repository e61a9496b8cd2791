"""What wheels are built from, on this disk: archives, files of a git commit, and folders of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from conjoin.build.scratch import keep, note_use, scratch_beside
from conjoin.build.sources.git import GitUrl, Repositories, subdirectory_of
from conjoin.build.sources.sdist_metadata import open_tar, read_member
from conjoin.build.sources.source_tree import copy_tree, editable_sha256, tree_sha256
from conjoin.errors import IntegrityError, UsageError
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.file_names import is_safe
from conjoin.index.pypi.project import IndexFile, Sdist
from conjoin.net.expansion import Expansion, check_wheel
from conjoin.net.guard import chunks_of_file
from conjoin.net.single_flight import Once
from conjoin.net.urls import local_path
from conjoin.untrusted import archive_failures, split_url, without_fragment
from conjoin.writing import copy_to, disk_errors, replace, write_all

__all__ = ["Source", "Sources", "sha256_of_local"]

Download = Callable[[IndexFile, IO[bytes]], Awaitable[tuple[str, int]]]
"""Writes a file into a stream and returns its sha256 and size."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a wheel is built from.

    :ivar path: an archive, or a folder that nobody may write to.
    :ivar sha256: of the archive, or of a local folder's files (:mod:`conjoin.build.sources.source_tree`);
    empty for
        a git commit, which names its content itself.
    :ivar identity: equal sources have equal identities, wherever they lie.
    :ivar subdirectory: where the project lies in it, empty for its top.
    :ivar editable: whether the wheel points to the folder instead of holding its files.
    """

    path: Path
    sha256: str
    identity: str
    subdirectory: str = ""
    editable: bool = False

    def read(self, name: str) -> bytes | None:
        """Return a file of the project, None where there is none."""
        inside = f"{self.subdirectory}/{name}" if self.subdirectory else name
        if self.path.is_dir():
            file = self.path / inside
            return file.read_bytes() if file.is_file() else None
        return read_member(self.path, inside)

    def laid_out(self, work: Path) -> Path:
        """Return a folder to build, with which a build may do what it likes.

        :param work: a folder for it, that does not exist.
        :raises MetadataUnusable: where it changed meanwhile, or cannot be unpacked.
        """
        if self.path.is_dir():
            if self.sha256 and copy_tree(self.path, work) != self.sha256:
                raise MetadataUnusable("changed while it was being built")
            if not self.sha256:
                _copy_checkout(self.path, work)
            return work / self.subdirectory
        _unpack(self.path, work)
        tops = [path for path in work.iterdir() if path.is_dir()]
        if len(tops) != 1:
            raise MetadataUnusable("cannot be built: it is to hold one folder, the project's")
        if not (tops[0] / self.subdirectory).is_dir():
            raise MetadataUnusable(f"has no folder {self.subdirectory}")
        return tops[0] / self.subdirectory


class Sources:
    """Brings sources to this disk, each once.

    :param folder: where they are kept.
    """

    def __init__(self, download: Download, folder: Path, repositories: Repositories) -> None:
        self._download = download
        self._folder = folder
        self._repositories = repositories
        self._once = Once(MetadataUnusable)

    async def pinned_url(self, url: str) -> str:
        """Return the URL of a source that always means the same: of a git repository, with its commit.

        :raises NoSolution: where there is no such commit.
        :raises Unreachable: where the repository cannot be read.
        """
        if not url.startswith("git+"):
            return url
        pinned = self._repositories.pinned
        return str(await self._once.do(("pin", url), lambda: asyncio.to_thread(pinned, GitUrl.parse(url))))

    async def get(self, sdist: Sdist) -> Source:
        """Return a source, verified.

        :raises IntegrityError: where it is not what was announced.
        :raises Unreachable: where it cannot be fetched.
        :raises UsageError: where a local folder is none.
        """
        return await self._once.do((sdist.url, sdist.editable), lambda: self._get(sdist))

    async def _get(self, sdist: Sdist) -> Source:
        if sdist.url.startswith("git+"):
            url = GitUrl.parse(sdist.url)
            path = await asyncio.to_thread(self._repositories.files, url)
            return Source(path, "", f"git:{url}", url.subdirectory)
        address, fragment = without_fragment(sdist.url)
        subdirectory = subdirectory_of(fragment)
        folder = local_path(address)
        if folder is not None and sdist.editable:
            digest = await asyncio.to_thread(editable_sha256, folder)
            return Source(folder, digest, _identity("editable", digest, ""), editable=True)
        if folder is not None and folder.is_dir():
            digest = await asyncio.to_thread(tree_sha256, folder)
            return Source(folder, digest, _identity("tree", digest, subdirectory), subdirectory)
        path, digest = await self._archive(sdist, address)
        return Source(path, digest, _identity("sha256", digest, subdirectory), subdirectory)

    async def file(self, file: IndexFile) -> Path:
        """Return where a file of an index lies, alone in its folder, verified.

        :raises IntegrityError: where it is not what was announced.
        :raises Unreachable: where it cannot be fetched.
        """
        return (await self._once.do(("file", file.url), lambda: self._archive(file, file.url)))[0]

    async def _archive(self, sdist: IndexFile, address: str) -> tuple[Path, str]:
        filename = sdist.filename if is_safe(sdist.filename) else _plain_name(address)
        known = self._folder / sdist.sha256 / filename if sdist.sha256 else None
        if known is not None and known.is_file():
            note_use(known.parent)
            return known, str(sdist.sha256)
        with scratch_beside(self._folder / "archive") as scratch:
            work = scratch / "files"
            work.mkdir()
            local = local_path(address)
            if local is not None:
                digest = await asyncio.to_thread(_copy, local, work / filename, sdist.sha256)
            else:
                with (work / filename).open("wb", buffering=0) as stream:
                    digest, _ = await self._download(sdist, stream)
            target = self._folder / digest
            keep(work, target)
            note_use(target)
            if not (target / filename).is_file():  # the same bytes under another name
                with next(target.iterdir()).open("rb") as same:
                    copy_to(target / filename, same)
        return target / filename, digest


def sha256_of_local(url: str, *, editable: bool = False) -> str | None:
    """Return the hash of what a ``file:`` URL names now, file or source tree; None where there is nothing.

    :raises UsageError: where it cannot be read.
    """
    path = local_path(without_fragment(url)[0])
    if path is None or not path.exists():
        return None
    if editable:
        return editable_sha256(path)
    if path.is_dir():
        return tree_sha256(path)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"the file cannot be read ({error.strerror})", where=str(path)) from None


def _identity(kind: str, digest: str, subdirectory: str) -> str:
    return f"{kind}:{digest}#subdirectory={subdirectory}" if subdirectory else f"{kind}:{digest}"


def _plain_name(url: str) -> str:
    name = split_url(url).path.rpartition("/")[2]
    suffix = next((each for each in (".zip", ".tar.bz2", ".tar.xz") if name.endswith(each)), ".tar.gz")
    return f"source{suffix}"


def _copy(path: Path, target: Path, announced: str | None) -> str:
    digest = hashlib.sha256()
    with disk_errors(target):
        file = target.open("wb", buffering=0)
    with file:
        for chunk in chunks_of_file(path):
            digest.update(chunk)
            write_all(file, chunk, target)
    if announced and digest.hexdigest() != announced:
        raise IntegrityError(f"sha256 is {digest.hexdigest()}, not {announced}", where=str(path))
    return digest.hexdigest()


def _copy_checkout(folder: Path, target: Path) -> None:
    """Copy the files of a commit, all of them; the copy refers to the repository, for versions of tags."""
    with disk_errors(target):
        shutil.copytree(
            folder,
            target,
            symlinks=True,
            ignore=lambda at, _: [".git"] if at == str(folder) else [],
            copy_function=_copied,
        )
    replace(target / ".git", os.fsencode(f"gitdir: {folder / '.git'}\n"), durable=False)


def _copied(source: str, target: str) -> None:
    with Path(source).open("rb") as file:
        copy_to(Path(target), file)
    shutil.copystat(source, target)


def _unpack(archive: Path, work: Path) -> None:
    """Unpack an archive; nothing leaves the folder (PEP 706)."""
    try:
        with disk_errors(work):
            _take_out(archive, work)
    except IntegrityError as error:
        raise MetadataUnusable(f"cannot be unpacked: {error.what}; {error.advice}") from None
    except archive_failures() as error:
        raise MetadataUnusable(f"cannot be unpacked ({error})") from None


def _take_out(archive: Path, work: Path) -> None:
    if archive.suffix == ".zip":
        check_wheel(archive)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(work)  # noqa: S202 (names are made harmless)
            _make_programs(packed, work)
        return
    expansion = Expansion(archive.name, archive.stat().st_size)
    with open_tar(archive, expansion.limit) as packed_tar:
        packed_tar.extractall(work, filter=_counting(expansion))  # noqa: S202 (by that filter as well)


def _counting(expansion: Expansion) -> Callable[[tarfile.TarInfo, str], tarfile.TarInfo | None]:
    def count(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        expansion.count(member.size)  # of a sparse file, all of it
        return tarfile.data_filter(member, path)

    return count


def _make_programs(packed: zipfile.ZipFile, work: Path) -> None:
    """Let be executed what the archive says may be: scripts that a build runs."""
    for entry in packed.infolist():
        path = work / entry.filename
        if entry.external_attr >> 16 & stat.S_IXUSR and path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
