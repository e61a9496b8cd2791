"""What a conda package says of itself (``info/index.json``, CEP 34), which its hash proves.

A lock has a copy, as the channel's repodata told it when the environment was resolved. What a channel may
correct afterwards (dependencies, and where from) is taken from the lock; what decides on the tree is taken
from the package, and the lock's copy has to agree.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from conjoin.errors import IntegrityError
from conjoin.lock.model import LockedPackage
from conjoin.untrusted import decode_json

__all__ = ["PackagedIndex", "read_index"]

_LATEST = 253_402_300_799_000
"""Milliseconds: the end of the year 9999, the last that dates can be made of."""

# Where a Python keeps its packages, if it does not say so: a channel may have said it for one that was built
# before the field was known (CEP 17).
_USUAL_SITE_PACKAGES = re.compile(r"lib/python[0-9]+\.[0-9]+t?/site-packages|Lib/site-packages")


class PackagedIndex(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields that a prefix depends on, as the package itself has them; empty where it does not say.

    :ivar md5: of the archive.
    :ivar timestamp: milliseconds since 1970.
    """

    name: str
    version: str
    build: str
    md5: str
    build_number: int = 0
    subdir: str = ""
    noarch: str = ""
    constrains: tuple[str, ...] = ()
    license: str = ""
    timestamp: int = 0
    track_features: tuple[str, ...] = ()
    python_site_packages_path: str = ""

    def refuse_other(self, package: LockedPackage) -> None:
        """Refuse a lock's copy that does not agree.

        :raises IntegrityError: naming the field.
        """
        told = [
            (field, getattr(package, field), getattr(self, field)) for field in ("name", "version", "build")
        ]
        told.append(("noarch", package.noarch, self.noarch))
        if package.md5:
            told.append(("md5", package.md5, self.md5))
        place = package.python_site_packages_path
        if self.python_site_packages_path or (place and not _USUAL_SITE_PACKAGES.fullmatch(place)):
            told.append(("python_site_packages_path", place, self.python_site_packages_path))
        for field, locked, packaged in told:
            if locked != packaged:
                raise IntegrityError(
                    f"the lock says of {package.file} that its {field} is {locked!r}, the package itself"
                    f" says {packaged!r}",
                    where=package.file,
                    advice="nothing was installed; the lock was edited, or its channel tells what is not so",
                )

    def told(self, package: LockedPackage) -> LockedPackage:
        """Return what is linked and noted in ``conda-meta``: the package's own word, where it has one."""
        return replace(
            package,
            build_number=self.build_number,
            subdir=self.subdir or package.subdir,
            constrains=self.constrains,
            md5=self.md5,
            license=self.license,
            timestamp=self.timestamp,
            track_features=self.track_features,
        )


def read_index(top: Path, md5: str) -> PackagedIndex:
    """Return what an extracted package says of itself.

    :param top: the folder it was extracted to.
    :param md5: of the archive.
    :raises IntegrityError: where it says nothing that can be read.
    """
    path = top / "info" / "index.json"
    try:
        told = decode_json(path.read_bytes(), dict[str, Any])
        name, version, build = (str(told[field]) for field in ("name", "version", "build"))
    except (OSError, msgspec.DecodeError, KeyError) as error:
        raise IntegrityError(
            f"the package's info/index.json cannot be read ({error})",
            where=str(top),
            advice="its hash is right, so it was made this way: report it to its channel",
        ) from None
    return PackagedIndex(
        name=name,
        version=version,
        build=build,
        md5=md5,
        build_number=_number(told.get("build_number"), 2**53),
        subdir=_text(told.get("subdir")),
        noarch=_noarch(told.get("noarch")),
        constrains=_texts(told.get("constrains")),
        license=_text(told.get("license")),
        timestamp=_number(told.get("timestamp"), _LATEST),
        track_features=_features(told.get("track_features")),
        python_site_packages_path=_text(told.get("python_site_packages_path")),
    )


def _number(value: Any, most: int) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 <= value <= most else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(_text, value))) if isinstance(value, list) else ()


def _features(value: Any) -> tuple[str, ...]:
    return tuple(_text(value).replace(",", " ").split()) if isinstance(value, str) else _texts(value)


def _noarch(value: Any) -> str:
    # Before conda-build 3, `noarch: true` stood for what is `generic` now.
    return "generic" if value is True else _text(value)
