"""Small worlds for tests: tiny wheels, sdists and simple indexes, written to disk in a few milliseconds."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

__all__ = ["forge_test_channel", "make_index", "make_sdist", "make_wheel", "rewrite_zip", "write_sdist"]

_DATE = (1980, 1, 1, 0, 0, 0)


def _normalised(name: str) -> str:
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def _metadata(
    name: str,
    version: str,
    requires_dist: Iterable[str],
    *,
    requires_python: str,
    extras: Mapping[str, Sequence[str]],
    headers: Mapping[str, str],
) -> str:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {text}" for text in requires_dist]
    for extra, wanted in extras.items():
        lines.append(f"Provides-Extra: {extra}")
        for text in wanted:
            requirement, _, marker = text.partition(";")
            both = f"({marker.strip()}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            lines.append(f"Requires-Dist: {requirement.strip()} ; {both}")
    lines += [f"{key}: {value}" for key, value in headers.items()]
    return "\n".join(lines) + "\n"


def make_wheel(
    directory: Path,
    name: str,
    version: str,
    requires_dist: Iterable[str] = (),
    tags: str = "py3-none-any",
    *,
    requires_python: str = "",
    files: Mapping[str, str | bytes] | None = None,
    entry_points: Mapping[str, str] | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    build: str = "",
    scripts: Mapping[str, str | bytes] | None = None,
    data: Mapping[str, str | bytes] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a valid wheel (PEP 427) into ``directory`` and return its path; same input, same bytes.

    :param requires_dist: PEP 508 texts.
    :param tags: ``python-abi-platform``, dots for compressed sets.
    :param files: member name -> content; without it, one module that knows its ``__version__``.
    :param entry_points: console scripts, ``{"tool": "package.module:main"}``.
    :param extras: ``{"extra": ["requirement", ...]}``.
    :param build: build tag, such as ``1``.
    :param scripts: ``{"file name": content}`` for ``.data/scripts``.
    :param data: ``{"share/x": content}`` for ``.data/data``.
    :param metadata: further headers for METADATA.
    """
    escaped = _normalised(name).replace("-", "_")
    info = f"{escaped}-{version}.dist-info"
    if files is None:
        module = f"__version__ = {version!r}\n\n\ndef main():\n    print(__name__, __version__)\n"
        files = {f"{escaped}/__init__.py": module}
    pure = tags.endswith("-none-any")
    members: dict[str, bytes] = {}

    def add(member: str, content: str | bytes) -> None:
        members[member] = content.encode() if isinstance(content, str) else content

    for member, content in files.items():
        add(member, content)
    for member, content in (scripts or {}).items():
        add(f"{escaped}-{version}.data/scripts/{member}", content)
    for member, content in (data or {}).items():
        add(f"{escaped}-{version}.data/data/{member}", content)
    add(
        f"{info}/METADATA",
        _metadata(
            name,
            version,
            requires_dist,
            requires_python=requires_python,
            extras=extras or {},
            headers=metadata or {},
        ),
    )
    pythons, abis, platforms = tags.split("-")
    expanded = [
        f"Tag: {python}-{abi}-{platform}"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    ]
    head = ["Wheel-Version: 1.0", "Generator: worlds", f"Root-Is-Purelib: {'true' if pure else 'false'}"]
    if build:
        head.append(f"Build: {build}")
    add(f"{info}/WHEEL", "\n".join([*head, *expanded]) + "\n")
    if entry_points:
        lines = ["[console_scripts]", *(f"{script} = {target}" for script, target in entry_points.items())]
        add(f"{info}/entry_points.txt", "\n".join(lines) + "\n")
    add(f"{info}/RECORD", _record(members, f"{info}/RECORD"))

    directory.mkdir(parents=True, exist_ok=True)
    stem = "-".join([escaped, version, *([build] if build else []), tags])
    path = directory / f"{stem}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            entry = zipfile.ZipInfo(member, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            executable = ".data/scripts/" in member
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, content)
    return path


