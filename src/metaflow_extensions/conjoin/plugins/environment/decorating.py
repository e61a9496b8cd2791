"""What all decorators that ask for something have in common."""

from __future__ import annotations

import json
from typing import Any

from metaflow.decorators import Decorator

from metaflow_extensions.conjoin.plugins.environment.asking import Ask

__all__ = ["AskingDecorator", "settle_libraries"]


class AskingDecorator(Decorator):
    """A decorator that asks for an environment; steps and flows may have several of a kind."""

    allow_multiple = True

    def ask(self) -> Ask:
        """Return what it asks for; its attributes are evaluated (``external_init``) first.

        :raises EnvironmentProblem: where an attribute is not what it should be.
        """
        raise NotImplementedError

    def is_attribute_user_defined(self, name: str) -> bool:
        """Tell whether the user gave an attribute; Metaflow's own ``@conda`` has this too."""
        return name in self._user_defined_attributes

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


def settle_libraries(decorator: Decorator) -> None:
    """Move ``libraries`` to ``packages``, as Metaflow's own ``@conda`` does: others may look there."""
    attributes = decorator.attributes
    libraries, packages = attributes["libraries"], attributes["packages"]
    if isinstance(libraries, dict) and isinstance(packages or {}, dict):
        attributes["packages"] = {**libraries, **(packages or {})}
        attributes["libraries"] = {}
    user_defined: set[str] = decorator._user_defined_attributes
    if attributes["packages"]:
        user_defined.add("packages")


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
