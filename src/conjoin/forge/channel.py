"""A folder of packages becomes a channel: write what is missing, then index it."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conjoin.errors import UsageError
from conjoin.forge.archive import LEVEL, Format, file_name, write_archive
from conjoin.forge.package import Package
from conjoin.writing import replace

__all__ = ["Channel", "ForgedPackage", "index_channel"]

_REGISTER = "forged.json"
# Raised when packages would be made differently from the same input.
_RECIPE = 1


@dataclass(frozen=True, slots=True)
class ForgedPackage:
    """A package file in a channel.

    :ivar file: its name; :ivar path: where it is.
    :ivar sha256: of the file; :ivar size: in bytes.
    :ivar made: whether it was written now; False where it was there already, made from equal input.
    """

    name: str
    version: str
    build: str
    subdir: str
    file: str
    path: Path
    sha256: str
    size: int
    depends: tuple[str, ...]
    made: bool

    def as_json(self) -> dict[str, Any]:
        """Return it with plain values, for ``--json``."""
        return asdict(self) | {"path": str(self.path), "depends": list(self.depends)}


class Channel:
    """A channel in a folder, which remembers what its packages were made from.

    ``forged.json`` in its root maps a fingerprint of the input to the files made of it. Use :meth:`open`: one
    process at a time writes.
    """

    def __init__(self, root: Path, *, fmt: Format = "conda", level: int = LEVEL) -> None:
        self.root = root
        self.fmt: Format = fmt
        self.level = level
        self._register: dict[str, list[dict[str, Any]]] = {}
        self._used: dict[str, ForgedPackage] = {}

    @classmethod
    @contextmanager
    def open(cls, root: Path, *, fmt: Format = "conda", level: int = LEVEL) -> Iterator[Channel]:
        """Open (or make) the channel in ``root``; index it at the end, if all went well.

        :raises UsageError: where ``root`` cannot be a folder.
        """
        channel = cls(root, fmt=fmt, level=level)
        try:
            (root / "noarch").mkdir(parents=True, exist_ok=True)
            lock = (root / ".forge.lock").open("w")
        except OSError as error:
            raise UsageError(f"cannot make a channel here: {error.strerror}", where=str(root)) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            channel._load()
            yield channel
            # The register is written last: what it names is there, and indexed.
            index_channel(root)
            channel._save()

    @property
    def packages(self) -> list[ForgedPackage]:
        """What was asked for since the channel was opened, in that order."""
        return list(self._used.values())

    def make(self, source: dict[str, Any], build: Callable[[], list[Package]]) -> list[ForgedPackage]:
        """Return the packages made of ``source``: those that are there, or those that ``build`` returns.

        :param source: all that decides what ``build`` returns, as JSON.
        """
        key = self._fingerprint(source)
        found = self._remembered(key)
        if found is None:
            found = [self._write(package) for package in build()]
            self._register[key] = [
                package.as_json() | {"path": f"{package.subdir}/{package.file}"} for package in found
            ]
        for package in found:
            self._used.setdefault(str(package.path), package)
        return found

    def _fingerprint(self, source: dict[str, Any]) -> str:
        whole = {"source": source, "format": self.fmt, "level": self.level, "recipe": _RECIPE}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def _remembered(self, key: str) -> list[ForgedPackage] | None:
        packages = []
        for entry in self._register.get(key, ()):
            path = self.root / entry["path"]
            if not path.is_file() or _sha256(path) != entry["sha256"]:
                return None
            fields = entry | {"path": path, "depends": tuple(entry["depends"]), "made": False}
            packages.append(ForgedPackage(**fields))
        return packages or None

    def _write(self, package: Package) -> ForgedPackage:
        subdir = self.root / package.subdir
        if (subdir / file_name(package, self.fmt)).exists():
            # rattler knows packages that it has indexed by their names and would keep the old one's hash.
            (subdir / "repodata.json").unlink(missing_ok=True)
        path = write_archive(package, subdir, fmt=self.fmt, level=self.level)
        return ForgedPackage(
            name=str(package.name),
            version=package.version,
            build=package.build,
            subdir=package.subdir,
            file=path.name,
            path=path,
            sha256=_sha256(path),
            size=path.stat().st_size,
            depends=tuple(package.depends),
            made=True,
        )

    def _load(self) -> None:
        try:
            self._register = json.loads((self.root / _REGISTER).read_text())
        except (OSError, ValueError):
            # It is a memory of what need not be done again, so without it everything is made again.
            self._register = {}

    def _save(self) -> None:
        text = json.dumps(self._register, indent=1, sort_keys=True)
        replace(self.root / _REGISTER, text.encode(), durable=False)


def index_channel(root: Path, subdirs: Sequence[str] = ("noarch",)) -> None:
    """Write ``repodata.json``, ``repodata.json.zst`` and shards for every subdir of the channel in ``root``.

    :param subdirs: made (empty) if missing; every channel needs ``noarch`` (CEP 26).
    :raises UsageError: where a file in it is no package.
    """
    for subdir in subdirs:
        (root / subdir).mkdir(parents=True, exist_ok=True)

    async def index() -> None:
        from rattler.index import index_fs

        await index_fs(root, write_zst=True, write_shards=True)
        # py-rattler's threads may still touch Python objects when the interpreter ends, and crash it
        # (PyO3/pyo3-async-runtimes#40); after a short sleep they never did.
        await asyncio.sleep(0.05)

    try:
        asyncio.run(index())
    except Exception as error:
        broken = [path for path in sorted(root.glob("*/*.conda")) if not zipfile.is_zipfile(path)]
        where = str(broken[0] if broken else root)
        raise UsageError("it cannot be indexed", where=where, advice="remove what is no package") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
