"""Requirements that name a file, folder or repository: that, and nothing else, is the project's pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec
from packaging.version import Version

from conjoin.errors import NoSolution, UsageError
from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.net.urls import local_path
from conjoin.spec.names import PypiName
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import PypiRequirement
from conjoin.untrusted import split_url, without_fragment

__all__ = ["Direct", "changed_since", "direct_files"]

_UNREAD = Version("0")
_ARCHIVES = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
_OTHERS = ("hg+", "svn+", "bzr+")


class Direct(msgspec.Struct, frozen=True):
    """What a requirement with a URL names.

    :ivar url: as it was asked for.
    :ivar file: of a source, the version means nothing until it has been read.
    :ivar hashes: ``sha256:...``, of which one must be the file's; empty for any.
    """

    url: str
    file: Wheel | Sdist
    hashes: tuple[str, ...] = ()

    @property
    def version(self) -> Version:
        """The version of the file."""
        return self.file.version


def direct_files(
    requirements: Iterable[PypiRequirement], platform: str, staying: Mapping[PypiName, str] | None = None
) -> dict[PypiName, Direct]:
    """Return the file of every requirement with a URL.

    :param platform: the target.
    :param staying: by project, what was decided before and may not move: of a repository, the commit.
    :raises NoSolution: where two different URLs are given for one project.
    :raises UsageError: where a URL names what no wheel can be made of, or an editable install would not be on
        this machine.
    """
    found: dict[PypiName, Direct] = {}
    for requirement in requirements:
        if not requirement.url:
            continue
        if requirement.editable and platform != host_platform():
            raise UsageError(
                f"{requirement.name} is to be editable, which works on this machine alone, and the target is"
                f" {platform}",
                advice="drop -e, or the platform",
            )
        direct = _direct(requirement, (staying or {}).get(requirement.name, ""))
        other = found.setdefault(requirement.name, direct)
        if other.url != direct.url:
            raise NoSolution(
                f"two URLs are asked for {requirement.name}: {other.url} and {direct.url}",
                advice="keep one of them",
            )
    return found


def changed_since(requirements: Iterable[PypiRequirement], hashes: Mapping[str, str]) -> list[PypiName]:
    """Return the projects whose local folder or file is not what it was.

    One that is gone did not change: what was made of it still stands for it.

    :param hashes: of what was read then, by URL.
    :raises UsageError: where it cannot be read.
    """
    from conjoin.build.sources.fetch import sha256_of_local

    return [
        requirement.name
        for requirement in requirements
        if requirement.url.startswith("file:")
        and (known := hashes.get(requirement.url, hashes.get(without_fragment(requirement.url)[0])))
        and sha256_of_local(requirement.url, editable=requirement.editable) not in (None, known)
    ]


def _direct(requirement: PypiRequirement, staying: str) -> Direct:
    url, fragment = without_fragment(requirement.url)
    if url.startswith(_OTHERS):
        raise UsageError(
            f"{requirement.name} @ {url}: of version control systems, git alone is supported",
            advice="ask for an archive of it, or a release from an index",
        )
    filename = unquote(split_url(url).path.rsplit("/", 1)[-1])
    if filename.endswith(".whl") and not url.startswith("git+"):
        return Direct(requirement.url, _wheel(requirement.name, url, filename), requirement.hashes)
    _check_source(requirement.name, url, filename)
    address = f"{url}#{fragment}" if fragment else url
    if address.startswith("git+") and _is_same_repository(address, staying):
        address = staying
    announced = requirement.hashes[0].removeprefix("sha256:") if len(requirement.hashes) == 1 else None
    source = Sdist(
        filename=filename if filename.endswith(_ARCHIVES) else requirement.url,
        url=address,
        version=_UNREAD,
        sha256=announced,
        editable=requirement.editable,
    )
    return Direct(requirement.url, source, requirement.hashes)


def _is_same_repository(url: str, other: str) -> bool:
    from conjoin.build.sources.git import GitUrl

    if not other.startswith("git+"):
        return False
    asked, known = GitUrl.parse(url), GitUrl.parse(other)
    return (asked.repository, asked.subdirectory) == (known.repository, known.subdirectory)


def _check_source(name: PypiName, url: str, filename: str) -> None:
    if url.startswith("git+"):
        return
    path = local_path(url)
    if path is not None and not path.exists():
        raise UsageError(f"{name} @ {url} does not exist", advice="expected a wheel, an sdist or a folder")
    if not (path is not None and path.is_dir()) and not filename.endswith(_ARCHIVES):
        raise UsageError(
            f"{name} @ {url} is no wheel and no source archive",
            advice=f"expected a name that ends in .whl or {', '.join(_ARCHIVES)}; git+ before a repository",
        )


def _wheel(name: PypiName, url: str, filename: str) -> Wheel:
    read = FileNameReader(name).read(filename)
    if read is None:
        raise UsageError(f"{filename} is not a wheel of {name}", where=url)
    # Whatever hash is asked for is compared with the file's own, once it is read.
    return Wheel(filename=filename, url=url, version=read.version, build=read.build, tags=read.tags)
