"""A Python of its own, for containers whose Python is too old: conda's, packed as one file.

conda's Python finds its libraries beside itself (``$ORIGIN``) and its modules from where it lies, so it runs
in any folder as it was extracted. Nothing is linked, so it can be packed on any machine for any other.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link import rattler_bridge
from conjoin.solve.candidates.pythons import PythonBuild

__all__ = ["PackedPython", "pack_python", "python_closure"]

_COMPRESSION = 6
_VERSION = re.compile(r"(3\.[0-9]+)\.")
# What nobody runs: tests, editors, headers, the build's leftovers, and what graphical programs need.
_DROPPED = re.compile(
    r"lib/(?:python3\.[0-9]+/(?:test|idlelib|ensurepip|lib2to3|tkinter|turtledemo|pydoc_data|site-packages"
    r"|config-[^/]*)/|tcl|tk|libtcl|libtk|itcl|tdbc|thread|pkgconfig/|cmake/|terminfo/|[^/]*\.a$)"
)
_KEPT = re.compile(r"lib/|bin/python3\.[0-9]+$")


class PackedPython(NamedTuple):
    """A packed Python.

    :ivar python: ``3.12``.
    :ivar executable: its path in the archive.
    """

    file: str
    data: bytes
    python: str
    executable: str


def python_closure(packages: Sequence[LockedPackage], pythons: Sequence[str]) -> list[LockedPackage]:
    """Return conda's Python and what it needs, out of an environment's packages; nothing if it has none.

    :param pythons: the versions that will do: ``3.12``.
    """
    conda = {package.name: package for package in packages if package.kind == "conda"}
    python = conda.get("python")
    if python is None or PythonBuild.from_record(python.version, python.build).kind != "cp":
        return []
    match = _VERSION.match(python.version)
    if match is None or match[1] not in pythons:
        return []
    found: dict[str, LockedPackage] = {}
    wanted = ["python"]
    while wanted:
        package = conda.get(wanted.pop())
        if package is not None and package.name not in found and not package.noarch:
            found[package.name] = package
            wanted += [dependency.split()[0] for dependency in package.dependencies]
    return [found[name] for name in sorted(found)]


def pack_python(
    packages: Sequence[LockedPackage], platform: str, archive_of: Callable[[LockedPackage], Path]
) -> PackedPython:
    """Return the packages of :func:`python_closure` as one file.

    :param archive_of: returns where a package's verified bytes are.
    :raises IntegrityError: where one cannot be extracted.
    """
    [python] = [package for package in packages if package.name == "python"]
    match = _VERSION.match(python.version)
    assert match is not None
    with tempfile.TemporaryDirectory(prefix="conjoin-python-") as folder:
        tops = [Path(folder, package.name) for package in packages]

        async def extract() -> None:
            for package, top in zip(packages, tops, strict=True):
                await rattler_bridge.extract(archive_of(package), top)

        rattler_bridge.run(extract())
        data = _packed({name: path for top in tops for name, path in _files(top)})
    return PackedPython(
        file=f"python-{python.version}-{platform}.tar.gz",
        data=data,
        python=match[1],
        executable=f"bin/python{match[1]}",
    )


def _files(top: Path) -> Iterator[tuple[str, Path]]:
    for path in top.rglob("*"):
        name = path.relative_to(top).as_posix()
        if (path.is_symlink() or path.is_file()) and _KEPT.match(name) and not _DROPPED.match(name):
            yield name, path


def _packed(files: dict[str, Path]) -> bytes:
    into = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=into, mode="wb", compresslevel=_COMPRESSION, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in sorted(files.items()):
            info = tarfile.TarInfo(name)
            if path.is_symlink():
                info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
                archive.addfile(info)
                continue
            facts = path.stat()
            info.size, info.mode = facts.st_size, 0o755 if facts.st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                archive.addfile(info, content)
    return into.getvalue()
