"""What is configured, layer over layer: the strongest that says something counts, and is remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from conjoin.config.table import Setting, setting_named, unknown_key
from conjoin.config.values import Value, of_text, of_toml

__all__ = ["Layer", "Said", "Settings"]


class Layer(NamedTuple):
    """What one source (the variables, a file) says.

    :ivar name: ``variables``, ``project``, ``user``, or as who adds one calls it.
    :ivar values: by the setting's name.
    :ivar places: where each stands, for people: a variable's name, or file and line.
    :ivar folder: what relative paths start from, the current directory if None.
    """

    name: str
    values: Mapping[str, Value]
    places: Mapping[str, str] = MappingProxyType({})
    folder: Path | None = None


class Said(NamedTuple):
    """A setting's value and where it was said.

    :ivar where: a variable's name, or file and line.
    :ivar folder: what relative paths in it start from, the current directory if None.
    """

    value: Value
    layer: str
    where: str
    folder: Path | None = None


class Settings:
    """What is configured. Immutable.

    :param layers: strongest first.
    """

    def __init__(self, layers: Sequence[Layer] = ()) -> None:
        self.layers = tuple(layers)

    def said(self, name: str) -> list[Said]:
        """Return who decides on a setting, strongest first: one, or for a table whoever gives an entry.

        The entries of a table are settings of their own: each comes from the strongest layer that has it.

        :raises KeyError: where there is no such setting.
        """
        setting = _known(name)
        found: list[Said] = []
        taken: set[str] = set()
        for layer in self.layers:
            if setting.name not in layer.values:
                continue
            value = layer.values[setting.name]
            if isinstance(value, dict):
                value = {key: texts for key, texts in value.items() if key not in taken}
                taken.update(value)
                if not value and found:
                    continue
            found.append(Said(value, layer.name, layer.places.get(setting.name, layer.name), layer.folder))
            if not isinstance(value, dict):
                break
        return found

    def text(self, name: str) -> str:
        """Return a text's value, empty where nobody says anything."""
        return next((str(said.value) for said in self.said(name)), "")

    def flag(self, name: str) -> bool:
        """Return whether a flag is set; its default where nobody says anything."""
        default = _known(name).default == "true"
        return next((said.value is True for said in self.said(name)), default)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list's value, empty where nobody says anything."""
        return next((said.value for said in self.said(name) if isinstance(said.value, tuple)), ())

    def table(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return a table's value, of all layers together."""
        merged: dict[str, tuple[str, ...]] = {}
        for said in reversed(self.said(name)):
            if isinstance(said.value, dict):
                merged |= said.value
        return merged

    def only(self, *names: str) -> Settings:
        """Return these settings without all others."""
        kept = {_known(name).name for name in names}
        return Settings(
            [
                Layer(
                    one.name,
                    {name: value for name, value in one.values.items() if name in kept},
                    one.places,
                    one.folder,
                )
                for one in self.layers
            ]
        )

    def with_overrides(
        self,
        values: Mapping[str, object],
        origin: str,
        *,
        below: str | None = None,
        folder: Path | None = None,
    ) -> Settings:
        """Return these settings with a layer more, the strongest one.

        :param values: by the setting's name, in any of its spellings: as TOML would have them, or for
            anything but a text as a variable would spell them. None and empty texts say nothing.
        :param origin: what the layer is called; with a setting's name behind it, where it was said.
        :param below: the name of the layer that stays stronger (``variables``), None for none.
        :param folder: what relative paths start from.
        :raises UsageError: for a setting that is unknown or a value of another type.
        """
        read: dict[str, Value] = {}
        for key, value in values.items():
            setting = setting_named(key)
            if setting is None:
                error = unknown_key(key)
                error.add_place(origin)
                raise error
            if value is None or value == "":
                continue
            raw = list(value) if isinstance(value, tuple) else value
            read[setting.name] = (
                of_text(setting, raw) if isinstance(raw, str) else of_toml(setting, raw, setting.name)
            )
        layer = Layer(origin, read, {name: f"{origin} ({name})" for name in read}, folder)
        names = [one.name for one in self.layers]
        at = names.index(below) + 1 if below in names else 0
        return Settings([*self.layers[:at], layer, *self.layers[at:]])


def _known(name: str) -> Setting:
    setting = setting_named(name)
    if setting is None:
        raise KeyError(name)
    return setting
