"""Wheels of what is installed here: real packages for channels and small indexes, without a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from conjoin.prefix.link.wheel_listing import INSTALLERS_OWN

__all__ = ["closure", "wheel_of_installed"]

_DATE = (1980, 1, 1, 0, 0, 0)


def closure(names: Iterable[str]) -> list[str]:
    """Return the names and those of everything they need, as far as markers apply here; sorted."""
    found: dict[str, None] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = None
        for text in distribution(name).requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name.lower().replace("_", "-"))
    return sorted(found)


def wheel_of_installed(
    name: str, directory: Path, *, keep: Callable[[str], bool] = lambda _member: True
) -> Path:
    """Write the wheel that an installed distribution came from, as far as it can be told, and return it.

    :param keep: which members to keep, by their paths in site-packages.
    """
    found = distribution(name)
    info, tag = _info_folder(found), _tag(found)
    members: dict[str, bytes] = {}
    for file in found.files or ():
        member = str(file)
        generated = member.startswith("../") or "__pycache__" in member or member == f"{info}/RECORD"
        installers = {f"{info}/{each}" for each in INSTALLERS_OWN}
        if generated or member in installers or not keep(member):
            continue
        members[member] = Path(str(found.locate_file(file))).read_bytes()
    rows = [f"{member},sha256={_digest(content)},{len(content)}" for member, content in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{info.removesuffix('.dist-info')}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member, content in members.items():
            entry = zipfile.ZipInfo(member, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return path


def _info_folder(found: Distribution) -> str:
    [folder] = {str(file).partition("/")[0] for file in found.files or () if ".dist-info/" in str(file)}
    return folder


def _tag(found: Distribution) -> str:
    lines = (found.read_text("WHEEL") or "").splitlines()
    tags = [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]
    parts = list(zip(*(tag.split("-") for tag in tags), strict=True))
    return "-".join(".".join(dict.fromkeys(part)) for part in parts)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
