"""Whether a prefix still holds what is locked: every file, and who put there what is not.

The truth is what the packages make of it (:mod:`conjoin.prefix.reference`). Where they are not at hand, a
prefix can only be compared with what it says of itself, which is told.
"""

from __future__ import annotations

import base64
import csv
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from conjoin.config.places import cache_dir
from conjoin.errors import ConjoinError, IntegrityError, NotFound, Unreachable
from conjoin.lock.model import Lock
from conjoin.prefix.options import HydrateOptions
from conjoin.prefix.prefix import Marker, Prefix, read_marker
from conjoin.prefix.reference import Reference, reference
from conjoin.prefix.registry import Registry
from conjoin.store.packages import file_sha256
from conjoin.store.store import Store
from conjoin.store.verification.finding import Finding
from conjoin.untrusted import decode_json, read_as, reason_of

__all__ = ["PrefixReport", "verify", "verify_prefix"]

_INSTALLER = "uv"
"""Who puts wheels here, as their INSTALLER (PEP 376) says."""

_OWN = ("conda-meta/conjoin",)

# What a virtual environment holds that no package brings.
_VENV = ("pyvenv.cfg", "bin/activate", "bin/deactivate", "bin/pydoc.bat", "bin/python", "lib64")
_VARYING = ("url", "channel", "depends", "link")
"""What conda-meta tells differently for equal trees: where from, and how it was linked."""


@dataclass(frozen=True, slots=True)
class PrefixReport:
    """What a look at a prefix found.

    :ivar findings: sorted.
    :ivar files: that were looked at.
    :ivar proved: whether the packages were the measure; else the prefix's own records.
    :ivar reason: why they could not be; empty where they were.
    """

    prefix: Path
    marker: Marker
    findings: tuple[Finding, ...]
    files: int
    proved: bool
    reason: str = ""


def verify_prefix(
    prefix: Path,
    lock: Lock | None,
    store: Store,
    options: HydrateOptions = HydrateOptions(offline=True),  # noqa: B008 (frozen)
    *,
    repair: bool = False,
) -> PrefixReport:
    """Return what a prefix holds that it should not, and what it lacks.

    :param lock: of what it holds, None where it is not known.
    :param store: where its packages are.
    :param options: what hydrates; offline, packages that are not at hand are not fetched.
    :param repair: make the prefix anew where anything is found; what nobody locked is moved aside, beside it.
    :raises NotFound: where ``prefix`` is no complete environment of ours.
    """
    marker = read_marker(prefix)
    if marker is None or not marker.complete:
        raise NotFound("there is no complete environment", where=str(prefix), advice="create it first")
    report = _look(prefix, marker, lock, store, options)
    if not (repair and report.findings):
        return report
    if lock is None:
        return _told(report, f"it cannot be made anew: {report.reason}")
    try:
        aside = _set_aside(prefix, [each.where for each in report.findings if each.problem == "foreign"])
        _make_anew(prefix, marker, lock, store, options, report)
        after = _look(prefix, read_marker(prefix) or marker, lock, store, options)
    except ConjoinError as error:
        return _told(report, f"it cannot be made anew: {error.what}")
    left = {(each.where, each.problem) for each in after.findings}
    findings = [
        each if (each.where, each.problem) in left else replace(each, repaired=True)
        for each in report.findings
    ]
    findings = [
        replace(each, detail=f"it is in {aside} now") if each.problem == "foreign" and each.repaired else each
        for each in findings
    ]
    known = {(each.where, each.problem) for each in findings}
    more = [each for each in after.findings if (each.where, each.problem) not in known]
    return replace(after, findings=tuple(sorted([*findings, *more])))


