"""Who provides what: which PyPI distributions a conda package carries (docs/solving.md).

Asked in this order: the user's file; the purls in the channel's records; the mapping shipped here; last the
same normalised name, only where the package's records depend on Python. conda's ``graphviz``, ``zstd`` and
``xxhash`` are C packages, not the PyPI projects of that name.

Many purls are guesses from the package's name (conda-forge's ``openssl``, ``mkl`` and the metapackage
``dask`` carry purls of those names). So two kinds are told apart: *evidence*, found by looking into the
package or with a version; and mere *names*, asked after the shipped mapping.

``mapping.json`` holds what the same-name rule would get wrong on conda-forge and defaults: facts gathered
from the purls of conda-forge's records, from the MIT-licensed mapping of conda-pypi, and by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as AbstractMapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import msgspec

from conjoin.errors import ConjoinError, UsageError
from conjoin.spec.names import CondaName, PypiName, conda_name, pypi_name
from conjoin.untrusted import decode_json

__all__ = ["Mapping", "Provides", "parse_purl"]

_Names: TypeAlias = dict[CondaName, tuple[PypiName, ...]]

# Packages that are Python itself: whatever their purls say, no PyPI project is provided.
_INTERPRETERS = frozenset({"python", "pypy", "pypy3", "cpython", "python_abi", "python-freethreading"})
# Sources of purls that looked into the package, or were told by its maker (the qualifier pixi writes).
_LOOKED_INSIDE = ("hash-mapping", "project-defined-mapping")
# What conda-forge puts around a PyPI name to make a package of it.
_AFFIXES = re.compile(r"^(?:python|py)-?|-?(?:python|py|base|core|minimal|default)$")


class Provides(msgspec.Struct, frozen=True):
    """What one conda package provides on the PyPI side.

    :ivar main: the distribution the package is made of: bridged, and evicted by its wheel. None for none.
    :ivar secondary: further ones it carries (vendored, or split off): neither bridged nor evicted.
    :ivar versions: ``(name, version)`` pairs that purls carry.
    """

    main: PypiName | None = None
    secondary: frozenset[PypiName] = frozenset()
    versions: frozenset[tuple[PypiName, str]] = frozenset()


class Mapping(msgspec.Struct, frozen=True, dict=True):
    """Names of conda packages to names of PyPI projects, and back.

    :ivar user: what the user's file says; asked before everything.
    :ivar shipped: what is known of the usual channels; asked after purls.
    """

    user: _Names = msgspec.field(default_factory=dict)
    shipped: _Names = msgspec.field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Mapping:
        """Return the shipped mapping, with the user's file before it.

        :param path: JSON or TOML: ``{"conda-name": "pypi-name" | ["main", "secondary", ...] | null}``;
            in TOML, which has no null, ``[]`` or ``false``.
        :raises UsageError: where the file cannot be read or says something else.
        """
        return cls(_read_user(Path(path)) if path else {}, _shipped())

    def pypi_names(self, name: CondaName) -> tuple[PypiName, ...] | None:
        """Return what a conda package provides, the main one first; ``()`` for nothing, None if unknown."""
        found = self.user.get(name)
        return found if found is not None else self.shipped.get(name)

    def conda_names(self, name: PypiName) -> tuple[CondaName, ...]:
        """Return the conda packages of which a PyPI project is the main distribution, sorted."""
        return self._owners.get(name, ())

    def provides(self, name: CondaName, purls: Iterable[str], depends_on_python: bool) -> Provides:
        """Return what a conda package provides.

        :param purls: the union over all records of that name.
        :param depends_on_python: whether its records depend on ``python`` or ``python_abi``, or are
            ``noarch: python``.
        """
        if name in self.user:
            return _listed(self.user[name])
        if name in _INTERPRETERS:
            return Provides()
        evidence, named = _weighed(purls)
        if evidence:
            return self._from_purls(name, evidence)
        if name in self.shipped:
            return _listed(self.shipped[name])
        same = _same_name(name)
        if not depends_on_python:
            named = [found for found in named if found[0] != same]
        if named:
            return self._from_purls(name, named)
        return Provides(same if depends_on_python else None)

    def _from_purls(self, name: CondaName, purls: list[tuple[PypiName, str | None]]) -> Provides:
        carried = {found for found, _ in purls}
        main = self._main(name, carried)
        return Provides(
            main,
            frozenset(carried - {main}),
            frozenset((found, version) for found, version in purls if version is not None),
        )

    def _main(self, name: CondaName, carried: set[PypiName]) -> PypiName | None:
        """Choose the main distribution among those that purls name.

        A single purl need not be it: conda's ``qgis`` carries ``future``, and is not future 3.44.
        """
        for known in self.shipped.get(name, ())[:1]:
            if known in carried:
                return known
        same = _same_name(name)
        if same in carried:
            return same
        bare = _bare(name)
        stripped = sorted(found for found in carried if _bare(found) == bare)
        if len(stripped) == 1:
            return stripped[0]
        if len(carried) == 1:
            (only,) = carried
            short, long = sorted((_letters(name), _letters(only)), key=len)
            return only if short in long else None
        return None

    @property
    def _owners(self) -> AbstractMapping[PypiName, tuple[CondaName, ...]]:
        try:
            return self.__dict__["_owners_found"]  # type: ignore[no-any-return]
        except KeyError:
            pass
        owners: dict[PypiName, set[CondaName]] = {}
        for name, names in {**self.shipped, **self.user}.items():
            if names:
                owners.setdefault(names[0], set()).add(name)
        found = {name: tuple(sorted(names)) for name, names in owners.items()}
        self.__dict__["_owners_found"] = found
        return found


def parse_purl(text: str) -> tuple[PypiName, str | None] | None:
    """Return name and version of a package URL of type ``pypi``; None for any other.

    >>> parse_purl("pkg:pypi/ruamel.yaml@0.18?source=hash-mapping")
    ('ruamel-yaml', '0.18')
    """
    scheme, _, rest = text.partition(":")
    if scheme.lower() != "pkg":
        return None
    kind, _, path = rest.lstrip("/").partition("/")
    if kind.lower() != "pypi":
        return None
    name, _, version = path.partition("#")[0].partition("?")[0].partition("@")
    try:
        return pypi_name(unquote(name)), unquote(version) or None
    except UsageError:
        return None


def _weighed(
    purls: Iterable[str],
) -> tuple[list[tuple[PypiName, str | None]], list[tuple[PypiName, str | None]]]:
    """Split purls into evidence and mere names."""
    evidence: list[tuple[PypiName, str | None]] = []
    named: list[tuple[PypiName, str | None]] = []
    for text in purls:
        found = parse_purl(text)
        if found is not None:
            looked = any(f"source={source}" in text for source in _LOOKED_INSIDE)
            (evidence if looked or found[1] is not None else named).append(found)
    return evidence, named


def _listed(names: tuple[PypiName, ...]) -> Provides:
    return Provides(names[0] if names else None, frozenset(names[1:]))


def _same_name(name: CondaName) -> PypiName | None:
    try:
        return pypi_name(name)
    except UsageError:  # `_libgcc_mutex`
        return None


def _bare(name: str) -> str:
    normalised = re.sub(r"[-_.]+", "-", name)
    return _AFFIXES.sub("", normalised) or normalised


def _letters(name: str) -> str:
    return re.sub(r"[-_.]", "", name)


@lru_cache(maxsize=1)
def _shipped() -> _Names:
    content = Path(__file__).with_name("mapping.json").read_bytes()
    return _checked(msgspec.json.decode(content), "mapping.json")


def _read_user(path: Path) -> _Names:
    where = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"the mapping cannot be read ({error})", where=where) from None
    if path.suffix == ".toml":
        from conjoin.config.toml import loads

        return _checked(loads(text, where=where), where)
    try:
        return _checked(decode_json(text), where)
    except msgspec.DecodeError as error:
        raise UsageError(f"the mapping is not JSON ({error})", where=where) from None


def _checked(document: object, where: str) -> _Names:
    expected = 'expected {"conda-name": "pypi-name", a list of such names, or null}'
    if not isinstance(document, dict):
        raise UsageError("the mapping is no table", where=where, advice=expected)
    names: _Names = {}
    for key, value in document.items():
        listed = [] if value is None or value is False else [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise UsageError(
                f"the mapping of {key!r} is neither a name nor names", where=where, advice=expected
            )
        try:
            names[conda_name(str(key))] = tuple(pypi_name(item) for item in listed)
        except ConjoinError as error:
            raise UsageError(f"the mapping of {key!r}: {error.what}", where=where, advice=expected) from None
    return names
