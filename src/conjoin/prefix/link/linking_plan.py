"""Who brings what: judged for all packages of an environment before any of it is linked.

Every file of a prefix belongs to one package, or is the same in both that bring it:

* A conda package and a wheel that bring different bytes for one path: refused. Linkers would let the later
  one win silently, and neither `conda list` nor `pip list` would tell the truth.
* Two wheels: common (a stray ``tests/__init__.py``) and what installers accept, so it is warned of, and the
  wheel whose name sorts last wins, everywhere: it is linked after the others.
* Two conda packages: warned of as well, after linking: rattler decides by the order of dependencies, then of
  names, the same everywhere.
* What belongs to the environment itself (``conda-meta``, ``pyvenv.cfg``, what activates it) is no package's.

Paths are compared as the file system will: where they really lead, through the symbolic links that conda
packages bring. A link that stays in the prefix may lead files of wheels; one that leaves it leads nobody's,
and files of another conda package none at all: rattler links packages in no order.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conjoin.errors import Conflict, IntegrityError
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.conda import CondaEntry
from conjoin.prefix.link.packaged_path import PythonLayout, folders_of
from conjoin.prefix.link.wheel_listing import INSTALLERS_OWN, WheelEntry

__all__ = ["LinkingPlan", "clobber_warnings", "linking_plan"]

# Links that may stand for one component, one after the other; as Linux has it.
_MOST_LINKS = 40
# Folders at the top that are written for us by rattler, and by nobody else.
_OURS = ("conda-meta", "__clobbers__")
# Files at the top that linkers write or take away; a link there would lead them elsewhere.
_LITTER = ("CACHEDIR.TAG", ".gitignore", ".lock")
_ADVICE = "nothing was installed; do not trust this package"


@dataclass(frozen=True, slots=True)
class LinkingPlan:
    """What was judged.

    :ivar groups: wheels in groups to be linked one after the other.
    :ivar warnings: about wheels that overlap.
    :ivar clobbered: paths that several conda packages bring, with those packages, by name.
    """

    groups: list[list[LockedPackage]]
    warnings: list[str]
    clobbered: dict[str, tuple[LockedPackage, ...]]


def linking_plan(
    conda: Mapping[LockedPackage, CondaEntry],
    wheels: Mapping[LockedPackage, WheelEntry],
    layout: PythonLayout | None,
    *,
    platform: str = "linux-64",
    venv: bool = False,
) -> LinkingPlan:
    """Judge what packages bring. Costs O(files), and little for each.

    :param layout: None where there is no Python.
    :param platform: file systems of Windows and macOS take names that differ in case for one.
    :param venv: whether uv makes the prefix a virtual environment (PEP 405) before wheels are linked.
    :raises Conflict: where a conda package and a wheel claim one path with different bytes, a package claims
        what is the environment's own, or a link would lead another package's file elsewhere.
    :raises IntegrityError: where a package's own link would lead its file elsewhere.
    """
    fold = _folded if platform.startswith(("win-", "osx-")) else _as_is
    tree = _Tree(layout, fold, venv=venv)
    for package, entry in conda.items():
        tree.add_conda(package, entry)
    tree.settle_conda()
    plan = tree.add_wheels(wheels)
    tree.refuse_files_as_folders()
    return plan


def clobber_warnings(clobbered: Mapping[str, Sequence[LockedPackage]], prefix: Path) -> list[str]:
    """Return what to say of paths that several conda packages bring, now that they are linked.

    :param clobbered: of the :class:`LinkingPlan`.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for path, packages in clobbered.items():
        # Where rattler puts what lost.
        lost = [each.name for each in packages if os.path.lexists(prefix / "__clobbers__" / each.name / path)]
        won = [each.name for each in packages if each.name not in lost]
        names = ", ".join(each.name for each in packages[:-1]) + f" and {packages[-1].name}"
        found.setdefault((names, won[0] if len(won) == 1 else ""), []).append(path)
    return [
        f"the conda packages {names} {'all' if ', ' in names else 'both'} bring {paths[0]}"
        f"{f' and {len(paths) - 1} more files' if len(paths) > 1 else ''}"
        f"{f'; those of {winner} are used' if winner else ''}"
        for (names, winner), paths in found.items()
    ]


def _as_is(path: str) -> str:
    return path


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