def _set_aside(prefix: Path, paths: Sequence[str]) -> Path:
    """Move files that are none of ours out of a prefix that is about to be made anew; return where to.

    :raises Unreachable: where they cannot be moved; they stay, and so does the prefix.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside = prefix.with_name(f"{prefix.name}.foreign-{stamp}")
    try:
        for path in paths:
            target = aside / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (prefix / path).rename(target)
    except OSError as error:
        raise Unreachable(
            f"what nobody locked cannot be moved out of it ({error.strerror})",
            where=str(error.filename or aside),
            advice="make room there, or move it yourself, and repair again",
        ) from None
    return aside


def _told(report: PrefixReport, why: str) -> PrefixReport:
    said = tuple(replace(each, detail=f"{each.detail}; {why}".removeprefix("; ")) for each in report.findings)
    return replace(report, findings=said)


def _look(
    prefix: Path, marker: Marker, lock: Lock | None, store: Store, options: HydrateOptions
) -> PrefixReport:
    reason = "its lock is not known here"
    if lock is not None and marker.platform not in lock.platforms:
        reason, lock = f"its lock has no environment for {marker.platform}", None
    if lock is not None and not Marker.of(lock, marker.platform).holds(marker):
        reason, lock = "its marker tells another environment than its lock does", None
    damaged: list[Finding] = []
    if lock is not None:
        try:
            with reference(prefix, lock, marker, store, options) as made:
                findings, files = _against(prefix, made)
                return PrefixReport(prefix, marker, tuple(sorted(findings)), files, proved=True)
        except ConjoinError as error:
            reason = error.what
            if isinstance(error, IntegrityError):
                damaged = [Finding(error.where or str(prefix), "package", "changed", detail=error.what)]
    findings, files = _against_records(prefix, marker, lock)
    return PrefixReport(
        prefix, marker, tuple(sorted([*findings, *damaged])), files, proved=False, reason=reason
    )


def _make_anew(
    prefix: Path, marker: Marker, lock: Lock, store: Store, options: HydrateOptions, report: PrefixReport
) -> None:
    """Hydrate into the same path, out of caches from which everything that is in doubt has been dropped."""
    from conjoin.prefix.install import install
    from conjoin.prefix.link.conda import CondaCache
    from conjoin.prefix.link.uv import Uv
    from conjoin.store.backend.filelock import locked
    from conjoin.writing import replace as written

    target = Prefix(prefix, Marker.of(lock, marker.platform))
    doubtful = {each.package for each in report.findings}
    packages = [each for each in lock.platforms[marker.platform].packages if each.name in doubtful]
    # Files of caches are hard links of files in prefixes: what was edited in place is edited there as well.
    caches = CondaCache(cache_dir() / "conda")
    with locked(target.lock_file) as descriptor:
        for package in packages:
            if package.kind == "conda":
                caches.forget(package)
        wheels = [each.name for each in packages if each.kind == "pypi"]
        if wheels:
            uv = Uv(prefix, cache_dir() / "wheels", descriptor)
            uv.run(["cache", "clean", "--quiet", *wheels], what="cleaning the cache of wheels")
        undone = msgspec.structs.replace(target.marker, complete=False)
        written(prefix / _OWN[0], msgspec.json.encode(undone) + b"\n", durable=False)
    install(
        lock,
        target,
        store=store,
        registry=Registry(),
        options=msgspec.structs.replace(options, prefix=prefix),
    )
    target.tidy()


# -- against what the packages make ------------------------------------------------------------------


def _against(prefix: Path, made: Reference) -> tuple[list[Finding], int]:
    wanted, there = _paths(made.path), _paths(prefix)
    by = _claims(prefix, there, lambda info: _is_of(made.path, prefix, info))
    findings = []
    for path in sorted(wanted - set(_OWN)):
        owner = made.owners.get(path) or _owner_by_place(path)
        if path not in there:
            findings.append(Finding(path, "file", "missing", owner))
        elif (problem := _differs(prefix, made, path)) is not None:
            findings.append(Finding(path, "file", "changed", owner, by.get(path, ""), problem))
    foreign = _foreign(there, wanted)
    findings += [Finding(path, "file", "foreign", by=by.get(path, "")) for path in foreign]
    return findings, len(wanted | there)


def _differs(prefix: Path, made: Reference, path: str) -> str | None:
    """Return what differs of a file from what it is to be, None where nothing does."""
    ours, theirs = prefix / path, made.path / path
    try:
        found, wanted = ours.lstat(), theirs.lstat()
        if stat.S_IFMT(found.st_mode) != stat.S_IFMT(wanted.st_mode):
            return "it is another kind of file"
        if stat.S_ISLNK(wanted.st_mode):
            target = str(theirs.readlink()).replace(str(made.path), str(prefix))
            return None if str(ours.readlink()) == target else f"it points to {ours.readlink()}"
        if not stat.S_ISREG(wanted.st_mode):
            return None
        if wanted.st_mode & 0o100 and not found.st_mode & 0o100:
            return "it cannot be executed"
        if known := made.hashes.get(path):
            return None if file_sha256(ours) in known else ""
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return None
        content = theirs.read_bytes()
        expected = content.replace(os.fsencode(made.path), os.fsencode(prefix))
        actual = ours.read_bytes()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if actual == expected:
        return None
    if path.startswith("conda-meta/") and path.endswith(".json"):
        return None if _told_by_conda(actual, prefix) == _told_by_conda(content, made.path, prefix) else ""
    if path.endswith(".dist-info/RECORD"):
        site = os.path.dirname(path)  # noqa: PTH120 (text)
        base = os.path.dirname(site)  # noqa: PTH120 (text)
        return None if _told_by_record(actual) == _told_by_record(content, made, prefix, base) else ""
    return ""


def _told_by_conda(data: bytes, prefix: Path, real: Path | None = None) -> Any:
    """Return a conda-meta record without what may differ.

    :param real: the prefix whose hashes it is to tell, where that is not ``prefix``, which it tells of.
    """
    try:
        record = decode_json(data, dict[str, Any])
        for key in _VARYING:
            record.pop(key, None)
        paths = record.get("paths_data", {}).get("paths", [])
        for each in paths:
            # Entry points that were made here are told by their hash alone, placeholders by both.
            if real is not None and (file := prefix / each["_path"]).is_file() and not file.is_symlink():
                content = file.read_bytes()
                if os.fsencode(prefix) in content:
                    theirs = _sha256(content)
                    ours = _sha256(content.replace(os.fsencode(prefix), os.fsencode(real)))
                    for key in ("sha256", "sha256_in_prefix"):
                        if each.get(key) == theirs:
                            each[key] = ours
            each.pop("path_type", None)  # which tells how it was linked
    except (msgspec.DecodeError, AttributeError, TypeError, KeyError, OSError):
        return None if real is None else ...
    return record


def _told_by_record(
    data: bytes, made: Reference | None = None, real: Path | None = None, site: str = ""
) -> list[tuple[str, ...]] | None:
    """Return the rows of a RECORD, sorted, with the hashes that its files have in the prefix ``real``."""
    try:
        rows = [tuple(row) for row in csv.reader(io.StringIO(data.decode("utf-8"), newline="")) if row]
    except (csv.Error, ValueError):
        return None
    if made is None or real is None:
        return sorted(rows)
    found: list[tuple[str, ...]] = []
    for row in rows:
        path = made.path / site / row[0]
        if len(row) > 1 and row[1] and path.is_file():
            content = path.read_bytes()
            if os.fsencode(made.path) in content:
                content = content.replace(os.fsencode(made.path), os.fsencode(real))
                found.append((row[0], f"sha256={_record_hash(content)}", str(len(content))))
                continue
        found.append(row)
    return sorted(found)


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(_sha256(content))).rstrip(b"=").decode()


# -- against what the prefix says of itself --------------------------------------------------------


def _against_records(prefix: Path, marker: Marker, lock: Lock | None) -> tuple[list[Finding], int]:
    locked = lock.platforms[marker.platform].packages if lock is not None else None
    wheels = {_normal(each.name) for each in locked if each.kind == "pypi"} if locked is not None else None
    conda = {each.name for each in locked if each.kind == "conda"} if locked is not None else None
    there = _paths(prefix)

    def is_ours(info: str) -> bool:
        if info.endswith(".json"):
            return conda is None or info.rpartition("/")[2].rsplit("-", 2)[0] in conda
        installer = _text(prefix / info / "INSTALLER")
        if installer == "conda":
            return True
        name = _normal(info.rpartition("/")[2].partition("-")[0])
        return installer in (_INSTALLER, "") and (wheels is None or name in wheels)

    by = _claims(prefix, there, is_ours)
    accepted: dict[str, tuple[str, set[str]]] = {}
    for info, package, path, sha256 in (*_conda_files(prefix), *_wheel_files(prefix)):
        if is_ours(info):
            accepted.setdefault(path, (package, set()))[1].add(sha256)
            accepted.setdefault(info if info.endswith(".json") else f"{info}/RECORD", (package, {""}))
    for record in (prefix / "conda-meta").glob("*.json"):  # of those without a file as well
        if is_ours(info := f"conda-meta/{record.name}"):
            accepted.setdefault(info, (_owner_by_place(info), {""}))
    findings = []
    for path, (package, hashes) in accepted.items():
        file = prefix / path
        if not file.is_symlink() and not file.exists():
            findings.append(Finding(path, "file", "missing", package))
        elif file.is_symlink() or not file.is_file() or "" in hashes:
            continue  # links and files made here have no hash to compare with
        elif file_sha256(file) not in hashes:
            findings.append(Finding(path, "file", "changed", package, by.get(path, "")))
    if (prefix / "pyvenv.cfg").is_file():
        there = {path for path in there if not path.startswith(_VENV)}
    foreign = _foreign(there, {*accepted, "conda-meta/history"})
    findings += [Finding(path, "file", "foreign", by=by.get(path, "")) for path in foreign]
    return findings, len(there | accepted.keys())


def verify(prefix: Path) -> list[Finding]:
    """Return the files of packages that are missing or changed by what the prefix says of itself, sorted.

    Costs reading every file once. A path that several wheels bring is right if it is as any of them brings
    it. What nobody brings (your own files) is not told.

    :raises NotFound: where ``prefix`` is no complete environment of ours.
    """
    marker = read_marker(prefix)
    if marker is None or not marker.complete:
        raise NotFound("there is no complete environment", where=str(prefix), advice="create it first")
    findings, _ = _against_records(prefix, marker, None)
    return sorted(each for each in findings if each.problem != "foreign")


class _Path(msgspec.Struct):
    path: str = msgspec.field(name="_path")
    path_type: str = "hardlink"
    sha256: str | None = None
    sha256_in_prefix: str | None = None


class _Paths(msgspec.Struct):
    paths: list[_Path]


class _Record(msgspec.Struct):
    name: str
    paths_data: _Paths
    version: str = ""


def _conda_files(prefix: Path) -> Iterator[tuple[str, str, str, str]]:
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        with read_as(IntegrityError, "what is noted of this package cannot be read", where=str(path)):
            record = decode_json(path.read_bytes(), _Record)
        for file in record.paths_data.paths:
            link = file.path_type != "hardlink"
            sha256 = "" if link else (file.sha256_in_prefix or file.sha256 or "")
            yield f"conda-meta/{path.name}", record.name, file.path, sha256


def _wheel_files(prefix: Path) -> Iterator[tuple[str, str, str, str]]:
    for record in _records(prefix):
        if _text(record.with_name("INSTALLER")) == "conda":
            continue  # conda-meta speaks for it
        info = record.parent.relative_to(prefix).as_posix()
        name = record.parent.name.partition("-")[0]
        for path, told in _record_paths(prefix, record):
            yield info, name, path, told


def _records(prefix: Path) -> list[Path]:
    patterns = ("lib/python*/site-packages/*.dist-info/RECORD", "Lib/site-packages/*.dist-info/RECORD")
    return sorted(path for pattern in patterns for path in prefix.glob(pattern))


def _record_paths(prefix: Path, record: Path) -> Iterator[tuple[str, str]]:
    """Yield each path that a RECORD names, relative to the prefix, with its hash in hex digits."""
    site = record.parent.parent
    for row in _rows(record):
        if len(row) < 2:
            continue
        # Text alone decides: what a link leads to is not what was installed there.
        path = os.path.normpath(os.path.join(site, row[0]))  # noqa: PTH118
        relative = os.path.relpath(path, prefix)
        if not relative.startswith(".."):
            yield Path(relative).as_posix(), _hex(row[1])


def _rows(record: Path) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
    except (csv.Error, ValueError) as error:
        raise IntegrityError(f"this cannot be read ({reason_of(error)})", where=str(record)) from None


def _hex(record_hash: str) -> str:
    algorithm, _, value = record_hash.partition("=")
    if algorithm != "sha256":
        return ""
    try:
        return base64.urlsafe_b64decode(f"{value}{'=' * (-len(value) % 4)}").hex()
    except ValueError:  # binascii.Error, or not ASCII
        return ""


# -- what nobody brings, and who put it there --------------------------------------------------------


def _paths(top: Path) -> set[str]:
    """Return every file and link below a folder, as text."""
    found: set[str] = set()
    start = len(os.fspath(top)) + 1
    for folder, names, files in os.walk(top):
        relative = folder[start:] + "/" if len(folder) >= start else ""
        found.update(relative + name for name in files)
        # Links to folders are listed among the folders.
        found.update(
            relative + name
            for name in names
            if os.path.islink(os.path.join(folder, name))  # noqa: PTH114, PTH118
        )
    return found


def _foreign(there: Iterable[str], known: set[str]) -> list[str]:
    """Return the paths that nobody brings; bytecode of known modules is their interpreter's business."""
    return sorted(
        path for path in there if path not in known and path not in _OWN and not _is_bytecode(path, known)
    )


