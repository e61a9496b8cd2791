"""Source distributions that build without any network: their build backend lies inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worlds import write_sdist

_BACKEND = """
import importlib, os, zipfile

NAME, VERSION, TAGS = {name!r}, {version!r}, {tags!r}
METADATA = {metadata!r}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    open({counter!r}, "a").write("built\\n")
    {failing}
    stem = NAME.replace("-", "_") + "-" + VERSION
    path = os.path.join(wheel_directory, stem + "-" + TAGS + ".whl")
    info = stem + ".dist-info/"
    wheel = "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: " + TAGS + "\\n"
    tools = {{tool: importlib.import_module(tool).__version__ for tool in {tools!r}}}
    code = "VERSION, TOOLS = " + repr((VERSION, tools)) + "\\n"
    members = {{
        NAME.replace("-", "_") + ".py": code,
        info + "METADATA": METADATA,
        info + "WHEEL": wheel,
    }}
    members[info + "RECORD"] = "".join(m + ",,\\n" for m in [*members, info + "RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), content)
    return os.path.basename(path)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    stem = NAME.replace("-", "_") + "-" + VERSION
    path = os.path.join(wheel_directory, stem + "-0.editable-py3-none-any.whl")
    info = stem + ".dist-info/"
    wheel = "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    members = {{
        "__" + NAME + ".pth": os.getcwd() + "/src\\n",
        info + "METADATA": METADATA,
        info + "WHEEL": wheel,
    }}
    members[info + "RECORD"] = "".join(m + ",,\\n" for m in [*members, info + "RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), content)
    return os.path.basename(path)
"""
_REQUIRES = """

def get_requires_for_build_wheel(config_settings=None):
    return {more!r}
"""
_PREPARE = """

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    open({counter!r}, "a").write("prepared\\n")
    folder = NAME + ".dist-info"
    os.mkdir(os.path.join(metadata_directory, folder))
    open(os.path.join(metadata_directory, folder, "METADATA"), "w").write(METADATA)
    return folder
"""


@dataclass(frozen=True)
class Tools:
    """What a source needs to be built.

    :ivar declared: its ``build-system.requires``.
    :ivar more: what its backend asks for on top.
    :ivar used: modules that are imported for a build; their versions become ``TOOLS`` of the module built.
    :ivar prepares: whether the backend tells the metadata without a build.
    """

    declared: Sequence[str] = ()
    more: Sequence[str] = ()
    used: Sequence[str] = ()
    prepares: bool = False


def make_building_sdist(
    directory: Path,
    name: str,
    version: str,
    requires_dist: Sequence[str] = (),
    *,
    tags: str = "py3-none-any",
    static: bool = False,
    fails: bool = False,
    headers: Sequence[str] = (),
    tools: Tools | None = None,
    code: Sequence[str] = (),
) -> Path:
    """Write an sdist and return its path; ``<directory>/<name>.built`` gets a line for each build.

    :param static: whether PKG-INFO binds the build (metadata 2.2, nothing dynamic).
    :param fails: whether the build raises.
    :param headers: further lines of the metadata (``Requires-Python: >=3.9``).
    :param code: names of further files, such as ``src/core.c``.
    """
    members = _members(
        directory,
        name,
        version,
        requires_dist,
        tags=tags,
        static=static,
        fails=fails,
        headers=headers,
        tools=tools or Tools(),
    )
    members |= dict.fromkeys(code, "/* nothing */\n")
    return write_sdist(directory, f"{name.replace('-', '_')}-{version}", members)


def make_building_project(
    folder: Path,
    name: str,
    version: str,
    requires_dist: Sequence[str] = (),
    *,
    counter: Path,
    tags: str = "py3-none-any",
    fails: bool = False,
    headers: Sequence[str] = (),
    tools: Tools | None = None,
) -> Path:
    """Write a project's folder and return it; ``<counter>/<name>.built`` gets a line for each build."""
    members = _members(
        counter,
        name,
        version,
        requires_dist,
        tags=tags,
        static=False,
        fails=fails,
        headers=headers,
        tools=tools or Tools(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    counter.mkdir(parents=True, exist_ok=True)
    for member in ("pyproject.toml", "backend.py"):
        (folder / member).write_text(members[member])
    return folder


def _members(
    counter: Path,
    name: str,
    version: str,
    requires_dist: Sequence[str],
    *,
    tags: str,
    static: bool,
    fails: bool,
    headers: Sequence[str],
    tools: Tools,
) -> dict[str, str]:
    lines = [f"Metadata-Version: {'2.2' if static else '2.1'}", f"Name: {name}", f"Version: {version}"]
    lines += headers
    metadata = "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires_dist)]) + "\n"
    backend = _BACKEND.format(
        name=name,
        version=version,
        tags=tags,
        metadata=metadata,
        counter=str(counter / f"{name}.built"),
        failing="raise SystemExit('no compiler today')" if fails else "",
        tools=list(tools.used),
    )
    if tools.more:
        backend += _REQUIRES.format(more=list(tools.more))
    if tools.prepares:
        backend += _PREPARE.format(counter=str(counter / f"{name}.prepared"))
    project = (
        f"[build-system]\nrequires = {list(tools.declared)!r}\n"
        "build-backend = 'backend'\nbackend-path = ['.']\n"
        # What it depends on is the backend's to say: uv would believe a pyproject.toml that says nothing.
        f"[project]\nname = '{name}'\nversion = '{version}'\n"
        "dynamic = ['dependencies', 'optional-dependencies']\n"
    )
    return {"PKG-INFO": metadata, "pyproject.toml": project, "backend.py": backend}


def builds(directory: Path, name: str, what: str = "built") -> int:
    """Return how often an sdist was built, or its metadata ``prepared``."""
    counter = directory / f"{name}.{what}"
    return len(counter.read_text().splitlines()) if counter.exists() else 0
