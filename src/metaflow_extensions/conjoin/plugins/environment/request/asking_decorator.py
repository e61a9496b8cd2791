"""The ground of all decorators that ask for an environment, one class for each kind of them.

A kind (``conda``, ``pypi``, ``named_env``, ``sys_packages``) has the same attributes and means the same for a
step and for a flow: :mod:`.step_decorators` and :mod:`.flow_decorators` add the name, and the text that
Metaflow shows.
"""

from __future__ import annotations

import json
from typing import Any

from metaflow.decorators import Decorator

from metaflow_extensions.conjoin.metaflow_internals import user_defined_attributes
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask
from metaflow_extensions.conjoin.plugins.environment.request.attributes import (
    DEFAULTS,
    ask_of_conda,
    ask_of_named_env,
    ask_of_pypi,
    ask_of_sys_packages,
)

__all__ = ["AskingDecorator", "AsksForConda", "AsksForNamedEnv", "AsksForPypi", "AsksForSysPackages"]


class AskingDecorator(Decorator):
    """A decorator that asks for an environment; steps and flows may have several of a kind."""

    allow_multiple = True

    def __init_subclass__(cls, **named: Any) -> None:
        """Give every class an ``init`` of its own: Metaflow calls none that is inherited."""
        super().__init_subclass__(**named)
        if "init" not in vars(cls):
            cls.init = cls.init  # type: ignore[method-assign]

    def init(self) -> None:
        """Settle what has several spellings, once the attributes are evaluated; most kinds have one each."""

    def ask(self) -> Ask:
        """Return what it asks for; its attributes are evaluated first.

        :raises EnvironmentProblem: where an attribute is not what it should be.
        """
        self.external_init()
        return self.ask_of(self.attributes, "@" + self.name)

    @staticmethod
    def ask_of(attributes: dict[str, Any], where: str) -> Ask:
        """Return what such attributes ask for.

        :param where: the decorator, for people, e.g. ``@conda``.
        :raises EnvironmentProblem: where an attribute is not what it should be.
        """
        raise NotImplementedError

    def is_attribute_user_defined(self, name: str) -> bool:
        """Tell whether the user gave an attribute; Metaflow's own ``@conda`` has this too."""
        return name in user_defined_attributes(self)

    def make_decorator_spec(self) -> str:
        """Return it as ``--with`` takes it, so that every attribute comes back as it was."""
        self.external_init()
        given = {name: value for name, value in self.attributes.items() if value not in (None, {}, [])}
        if not given:
            return str(self.name)
        return "{}:{}".format(self.name, ",".join(f"{k}={_spelt(v)}" for k, v in given.items()))

    @classmethod
    def extract_args_kwargs_from_decorator_spec(cls, deco_spec: str) -> tuple[list[Any], dict[str, Any]]:
        """Return the attributes of ``--with name:python=3.10``: Metaflow would make a number of 3.10."""
        positional, attributes = super().extract_args_kwargs_from_decorator_spec(deco_spec)
        for part in deco_spec.split(","):
            name, _, value = part.partition("=")
            if name.strip() == "python" and isinstance(attributes.get("python"), (int, float)):
                attributes["python"] = value.strip()
        return positional, attributes


class AsksForConda(AskingDecorator):
    """``@conda`` and ``@conda_base``."""

    defaults = DEFAULTS["conda"]
    ask_of = staticmethod(ask_of_conda)

    def init(self) -> None:
        """Move ``libraries`` to ``packages``, as Metaflow's own ``@conda`` does: others may look there."""
        attributes = self.attributes
        libraries, packages = attributes["libraries"], attributes["packages"]
        if isinstance(libraries, dict) and isinstance(packages or {}, dict):
            attributes["packages"] = {**libraries, **(packages or {})}
            attributes["libraries"] = {}
        if attributes["packages"]:
            user_defined_attributes(self).add("packages")


class AsksForPypi(AskingDecorator):
    """``@pypi`` and ``@pypi_base``, and their older names ``@pip`` and ``@pip_base``."""

    defaults = DEFAULTS["pypi"]
    ask_of = staticmethod(ask_of_pypi)


class AsksForNamedEnv(AskingDecorator):
    """``@named_env`` and ``@named_env_base``."""

    defaults = DEFAULTS["named_env"]
    ask_of = staticmethod(ask_of_named_env)


class AsksForSysPackages(AskingDecorator):
    """``@sys_packages`` and ``@sys_packages_base``."""

    defaults = DEFAULTS["sys_packages"]
    ask_of = staticmethod(ask_of_sys_packages)


def _spelt(value: Any) -> str:
    # `--with` is split at commas before `name=`: no comma or equals sign may stand in a text.
    text = json.dumps(value, separators=(", ", ": "))
    return _escaped(text).replace('"', '\\"')


def _escaped(document: str) -> str:
    """Return a JSON document with the commas and equals signs inside its texts written as escapes."""
    out: list[str] = []
    inside = skip = False
    for character in document:
        if skip:
            skip = False
        elif character == "\\":
            skip = True
        elif character == '"':
            inside = not inside
        elif inside and character in ",=":
            out.append(f"\\u{ord(character):04x}")
            continue
        out.append(character)
    return "".join(out)
