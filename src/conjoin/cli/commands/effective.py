"""What counts, setting by setting, and who said so: defaults written out as far as they are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from conjoin.config.load import load_settings
from conjoin.config.settings import Settings
from conjoin.config.table import OTHER_VARIABLES, SETTINGS, Kind, Setting
from conjoin.config.values import Value, shown

__all__ = ["Effective", "effective", "unknown_variables"]


@dataclass(frozen=True)
class Effective:
    """A setting as it counts.

    :ivar layer: ``variables``, ``project``, ``user``, ``host`` for uv's and pip's configuration, ``default``;
        of a table, the strongest.
    :ivar where: variables, or files and lines; empty for a default.
    """

    setting: Setting
    value: Value
    layer: str = "default"
    where: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        """The value as people write it, a text for each entry."""
        return [text for text in shown(self.value) if text]


def effective(wanted: Sequence[Setting] = SETTINGS) -> list[Effective]:
    """Return what counts, for each setting.

    :raises UsageError: for a file or a variable that is not what it should be.
    """
    from conjoin.spec.configured.request import check_settings

    settings = load_settings()
    check_settings(settings)
    return [_effective(setting, settings) for setting in wanted]


def unknown_variables() -> list[str]:
    """Return a sentence about each variable that looks like ours and is none."""
    import difflib

    known = [*(one.variable for one in SETTINGS), *OTHER_VARIABLES]
    sentences = []
    for name in sorted(os.environ):
        if name.startswith("CONJOIN_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            sentences.append(
                f"the variable {name} means nothing" + (f"; did you mean {near[0]}?" if near else "")
            )
    return sentences


def _effective(setting: Setting, settings: Settings) -> Effective:
    said = settings.said(setting.name)
    if not said:
        return _default(setting, settings)
    value = settings.table(setting.name) if isinstance(said[0].value, dict) else said[0].value
    if setting.kind in (Kind.PLACE, Kind.FOLDER):
        value = _place(setting)
    return Effective(setting, value, said[0].layer, tuple(one.where for one in said))


def _default(setting: Setting, settings: Settings) -> Effective:
    if setting.kind in (Kind.PLACE, Kind.FOLDER):
        return Effective(setting, _place(setting))
    if setting.name in ("index-url", "extra-index-urls"):
        return _index(setting, settings)
    if setting.kind in (Kind.TABLE, Kind.TABLE_OF_LISTS):
        return Effective(setting, {})
    if setting.kind is Kind.FLAG:
        return Effective(setting, settings.flag(setting.name))
    if setting.name == "platforms":
        from conjoin.spec.platform import host_platform

        return Effective(setting, (host_platform(),))
    if setting.kind in (Kind.NAMES, Kind.URLS):
        return Effective(setting, (setting.default,) if setting.default else ())
    return Effective(setting, setting.default)


def _index(setting: Setting, settings: Settings) -> Effective:
    """Return what uv's and pip's configuration says: no extra indexes where ours names a default one."""
    from conjoin.spec.configured.index import configured_indexes

    host = configured_indexes()
    if setting.name == "index-url":
        where = (host.default_from,) if host.default_from else ()
        return Effective(setting, host.default, "host" if where else "default", where)
    if settings.said("index-url") or not host.extra:
        return Effective(setting, ())
    return Effective(setting, host.extra, "host", (host.extra_from,))


def _place(setting: Setting) -> str:
    from conjoin.config import places as paths

    find = {
        "store": paths.store_root,
        "envs": paths.envs_dir,
        "state": paths.state_dir,
        "cache": paths.cache_dir,
    }
    return str(find[setting.name]())
