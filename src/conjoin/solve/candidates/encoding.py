"""PyPI projects in the conda solver's shape: names, records, and what each record stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from conjoin.index.pypi.dependency import Condition
from conjoin.solve.candidates.metadata import Dependency, Known
from conjoin.solve.candidates.project_candidates import Bridge, Candidate
from conjoin.solve.candidates.pythons import Mask, PythonPool
from conjoin.spec.names import CondaName, ExtraName, PypiName
from conjoin.spec.requirements import PypiRequirement

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = [
    "CONDITIONAL_ROOT",
    "NO_SUCH_SUBDIR",
    "Answer",
    "Meaning",
    "Variant",
    "applies",
    "as_dependency",
    "evicting",
    "is_evicting",
    "is_solver_name",
    "make_record",
    "read_name",
    "solver_name",
    "token_project",
    "variants",
    "wheel_token",
]

_PREFIX = "pypi--"
_EXTRA = "--x--"
_WHEEL_SUFFIX = "--w--wheel"  # not an extra: those follow `--x--`
_CHANNEL = "https://pypi.invalid/conjoin"
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
NO_SUCH_SUBDIR = "==0 no_such_subdir"
"""What no record of a package meets that is asked of a subdir which does not have it."""
_EVICTED = "==0 replaced_by_wheel"
CONDITIONAL_ROOT = f"{_PREFIX}request--conditional"
"""The package that requirements with markers hang on; no project's name has two dashes in a row."""


def solver_name(project: PypiName, extra: str = "") -> str:
    """Return the name a project, or one extra of it, goes by in the solver.

    Normalised names never hold two dashes in a row, so this cannot collide.
    """
    return f"{_PREFIX}{project}{_EXTRA}{extra}" if extra else f"{_PREFIX}{project}"


def is_solver_name(name: str) -> bool:
    """Tell whether a record's name stands for a PyPI project."""
    return name.startswith(_PREFIX)


def read_name(name: str) -> tuple[PypiName, ExtraName | None]:
    """Return the project and the extra a solver name stands for."""
    project, _, extra = name.removeprefix(_PREFIX).partition(_EXTRA)
    return PypiName(project), ExtraName(extra) if extra else None


def wheel_token(project: PypiName) -> str:
    """Return the name of the package that every wheel of a project depends on.

    It alone excludes the project's conda owners: one record that meets a hundred others, in place of
    thousands of wheels that each do.
    """
    return f"{_PREFIX}{project}{_WHEEL_SUFFIX}"


def token_project(name: str) -> PypiName | None:
    """Return the project whose token a name is, None where it is no token."""
    if not name.endswith(_WHEEL_SUFFIX) or _EXTRA in name:
        return None
    return PypiName(name.removeprefix(_PREFIX).removesuffix(_WHEEL_SUFFIX))


def evicting(owner: CondaName) -> str:
    """Return a ``constrains`` entry that no record of ``owner`` meets, whatever its version."""
    return f"{owner} {_EVICTED}"


def is_evicting(spec: str) -> bool:
    """Tell whether a ``constrains`` entry is one of :func:`evicting`."""
    return spec.endswith(_EVICTED)


class Meaning(msgspec.Struct, frozen=True):
    """What a record of ours stands for.

    :ivar chosen: the wheel or the bridge.
    :ivar extra: the extra the record is for, empty for the project itself.
    :ivar dependencies: what applies for the Pythons the record is for; empty while unknown.
    """

    chosen: Candidate | Bridge
    extra: str
    dependencies: tuple[Dependency, ...]


class Answer(msgspec.Struct, frozen=True):
    """The records of a solution: conda's own, and what ours stand for.

    :ivar rounds: how often the solver was asked.
    """

    conda: tuple[RepoDataRecord, ...]
    pypi: tuple[Meaning, ...]
    rounds: int


class Variant(msgspec.Struct, frozen=True):
    """A part of a candidate's Pythons for which the same dependencies apply.

    :ivar python_specs: a MatchSpec on Python, or none where any Python will do.
    """

    mask: Mask
    python_specs: tuple[str, ...]
    dependencies: tuple[Dependency, ...]


def variants(mask: Mask, known: Known | None, extra: str, pythons: PythonPool) -> list[Variant]:
    """Split a set of Pythons by what depends on them.

    With ``extra``, the dependencies are those that the extra adds.
    """
    if known is None:
        return [Variant(part, spec, ()) for part, spec in _split(mask, pythons)]
    groups: dict[Mask, list[Dependency]] = {mask: []} if mask else {}
    for dependency in known.dependencies:
        where = applies(dependency, extra, pythons)
        if where & mask == 0:
            continue
        split: dict[Mask, list[Dependency]] = {}
        for part, found in groups.items():
            inside, outside = part & where, part & ~where
            if inside:
                split[inside] = [*found, dependency]
            if outside:
                split[outside] = found
        groups = split
    return [
        Variant(piece, spec, tuple(found))
        for part, found in sorted(groups.items(), key=lambda item: -item[0])
        for piece, spec in _split(part, pythons)
    ]


def _split(mask: Mask, pythons: PythonPool) -> list[tuple[Mask, tuple[str, ...]]]:
    if mask == pythons.all:
        return [(mask, ())]  # the request itself asks for Python
    return [(part, (spec,)) for part, spec in pythons.split(mask)]


def applies(dependency: Dependency, extra: str, pythons: PythonPool) -> Mask:
    """Return the Pythons that a dependency applies for; with an extra, those where the extra adds it."""
    if dependency.marker is None:
        return 0 if extra else pythons.all
    always = pythons.marker(dependency.marker, "")
    if not extra:
        return always
    return pythons.marker(dependency.marker, extra) & ~always


def as_dependency(requirement: PypiRequirement) -> Dependency:
    """Return what the user asks for in the shape of what wheels ask for."""
    return Dependency(
        requirement.name,
        requirement.extras,
        requirement.specifier,
        Condition(requirement.marker) if requirement.marker else None,
        requirement.url,
        str(requirement),
    )


def make_record(
    name: str,
    ordinal: int,
    build: str,
    build_number: int = 0,
    *,
    depends: Sequence[str] = (),
    constrains: Iterable[str] = (),
    last_resort: bool = False,
) -> RepoDataRecord:
    """Return a record for py-rattler's solver.

    :param last_resort: whether every other record of that name is preferred to it, whatever the version.

    It carries a time stamp, since a cut-off date makes the solver drop records without one.
    """
    from rattler import PackageRecord, RepoDataRecord
    from rattler.package import BuildString

    file_name = f"{name}-{ordinal}-{build}.conda"
    record = PackageRecord(
        name=name,
        version=str(ordinal),
        build=BuildString(build),
        build_number=build_number,
        subdir="noarch",
        depends=list(depends),
        constrains=list(constrains),
    )
    record.timestamp = _EPOCH
    if last_resort:
        record.track_features = ["built"]  # conda's way to say so; the solver looks at it before versions
    return RepoDataRecord(record, file_name=file_name, url=f"{_CHANNEL}/noarch/{file_name}", channel=_CHANNEL)