def _record(members: Mapping[str, bytes], own: str) -> str:
    rows = []
    for member, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{member},sha256={digest},{len(content)}")
    return "\n".join([*rows, f"{own},,"]) + "\n"


def rewrite_zip(path: Path, changes: Mapping[str, bytes | None]) -> Path:
    """Replace, add (bytes) or drop (None) members of a zip file, to make an invalid wheel of a valid one."""
    with zipfile.ZipFile(path) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    for member, content in changes.items():
        if content is None:
            members.pop(member)
        else:
            members[member] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            entry = zipfile.ZipInfo(member, _DATE)
            # ZipInfo's constructor cleans the name up; a hostile archive would not.
            entry.filename = member
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return path


def make_sdist(
    directory: Path,
    name: str,
    version: str,
    requires_dist: Iterable[str] = (),
    requires_python: str = "",
    *,
    dynamic: bool = False,
) -> Path:
    """Write an sdist (PEP 625) of a setuptools project with one module and return its path.

    :param dynamic: whether PKG-INFO declares Requires-Dist as dynamic, so that it must not be trusted.
    """
    escaped = _normalised(name).replace("-", "_")
    root = f"{escaped}-{version}"
    wanted = list(requires_dist)
    project = [
        "[build-system]",
        'requires = ["setuptools"]',
        'build-backend = "setuptools.build_meta"',
        "[project]",
        f"name = {json.dumps(name)}",
        f"version = {json.dumps(version)}",
        f"dependencies = {json.dumps(wanted)}",
    ]
    if requires_python:
        project.append(f"requires-python = {json.dumps(requires_python)}")
    headers = {"Dynamic": "Requires-Dist"} if dynamic else {}
    members = {
        "PKG-INFO": _metadata(
            name,
            version,
            () if dynamic else wanted,
            requires_python=requires_python,
            extras={},
            headers=headers,
        ),
        "pyproject.toml": "\n".join(project) + "\n",
        f"{escaped}/__init__.py": f"__version__ = {version!r}\n",
    }
    return write_sdist(directory, root, members)