class _Tree:
    """The prefix as it will be: who brings each file, who needs each folder, where links lead.

    All keys are folded paths; wheels' are those they really lead to.
    """

    def __init__(self, layout: PythonLayout | None, fold: Callable[[str], str], *, venv: bool) -> None:
        self._layout = layout
        self._fold = fold
        self._plain = fold is _as_is
        self._venv = venv
        self._entries: dict[LockedPackage, CondaEntry] = {}
        self._owners: dict[str, LockedPackage] = {}
        self._folders: dict[str, LockedPackage] = {}
        self._links: dict[str, tuple[LockedPackage, str]] = {}
        self._shared: dict[str, list[LockedPackage]] = {}
        self._hashes: dict[LockedPackage, dict[str, str]] = {}
        self._conda_folders: frozenset[str] = frozenset()
        self._environment = _environments_own(layout, fold, venv=venv)
        if venv and layout is not None and layout.site_packages.startswith("lib/"):
            self._links["lib64"] = (LockedPackage(kind="python", name="python", version="", file=""), "lib")

    def add_conda(self, package: LockedPackage, entry: CondaEntry) -> None:
        self._entries[package] = entry
        place, fold, owners = self._place_of(package), self._fold, self._owners
        names = [each.path for each in entry.paths]
        if place is not None:
            names = [place(name) for name in names]
        if not self._plain:
            names = [fold(name) for name in names]
        if owners.keys().isdisjoint(names):
            owners.update(dict.fromkeys(names, package))
        else:
            for name in names:
                owner = owners.setdefault(name, package)
                if owner is not package:
                    self._shared.setdefault(name, [owner]).append(package)
        folders: Iterator[str] | tuple[str, ...] = entry.folders
        if place is not None:
            # Those above `site-packages` are not among the package's own.
            placed = [place(f"{folder}/")[:-1] for folder in entry.folders]
            folders = iter([*placed, *folders_of(placed)])
        for folder in folders:
            self._folders.setdefault(fold(folder), package)
        for path, target in entry.links.items():
            self._links[fold(place(path) if place is not None else path)] = (package, target)

    def settle_conda(self) -> None:
        """Judge what conda packages bring, before wheels come."""
        for folder, package in self._folders.items():
            if folder in self._links:
                self._refuse_link_for(folder, package)
            self._refuse_ours(folder, package)
        for name, owner in ((name, self._owners.get(name)) for name in _OURS):
            if owner is not None:
                raise _not_yours(name, owner)
        for name in _LITTER:
            if (link := self._links.get(self._fold(name))) is not None:
                raise _not_yours(name, link[0])
        for name in self._environment if self._venv else (self._fold("pyvenv.cfg"),):
            if (owner := self._owners.get(name)) is not None and name not in _LITTER:
                raise _not_yours(name, owner)
        self._conda_folders = frozenset(self._folders)

    def add_wheels(self, wheels: Mapping[LockedPackage, WheelEntry]) -> LinkingPlan:
        level: dict[LockedPackage, int] = {}
        shared: dict[tuple[str, str], list[str]] = {}
        content: dict[str, str] = {}
        for package in sorted(wheels, key=lambda each: each.name):
            level[package] = 0
            for path, sha256 in self._claims(package, wheels[package]):
                key = self._fold(path)
                owner = self._owners.get(key)
                if owner is None:
                    if key in self._environment:
                        raise _not_yours(path, package)
                elif owner is not package:
                    found = content[key] if key in content else self._content(owner, key)
                    if not found or found != sha256:
                        if owner.kind == "conda":
                            raise _both_bring(owner, package, path)
                        level[package] = max(level[package], level[owner] + 1)
                        shared.setdefault((owner.name, package.name), []).append(path)
                self._owners[key] = package
                content[key] = sha256
        groups: list[list[LockedPackage]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
        for package, position in level.items():
            groups[position].append(package)
        warnings = [
            f"the wheels of {loser} and {winner} both bring {paths[0]}"
            f"{f' and {len(paths) - 1} more files' if len(paths) > 1 else ''}; those of {winner} are used"
            for (loser, winner), paths in shared.items()
        ]
        clobbered = {
            path: tuple(sorted(packages, key=lambda each: each.name))
            for path, packages in sorted(self._shared.items())
        }
        return LinkingPlan(groups, warnings, clobbered)

    def refuse_files_as_folders(self) -> None:
        """Refuse a path that one package brings as a file and another needs as a folder."""
        for folder, package in self._folders.items():
            if (owner := self._owners.get(folder)) is not None:
                raise Conflict(
                    f"{_named(owner)} brings {folder} as a file, {_named(package)} as a folder",
                    advice="nothing was installed; these packages cannot be in one environment",
                )

    def _place_of(self, package: LockedPackage) -> Callable[[str], str] | None:
        return self._layout.place if self._layout is not None and package.noarch == "python" else None

    def _claims(self, package: LockedPackage, entry: WheelEntry) -> Iterator[tuple[str, str]]:
        """Yield the paths that a wheel's files really have, with their hashes."""
        assert self._layout is not None, "wheels need a Python"
        place = self._layout.place
        dist_info = f"{self._layout.site_packages}/{entry.dist_info}"
        names = [place(f"{folder}/")[:-1] for folder in entry.folders]
        folders = {*names, *folders_of(names), *folders_of([f"{dist_info}/RECORD"])}
        real = {folder: self._fold(folder) for folder in folders}
        led = not self._links.keys().isdisjoint(real.values())
        if led:
            real = {folder: self._led(folded, package) for folder, folded in real.items()}
        for folder in real.values():
            self._refuse_ours(folder, package)
            self._folders.setdefault(folder, package)
        paths = [(place(each.path), each.sha256) for each in entry.paths]
        # The installer makes these anew.
        paths += [(f"{dist_info}/{name}", "") for name in ("RECORD", *INSTALLERS_OWN)]
        if led:
            for path, sha256 in paths:
                folder, _, name = path.rpartition("/")
                there = real.get(folder, "")
                yield f"{there}/{name}" if there else name, sha256
        else:
            yield from paths

    def _led(self, folder: str, package: LockedPackage) -> str:
        """Return where a folder really is.

        :raises Conflict: where links lead it out of the prefix.
        """
        done: list[str] = []
        todo = folder.split("/")[::-1]
        followed: list[str] = []
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not done:
                    self._refuse_led(folder, package, followed)
                done.pop()
                continue
            done.append(self._fold(part))
            link = self._links.get("/".join(done))
            if link is None:
                continue
            followed.append("/".join(done))
            if followed[-1] in self._shared:
                raise Conflict(
                    f"several conda packages bring {followed[-1]}, and {_named(package)} files below it",
                    advice="nothing was installed; these packages cannot be in one environment",
                )
            if link[1].startswith("/") or len(followed) > _MOST_LINKS or re.match(r"[A-Za-z]:|\\", link[1]):
                self._refuse_led(folder, package, followed)
            done.pop()
            todo.extend(reversed(re.split(r"[/\\]" if not self._plain else "/", link[1])))
        real = "/".join(done)
        if folder in self._links and real and real not in self._conda_folders and self._entries:
            owner, target = self._links[folder]
            raise Conflict(
                f"{_named(package)} needs the folder {folder}, which {_named(owner)} brings as a link to "
                f"{target[:200]}, where no folder is",
                advice="nothing was installed; these packages cannot be in one environment",
            )
        return real

    def _refuse_led(self, folder: str, package: LockedPackage, followed: list[str]) -> None:
        path = followed[-1]
        owner, target = self._links[path]
        through = "" if followed[0] == path else f", by way of {followed[0]}"
        if owner is package:
            raise IntegrityError(
                f"the link {path} (to {target[:200]}) of {_named(owner)} leads its own {folder} out of the "
                f"prefix{through}",
                advice=_ADVICE,
            )
        raise Conflict(
            f"the link {path} (to {target[:200]}) of {_named(owner)} would lead {folder} of "
            f"{_named(package)} out of the prefix{through}",
            advice="nothing was installed; do not trust the package that brings the link",
        )

    def _refuse_link_for(self, folder: str, package: LockedPackage) -> None:
        self._led(folder, package)
        owner, target = self._links[folder]
        raise Conflict(
            f"{_named(owner)} brings {folder} as a link (to {target[:200]}), {_named(package)} as a folder",
            advice="nothing was installed; these packages cannot be in one environment",
        )

    def _refuse_ours(self, folder: str, package: LockedPackage) -> None:
        # Whatever the platform: nobody needs a name that differs in case alone.
        if folder[:1] in "cC_" and folder.partition("/")[0].lower() in _OURS:
            raise _not_yours(folder.partition("/")[0], package)

    def _content(self, owner: LockedPackage, key: str) -> str:
        """Return the hash of what a conda package brings, empty for what has none."""
        if owner not in self._hashes:
            place = self._place_of(owner)
            self._hashes[owner] = {
                self._fold(place(each.path) if place is not None else each.path): each.sha256
                for each in self._entries[owner].paths
            }
        return self._hashes[owner].get(key, "")


def _environments_own(
    layout: PythonLayout | None, fold: Callable[[str], str], *, venv: bool
) -> frozenset[str]:
    """Return, folded, what uv writes into a virtual environment, or what would rule any other."""
    scripts = layout.scripts if layout is not None else "bin"
    endings = ("", ".bat", ".csh", ".fish", ".nu", ".ps1", ".xsh", "_this.py")
    names = ["pyvenv.cfg", *(f"{scripts}/activate{ending}" for ending in endings)]
    names += [f"{scripts}/deactivate.bat", f"{scripts}/pydoc.bat", *_LITTER, *_OURS]
    if venv and layout is not None:
        version = re.search(r"python(\d+\.\d+t?)", layout.site_packages)
        pythons = ["python", "python3", f"python{version[1]}" if version else "python.exe", "pythonw.exe"]
        names += [*(f"{scripts}/{name}" for name in pythons), "lib64"]
    return frozenset(map(fold, names))


def _named(package: LockedPackage) -> str:
    return f"the conda package {package.name}" if package.kind == "conda" else f"the wheel {package.file}"


def _not_yours(path: str, package: LockedPackage) -> Conflict:
    return Conflict(
        f"{_named(package)} brings {path}, which belongs to the environment itself", advice=_ADVICE
    )


def _both_bring(conda: LockedPackage, wheel: LockedPackage, path: str) -> Conflict:
    return Conflict(
        f"the conda package {conda.name} and the wheel {wheel.file} both bring {path}, "
        "with different content",
        advice="nothing was installed; ask for both from one side, as conda or as PyPI packages",
    )
