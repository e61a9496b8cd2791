"""Files that two packages claim: every file of a prefix belongs to one package, or is the same in both.

* A conda package and a wheel that bring different bytes for one path: refused. Linkers would let the later
  one win silently, and neither `conda list` nor `pip list` would tell the truth.
* Two wheels: common (a stray ``tests/__init__.py``) and what installers accept, so it is warned of, and the
  wheel whose name sorts last wins, everywhere: it is linked after the others.
* Two conda packages: rattler decides by the order of dependencies, the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from conjoin.errors import Conflict
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.conda_cache import CondaEntry
from conjoin.prefix.link.packaged_path import PythonLayout
from conjoin.prefix.link.wheel_listing import WheelEntry

__all__ = ["linking_order"]


def linking_order(
    conda: Mapping[LockedPackage, CondaEntry],
    wheels: Mapping[LockedPackage, WheelEntry],
    layout: PythonLayout,
) -> tuple[list[list[LockedPackage]], list[str]]:
    """Return the wheels in groups to be linked one after the other, and warnings about wheels that overlap.

    Within a group no path is claimed twice with different bytes. Costs O(files).

    :raises Conflict: where a conda package and a wheel claim one path with different bytes.
    """
    owners: dict[str, tuple[LockedPackage, str]] = {}
    if wheels:
        for package, entry in conda.items():
            noarch = package.noarch == "python"
            for packaged in entry.paths:
                path = layout.place(packaged.path) if noarch else packaged.path
                owners[path] = (package, packaged.sha256)
    level: dict[LockedPackage, int] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for package in sorted(wheels, key=lambda each: each.name):
        level[package] = 0
        for packaged in wheels[package].paths:
            path = layout.place(packaged.path)
            owner = owners.get(path)
            owners[path] = (package, packaged.sha256)
            if owner is None or owner[0] is package or (owner[1] and owner[1] == packaged.sha256):
                continue
            if owner[0].kind == "conda":
                raise Conflict(
                    f"the conda package {owner[0].name} and the wheel {package.file} both bring {path}, "
                    "with different content",
                    advice="nothing was installed; ask for both from one side, as conda or as PyPI packages",
                )
            level[package] = max(level[package], level[owner[0]] + 1)
            shared.setdefault((owner[0].name, package.name), []).append(path)
    groups: list[list[LockedPackage]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for package, position in level.items():
        groups[position].append(package)
    warnings = [
        f"the wheels of {loser} and {winner} both bring {paths[0]}"
        f"{f' and {len(paths) - 1} more files' if len(paths) > 1 else ''}; those of {winner} are used"
        for (loser, winner), paths in shared.items()
    ]
    return groups, warnings
