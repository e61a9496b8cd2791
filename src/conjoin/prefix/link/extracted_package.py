"""What an extracted conda package will put where: read from its ``info`` and from its bytes, once.

Nothing of ``info`` is believed that the bytes can say: hashes are of what lies there, links are what the file
system calls links. Whatever an installer would trip over halfway, or be led astray by, is refused here.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from conjoin.errors import IntegrityError
from conjoin.prefix.link.packaged_path import (
    ENTRY_POINT,
    PackagedPath,
    canonical,
    folders_of,
    is_script_name,
    refuse_escape,
)
from conjoin.prefix.link.sealed import unsealed
from conjoin.store.packages import file_sha256
from conjoin.untrusted import decode_json, reason_of

__all__ = ["ExtractedPackage", "known_link_scripts", "read_extracted"]

# CEP 34: scripts that conda runs when it links a package.
_LINK_SCRIPT = re.compile(r"(?:bin|Scripts)/\.[^/]+-(?:pre|post)-link\.(?:sh|bat)")
_ADVICE = "nothing was installed; its hash is right, so it was made this way: do not trust this package"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ExtractedPackage:
    """What an extracted package holds.

    :ivar paths: what will be linked.
    :ivar folders: the folders of ``paths``, all the way up.
    :ivar links: symbolic links among ``paths``, with what each points to.
    :ivar shortest_placeholder: see :class:`~conjoin.prefix.link.conda.CondaEntry`.
    :ivar link_scripts: those among ``paths`` that conda would run on linking.
    """

    paths: tuple[PackagedPath, ...]
    folders: tuple[str, ...]
    links: dict[str, str]
    shortest_placeholder: int
    link_scripts: tuple[str, ...]


def read_extracted(top: Path, where: str) -> ExtractedPackage:
    """Return what the package extracted to ``top`` holds. Reads every file that will be linked.

    :param where: names the package in errors.
    :raises IntegrityError: where it is no valid package, or would reach out of a prefix by itself.
    """
    _refuse_specials(top, where)
    announced = _announced(top, where)
    paths: dict[str, PackagedPath] = {}
    links: dict[str, str] = {}
    folders: set[str] = set()
    for each in announced:
        refuse_escape(each.path, where)
        path = canonical(each.path)
        if not path:
            raise _refused(f"it lists a file without a name: {each.path!r}", where)
        facts = _facts(top, path, where)
        kind = _kind(facts.st_mode)
        if each.path_type not in (None, kind):
            raise _refused(f"{path} is a {kind}, its list says {each.path_type}", where)
        if kind == "directory":
            folders |= {path, *folders_of([path])}
        elif kind == "softlink":
            links[path] = os.readlink(top / path)  # noqa: PTH115 (as it stands there: pathlib would tidy it)
            paths[path] = PackagedPath(path, "")
        else:
            sha256 = "" if each.prefix_placeholder else file_sha256(top / path)
            paths[path] = PackagedPath(path, sha256, facts.st_size)
    for name in _script_names(top, where):
        paths[f"python-scripts/{name}"] = PackagedPath(f"python-scripts/{name}", "")
    folders |= folders_of(paths)
    for both in sorted(folders.intersection(paths)):
        raise _refused(f"it lists {both} as a {'link' if both in links else 'file'} and as a folder", where)
    for path, target in links.items():
        if path.endswith("/__pycache__"):
            # Python would write there whenever it imports what lies beside it.
            raise _refused(f"{path} is a link, to {target}", where)
    binary = [
        len(each.prefix_placeholder.encode())
        for each in announced
        if each.prefix_placeholder and each.file_mode == "binary"
    ]
    return ExtractedPackage(
        paths=tuple(paths.values()),
        folders=tuple(sorted(folders)),
        links=links,
        shortest_placeholder=min(binary, default=0),
        link_scripts=tuple(sorted(name for name in paths if _LINK_SCRIPT.fullmatch(name))),
    )


class _Scripts(msgspec.Struct):
    """Of a manifest of the conda cache, what is asked without asking for more."""

    link_scripts: tuple[str, ...] = ()


def known_link_scripts(root: Path, sha256: str) -> tuple[str, ...]:
    """Return what conda would run on linking a package, none where the cache at ``root`` does not know it."""
    try:
        content = (root / sha256[:2] / sha256 / "manifest.json").read_bytes()
    except OSError:
        return ()
    found = unsealed(content, _Scripts)
    return found.link_scripts if found is not None else ()


class _PathEntry(msgspec.Struct):
    path: str = msgspec.field(name="_path")
    path_type: str | None = None
    prefix_placeholder: str | None = None
    file_mode: str | None = None


class _PathsJson(msgspec.Struct):
    paths: list[_PathEntry]


class _NoArch(msgspec.Struct):
    entry_points: list[str] = []


class _LinkJson(msgspec.Struct):
    noarch: _NoArch | None = None


def _announced(top: Path, where: str) -> list[_PathEntry]:
    described = _read(top, "paths.json", _PathsJson, where)
    if described is not None:
        return described.paths
    # Packages from before 2017 list names alone.
    files = top / "info/files"
    try:
        names = files.read_text(encoding="utf-8").splitlines() if files.exists() else []
    except UnicodeDecodeError as error:
        raise _refused(f"info/files is not valid ({error.reason})", where) from None
    return [_PathEntry(path=name) for name in names if name]


def _script_names(top: Path, where: str) -> list[str]:
    described = _read(top, "link.json", _LinkJson, where)
    found = []
    for point in described.noarch.entry_points if described is not None and described.noarch else ():
        name, _, called = point.partition("=")
        if not is_script_name(name.strip()) or not ENTRY_POINT.fullmatch(called[:1000]):
            raise _refused(f"info/link.json has no valid entry point: {point[:100]!r}", where)
        found.append(name.strip())
    return found


def _read(top: Path, name: str, kind: type[_T], where: str) -> _T | None:
    try:
        return decode_json((top / "info" / name).read_bytes(), kind)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, IsADirectoryError, NotADirectoryError) as error:
        raise _refused(f"info/{name} is not valid ({reason_of(error)})", where) from None


def _refuse_specials(top: Path, where: str) -> None:
    """Refuse devices and pipes, which one could wait for without end; and descriptions that lie elsewhere."""
    described = (str(top), str(top / "info"))
    pending = [str(top)]
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    entry.name.encode()
                except UnicodeEncodeError:
                    raise _refused(f"{entry.name!r} is no name in UTF-8", where) from None
                if entry.is_symlink():
                    if entry.path == described[1] or folder == described[1]:
                        raise _refused(f"of what describes it, {entry.name} is a link", where)
                elif entry.is_dir():
                    pending.append(entry.path)
                elif not entry.is_file():
                    raise _refused(f"{entry.name} is neither a file nor a link", where)


def _kind(mode: int) -> str:
    """Return what paths.json calls a file of this mode."""
    if stat.S_ISLNK(mode):
        return "softlink"
    return "directory" if stat.S_ISDIR(mode) else "hardlink"


def _facts(top: Path, path: str, where: str) -> os.stat_result:
    try:
        return os.lstat(top / path)
    except (OSError, ValueError):
        raise _refused(f"it lists {path}, which it does not hold", where) from None


def _refused(what: str, where: str) -> IntegrityError:
    return IntegrityError(f"the conda package is not valid: {what}", where=where, advice=_ADVICE)
