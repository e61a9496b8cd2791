"""What decorators ask for: one :class:`Ask` each, merged level by level into what a step asks for.

Decorators of one level add up, and must agree where only one value can be; the step's level overrides the
flow's, package by package; a flow's own decorators override those it inherits.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, NamedTuple

from metaflow_extensions.conjoin.errors import EnvironmentProblem

__all__ = [
    "NOTHING",
    "Ask",
    "conda_key",
    "is_direct",
    "is_location",
    "merged",
    "overridden",
    "pypi_key",
    "with_operator",
]

_DIRECT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\]\s*)?@")


class Ask(NamedTuple):
    """What a decorator, a level or a step asks for.

    :ivar conda: conda packages, name (as typed, perhaps ``channel::name``) to version as typed.
    :ivar pypi: PyPI packages, name (as typed, perhaps with extras) to version, URL or path as typed.
    :ivar channels: conda channels, in order; they go before the default ones.
    :ivar indexes: PyPI indexes, in order; they are asked before the default one.
    :ivar pip_options: options as pip has them, without dashes (``pre``, ``find-links=DIR``).
    :ivar system: virtual packages of the target, name to version.
    :ivar python: version of Python as typed, None for any.
    :ivar named: the environment to start from: alias, ``req_id:full_id``, or ``step:`` and a pathspec.
    :ivar fetch_at_exec: whether :attr:`named` is looked up when the task starts.
    :ivar disabled: whether the step has no environment; None where nothing is said.
    :ivar notes: what the user should know about how it was asked, a sentence each.
    """

    # Nobody changes these: an ask is a value.
    conda: dict[str, str] = {}  # noqa: RUF012
    pypi: dict[str, str] = {}  # noqa: RUF012
    channels: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    pip_options: tuple[str, ...] = ()
    system: dict[str, str] = {}  # noqa: RUF012
    python: str | None = None
    named: str | None = None
    fetch_at_exec: bool | None = None
    disabled: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def packages(self) -> bool:
        """Whether anything is asked for that has to be solved."""
        return any((self.conda, self.pypi, self.channels, self.indexes, self.pip_options, self.python))

    @property
    def anything(self) -> bool:
        """Whether an environment is asked for at all."""
        return self.packages or bool(self.system or self.named)


NOTHING = Ask()
"""What a flow without decorators asks for."""


def merged(asks: Iterable[Ask], where: str) -> Ask:
    """Return what decorators of one level ask for together.

    :param where: the level, for people, e.g. ``step train``.
    :raises EnvironmentProblem: where two of them contradict each other.
    """
    every = list(asks)
    return Ask(
        conda=_joined([ask.conda for ask in every], conda_key, where),
        pypi=_joined([ask.pypi for ask in every], pypi_key, where),
        channels=_in_order([ask.channels for ask in every]),
        indexes=_in_order([ask.indexes for ask in every]),
        pip_options=_in_order([ask.pip_options for ask in every]),
        system=_agreed_each([ask.system for ask in every], where),
        python=_agreed([ask.python for ask in every], "python", where),
        named=_agreed([ask.named for ask in every], "name or pathspec", where),
        fetch_at_exec=_agreed([ask.fetch_at_exec for ask in every], "fetch_at_exec", where),
        disabled=_agreed([ask.disabled for ask in every], "disabled", where),
        notes=_in_order([ask.notes for ask in every]),
    )


def overridden(outer: Ask, inner: Ask) -> Ask:
    """Return what ``inner`` (a step) asks for on top of ``outer`` (its flow).

    Packages are overridden one by one, single values where ``inner`` has one; channels and indexes of
    ``inner`` come first. An ``inner`` that asks for something is enabled unless it says otherwise; where it
    names an environment, that one decides on Python.
    """
    disabled = inner.disabled
    if disabled is None:
        disabled = False if inner.anything else outer.disabled
    return Ask(
        conda=_overlaid(outer.conda, inner.conda, conda_key),
        pypi=_overlaid(outer.pypi, inner.pypi, pypi_key),
        channels=_in_order([inner.channels, outer.channels]),
        indexes=_in_order([inner.indexes, outer.indexes]),
        pip_options=_in_order([outer.pip_options, inner.pip_options]),
        system={**outer.system, **inner.system},
        python=inner.python or (None if inner.named else outer.python),
        named=inner.named or outer.named,
        # An environment that the step names itself is looked up as the step says.
        fetch_at_exec=inner.fetch_at_exec
        if inner.named or inner.fetch_at_exec is not None
        else outer.fetch_at_exec,
        disabled=disabled,
        notes=_in_order([outer.notes, inner.notes]),
    )


def conda_key(name: str) -> str:
    """Return what makes two names of conda packages the same: the channel does not."""
    return name.rpartition("::")[2].strip().lower()


def pypi_key(name: str) -> str:
    """Return what makes two names of PyPI packages the same (PEP 503): extras and ``@ URL`` do not."""
    direct = _DIRECT.match(name)
    project = direct[1] if direct else name.partition("[")[0]
    return re.sub(r"[-_.]+", "-", project.strip().lower())


def is_direct(name: str) -> bool:
    """Tell whether a name of a PyPI package says where it is (PEP 508): ``name@https://...``."""
    return bool(_DIRECT.match(name))


def _joined(tables: list[dict[str, str]], key: Callable[[str], str], where: str) -> dict[str, str]:
    """Return every package once; versions asked for by several decorators must all hold."""
    names: dict[str, str] = {}
    versions: dict[str, list[str]] = {}
    for table in tables:
        for name, version in table.items():
            same = key(name)
            if names.setdefault(same, name) != name:
                raise EnvironmentProblem(
                    f"{where}: {names[same]} and {name} are the same package; write it once"
                )
            said = versions.setdefault(same, [])
            if version and version not in said:
                said.append(version)
    for same, said in versions.items():
        if len(said) > 1 and any(is_location(one) for one in said):
            raise EnvironmentProblem(
                "{}: {} is asked for as {}; choose one".format(where, names[same], " and as ".join(said))
            )
    return {
        name: ",".join(with_operator(one) for one in versions[same])
        if len(versions[same]) > 1
        else "".join(versions[same])
        for same, name in names.items()
    }


def with_operator(version: str) -> str:
    """Return a version as a specifier: one that is written alone means exactly that one."""
    return version if version[:1] in "<>=!~" else "==" + version


def is_location(version: str) -> bool:
    """Tell whether what stands for a version is a URL, a path or a reference to one."""
    text = version.lstrip("@ ")
    return "://" in text or text.startswith(("/", "./", "../", "~/", "file:"))


def _overlaid(outer: dict[str, str], inner: dict[str, str], key: Callable[[str], str]) -> dict[str, str]:
    replaced = {key(name) for name in inner}
    return {**{name: version for name, version in outer.items() if key(name) not in replaced}, **inner}


def _in_order(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for group in groups for one in group))


def _agreed_each(tables: list[dict[str, str]], where: str) -> dict[str, str]:
    names = _in_order([tuple(table) for table in tables])
    return {name: _agreed([table.get(name) for table in tables], name, where) for name in names}


def _agreed(values: Iterable[Any], what: str, where: str) -> Any:
    said = list(dict.fromkeys(value for value in values if value is not None))
    if len(said) > 1:
        values = " and ".join(map(str, said))
        raise EnvironmentProblem(f"{where}: decorators disagree on {what}: {values}; write it once")
    return said[0] if said else None
