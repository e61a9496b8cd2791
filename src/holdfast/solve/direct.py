"""Requirements that name a file by URL or path: that file, and nothing else, is the project's pool."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urldefrag, urlsplit

from holdfast.errors import NoSolution, UsageError
from holdfast.index.file_names import FileNameReader
from holdfast.index.project import Wheel
from holdfast.spec.names import PypiName
from holdfast.spec.requirements import PypiRequirement

__all__ = ["direct_wheels"]

_BUILDING = "ask for a wheel of it, or a release from an index"


def direct_wheels(requirements: Iterable[PypiRequirement]) -> dict[PypiName, Wheel]:
    """Return the wheel of every requirement with a URL.

    :raises NoSolution: where two different URLs are given for one project.
    :raises UsageError: where a URL names something that would have to be built.
    """
    found: dict[PypiName, Wheel] = {}
    for requirement in requirements:
        if not requirement.url:
            continue
        wheel = _wheel(requirement)
        other = found.setdefault(requirement.name, wheel)
        if other.url != wheel.url:
            raise NoSolution(
                f"two URLs are asked for {requirement.name}: {other.url} and {wheel.url}",
                advice="keep one of them",
            )
    return found


def _wheel(requirement: PypiRequirement) -> Wheel:
    url, _ = urldefrag(requirement.url)
    filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    if not filename.endswith(".whl"):
        raise UsageError(
            f"{requirement.name} @ {url} would have to be built, which is not supported yet", advice=_BUILDING
        )
    read = FileNameReader(requirement.name).read(filename)
    if read is None:
        raise UsageError(f"{filename} is not a wheel of {requirement.name}", where=url)
    # Whatever hash is asked for is compared with the file's own, once it is read.
    return Wheel(
        filename=filename,
        url=url,
        version=read.version,
        build=read.build,
        tags=read.tags,
    )