def _is_bytecode(path: str, known: set[str]) -> bool:
    folder, _, name = path.rpartition("/")
    if not name.endswith(".pyc") or not folder.endswith("__pycache__"):
        return False
    module = f"{folder.removesuffix('__pycache__')}{name.partition('.')[0]}.py"
    return module in known


def _claims(prefix: Path, there: set[str], is_ours: Callable[[str], bool]) -> dict[str, str]:
    """Return for paths who says, beside those who are locked, that they are theirs."""
    found: dict[str, str] = {}
    for record in _records(prefix):
        info = record.parent.relative_to(prefix).as_posix()
        if is_ours(info):
            continue
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        by = f"{_text(record.with_name('INSTALLER')) or 'an installer'} ({name} {version})"
        try:
            paths = {path for path, _ in _record_paths(prefix, record)}
        except ConjoinError:
            paths = set()
        own = {path for path in there if path.startswith(f"{info}/")}
        found |= dict.fromkeys(paths | own, by)
    for path in sorted(each for each in there if each.startswith("conda-meta/") and each.endswith(".json")):
        if is_ours(path):
            continue
        try:
            record_of = decode_json((prefix / path).read_bytes(), _Record)
        except (OSError, msgspec.DecodeError):
            continue
        by = f"conda ({record_of.name} {record_of.version})"
        found |= dict.fromkeys([path, *(each.path for each in record_of.paths_data.paths)], by)
    return found


def _is_of(made: Path, prefix: Path, info: str) -> bool:
    """Return whether a ``.dist-info`` folder, or a file of conda-meta, is one that the packages bring."""
    if info.endswith(".json"):
        return (made / info).is_file()
    return (made / info).is_dir() and _text(made / info / "INSTALLER") == _text(prefix / info / "INSTALLER")


def _owner_by_place(path: str) -> str:
    folder = next((part for part in path.split("/") if part.endswith(".dist-info")), "")
    if folder:
        return _normal(folder.partition("-")[0])
    name = path.rpartition("/")[2]
    return name.rsplit("-", 2)[0] if path.startswith("conda-meta/") and name.endswith(".json") else ""


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""