def write_sdist(directory: Path, root: str, members: Mapping[str, str]) -> Path:
    """Write ``<root>.tar.gz`` with those files below a folder ``root``, as PEP 625 wants it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{root}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members.items():
            entry = tarfile.TarInfo(f"{root}/{member}")
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    return path


def make_index(
    directory: Path,
    wheels: Iterable[Path],
    format: Literal["html", "json", "both"] = "html",
    pep658: bool = True,
    *,
    hashes: bool = True,
    upload_times: Mapping[str, str] | None = None,
    yanked: Mapping[str, str] | None = None,
    requires_python: bool = True,
) -> Path:
    """Write a simple index (PEP 503, PEP 691) of distribution files into ``directory`` and return it.

    Project pages are ``<directory>/<project>/index.html`` or ``index.json``, files are
    ``<directory>/files/<name>``; serve the folder with :class:`loopback.LoopbackServer`. Call it again with
    all files to change the index.

    :param wheels: wheels and sdists; the index links or copies them.
    :param format: ``both`` lets the server negotiate.
    :param pep658: announce and serve the wheels' METADATA (PEP 658, PEP 714).
    :param hashes: announce sha256 digests.
    :param upload_times: ``{"file name": "2024-01-01T00:00:00Z"}`` (PEP 700; JSON only); "*" is the default.
    :param yanked: ``{"file name": "reason"}`` (PEP 592).
    :param requires_python: announce Requires-Python.
    """
    store = directory / "files"
    store.mkdir(parents=True, exist_ok=True)
    projects: dict[str, list[dict[str, object]]] = {}
    for path in sorted(wheels):
        content = path.read_bytes()
        (store / path.name).write_bytes(content)
        project = _normalised(path.name.split("-")[0])
        entry: dict[str, object] = {
            "filename": path.name,
            "url": f"../files/{path.name}",
            "size": len(content),
        }
        entry["hashes"] = {"sha256": hashlib.sha256(content).hexdigest()} if hashes else {}
        described = _described(path)
        if requires_python and described is not None and (wanted := _header(described, "Requires-Python")):
            entry["requires-python"] = wanted
        if pep658 and described is not None and path.name.endswith(".whl"):
            (store / f"{path.name}.metadata").write_bytes(described)
            entry["core-metadata"] = {"sha256": hashlib.sha256(described).hexdigest()}
        times = upload_times or {}
        if when := times.get(path.name, times.get("*")):
            entry["upload-time"] = when
        if yanked and path.name in yanked:
            entry["yanked"] = yanked[path.name] or True
        projects.setdefault(project, []).append(entry)
    for project, entries in projects.items():
        folder = directory / project
        folder.mkdir(exist_ok=True)
        if format in ("json", "both"):
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": entries}
            page["versions"] = sorted(
                {str(entry["filename"]).split("-")[1].removesuffix(".tar.gz") for entry in entries}
            )
            (folder / "index.json").write_text(json.dumps(page))
        if format in ("html", "both"):
            (folder / "index.html").write_text(_page(project, entries))
    listing = "".join(f'<a href="{project}/">{project}</a><br>\n' for project in sorted(projects))
    (directory / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{listing}</body></html>\n")
    return directory


def _page(project: str, entries: Sequence[Mapping[str, object]]) -> str:
    lines = []
    for entry in entries:
        hashes = entry["hashes"]
        assert isinstance(hashes, dict)
        anchor = f"#sha256={hashes['sha256']}" if hashes else ""
        attributes = f'href="{entry["url"]}{anchor}"'
        if "requires-python" in entry:
            attributes += f' data-requires-python="{html.escape(str(entry["requires-python"]))}"'
        if isinstance(announced := entry.get("core-metadata"), dict):
            attributes += f' data-core-metadata="sha256={announced["sha256"]}"'
        if "yanked" in entry:
            reason = entry["yanked"]
            attributes += f' data-yanked="{html.escape(reason) if isinstance(reason, str) else ""}"'
        lines.append(f"<a {attributes}>{entry['filename']}</a><br>")
    head = '<meta name="pypi:repository-version" content="1.1"><title>Links for ' + project + "</title>"
    body = "\n".join(lines)
    return f"<!DOCTYPE html><html><head>{head}</head><body>\n{body}\n</body></html>\n"


def _described(path: Path) -> bytes | None:
    if path.name.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".dist-info/METADATA"):
                    return archive.read(member)
        return None
    with tarfile.open(path) as archive:
        found = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
        return found.read() if found else None


def _header(described: bytes, name: str) -> str:
    for line in described.decode().splitlines():
        if line.lower().startswith(f"{name.lower()}:"):
            return line.split(":", 1)[1].strip()
    return ""


def forge_test_channel(directory: Path, pythons: Sequence[str] | None = None) -> Path:
    """Forge a small channel, quickly, and return it; see the fixture ``forged_channel`` for what it has."""
    from conjoin.forge import forge

    with tempfile.TemporaryDirectory() as folder:
        wheels = [
            make_wheel(Path(folder), "tinylib", "1.0"),
            make_wheel(Path(folder), "tinylib", "2.0"),
            make_wheel(
                Path(folder),
                "tinyapp",
                "1.0",
                ["tinylib<2"],
                entry_points={"tinyapp": "tinyapp:main"},
                files={
                    "tinyapp/__init__.py": "import tinylib\n\n\n"
                    "def main():\n    print('tinyapp 1.0 with tinylib', tinylib.__version__)\n"
                },
            ),
        ]
        sample = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
        forge(directory, pythons=pythons, wheels=wheels, sample=sample, level=3)
    return directory
