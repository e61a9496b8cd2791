"""From a decorator's attributes to what it asks for: every spelling that Metaflow and Netflix's flows use."""

from __future__ import annotations

from typing import Any, Mapping

from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask

__all__ = ["DEFAULTS", "ask_of_conda", "ask_of_named_env", "ask_of_pypi", "ask_of_sys_packages"]

_FROM_ELSEWHERE = {"name": None, "pathspec": None, "fetch_at_exec": None}

DEFAULTS: dict[str, dict[str, Any]] = {
    "conda": {
        "packages": {},
        "libraries": {},
        "channels": [],
        "python": None,
        "disabled": None,
        "pip_packages": {},
        "pip_sources": [],
        **_FROM_ELSEWHERE,
    },
    "pypi": {
        "packages": {},
        "conda_only": {},
        "extra_indices": [],
        "sources": [],
        "extras": [],
        "python": None,
        "disabled": None,
        **_FROM_ELSEWHERE,
    },
    "named_env": {"disabled": None, **_FROM_ELSEWHERE},
    "sys_packages": {"packages": {}, "disabled": None},
}
"""Attributes and defaults of each decorator; that of a flow is called ``<name>_base`` and has the same."""

SYSTEM_PACKAGES = ("__cuda", "__glibc")

# Deprecated attributes, and what to write instead.
_INSTEAD = {
    "pip_packages": "@pypi(packages=...)",
    "pip_sources": "@pypi(extra_indices=...)",
    "sources": "@pypi(extra_indices=...)",
    "name": "@named_env(name=...)",
    "pathspec": "@named_env(pathspec=...)",
    "fetch_at_exec": "@named_env(fetch_at_exec=...)",
}


def ask_of_conda(attributes: Mapping[str, Any], where: str) -> Ask:
    """Return what ``@conda`` asks for.

    :param where: the decorator, for people, e.g. ``@conda``.
    :raises EnvironmentProblem: where an attribute is not what it should be.
    """
    return Ask(
        # `libraries` is the older name; where both name a package, `packages` counts.
        conda={
            **_packages(attributes, "libraries", where),
            **_packages(attributes, "packages", where),
        },
        pypi=_packages(attributes, "pip_packages", where),
        channels=_texts(attributes, "channels", where),
        indexes=_texts(attributes, "pip_sources", where),
        python=_python(attributes, where),
        disabled=_flag(attributes, "disabled", where),
        notes=_deprecations(attributes, where, ("pip_packages", "pip_sources", *_FROM_ELSEWHERE)),
        **_from_elsewhere(attributes, where),
    )


def ask_of_pypi(attributes: Mapping[str, Any], where: str) -> Ask:
    """Return what ``@pypi`` (or its older name ``@pip``) asks for.

    :raises EnvironmentProblem: where an attribute is not what it should be.
    """
    renamed: tuple[str, ...] = ()
    if where.startswith("@pip"):
        renamed = ("{} is deprecated; write {}".format(where, where.replace("pip", "pypi", 1)),)
    return Ask(
        conda=_packages(attributes, "conda_only", where),
        pypi=_packages(attributes, "packages", where),
        indexes=(*_texts(attributes, "extra_indices", where), *_texts(attributes, "sources", where)),
        pip_options=_texts(attributes, "extras", where),
        python=_python(attributes, where),
        disabled=_flag(attributes, "disabled", where),
        notes=renamed + _deprecations(attributes, where, ("sources", *_FROM_ELSEWHERE)),
        **_from_elsewhere(attributes, where),
    )


def ask_of_named_env(attributes: Mapping[str, Any], where: str) -> Ask:
    """Return what ``@named_env`` asks for.

    :raises EnvironmentProblem: where an attribute is not what it should be.
    """
    return Ask(disabled=_flag(attributes, "disabled", where), **_from_elsewhere(attributes, where))


def ask_of_sys_packages(attributes: Mapping[str, Any], where: str) -> Ask:
    """Return what ``@sys_packages`` asks for.

    :raises EnvironmentProblem: where an attribute is not what it should be.
    """
    system = _packages(attributes, "packages", where)
    unknown = sorted(set(system) - set(SYSTEM_PACKAGES))
    if unknown:
        raise EnvironmentProblem(
            "{}: {} cannot be set; known are {}".format(where, ", ".join(unknown), ", ".join(SYSTEM_PACKAGES))
        )
    return Ask(
        system={name: version.lstrip("= ") for name, version in system.items()},
        disabled=_flag(attributes, "disabled", where),
    )


def _from_elsewhere(attributes: Mapping[str, Any], where: str) -> dict[str, Any]:
    name, pathspec = (_text(attributes, one, where) for one in ("name", "pathspec"))
    if name and pathspec:
        raise EnvironmentProblem(f"{where}: name and pathspec are given; choose one")
    if pathspec and not pathspec.startswith("step:"):
        pathspec = "step:" + pathspec
    return {"named": name or pathspec or None, "fetch_at_exec": _flag(attributes, "fetch_at_exec", where)}


def _packages(attributes: Mapping[str, Any], attribute: str, where: str) -> dict[str, str]:
    value = attributes.get(attribute)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise EnvironmentProblem(
            f'{where}: {attribute}={value!r} is no dictionary; write {{"name": "version"}}'
        )
    found = {}
    for name, version in value.items():
        if not isinstance(name, str) or not name.strip():
            raise EnvironmentProblem(f"{where}: {attribute}: {name!r} is no package's name")
        if isinstance(version, bool) or not isinstance(version, (str, int, float, type(None))):
            raise EnvironmentProblem(
                f"{where}: {attribute}: {version!r} is no version of {name}; "
                'write a text such as "1.2" or ">=1.2,<2"'
            )
        found[name.strip()] = "" if version is None else str(version).strip()
    return found


def _texts(attributes: Mapping[str, Any], attribute: str, where: str) -> tuple[str, ...]:
    value = attributes.get(attribute)
    if value is None:
        return ()
    values: list[Any] = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(one, str) for one in values):
        raise EnvironmentProblem(f"{where}: {attribute}={value!r} is no list of texts")
    return tuple(one.strip() for one in values if one.strip())


def _text(attributes: Mapping[str, Any], attribute: str, where: str) -> str | None:
    value = attributes.get(attribute)
    if value is not None and not isinstance(value, str):
        raise EnvironmentProblem(f"{where}: {attribute}={value!r} is no text")
    return value.strip() or None if value else None


def _python(attributes: Mapping[str, Any], where: str) -> str | None:
    value = attributes.get("python")
    if value is None or value == "":
        return None
    if value == 3.1:  # python=3.10 without quotes
        raise EnvironmentProblem(f'{where}: python={value} is a number; write python="3.10"')
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise EnvironmentProblem(f'{where}: python={value!r} is no version; write python="3.11"')
    return str(value).strip()


def _flag(attributes: Mapping[str, Any], attribute: str, where: str) -> bool | None:
    value = attributes.get(attribute)
    if value is None or isinstance(value, bool):
        return value
    # On the way through `--with`, True becomes a text.
    text = str(value).strip().lower()
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    if text in ("", "none"):
        return None
    raise EnvironmentProblem(f"{where}: {attribute}={value!r} is neither True nor False")


def _deprecations(attributes: Mapping[str, Any], where: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{where}: {name} is deprecated; write {_INSTEAD[name]}" for name in names if attributes.get(name)
    )
