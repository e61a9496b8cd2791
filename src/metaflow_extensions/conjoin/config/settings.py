"""The extension's settings (``config/mfextinit_conjoin.py``), in the form the rest works with."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from metaflow import metaflow_config
from metaflow_extensions.conjoin.errors import EnvironmentProblem

if TYPE_CHECKING:
    from conjoin.config.settings import Settings

__all__ = [
    "ENGINE_SETTINGS",
    "configured",
    "engine_settings",
    "override",
    "remote_commands",
    "system_packages",
]

ENGINE_SETTINGS = {
    "CONDA_CHANNELS": "channels",
    "CONDA_CHANNEL_PRIORITY": "channel-priority",
    "CONDA_DEFAULT_PYPI_SOURCE": "index-url",
    "CONDA_EXTRA_PYPI_SOURCES": "extra-index-urls",
    "CONDA_FIND_LINKS": "find-links",
    "CONDA_STRATEGY": "strategy",
    "CONDA_EXCLUDE_NEWER": "exclude-newer",
    "CONDA_PRERELEASES": "prereleases",
    "CONDA_ONLY_BINARY": "only-binary",
    "CONDA_NO_BINARY": "no-binary",
    "CONDA_MAPPING": "mapping",
    "CONDA_OFFLINE": "offline",
    "CONDA_USE_REMOTE_LATEST": "use-remote-latest",
}
"""Settings of Metaflow, and which of Conjoin's they are: in a flow, they are stronger than that."""

# How the Netflix extension says whose resolution serves.
_WHOSE = {":none:": "none", ":username:": "me", ":any:": "any"}


def configured(name: str) -> str:
    """Return a setting that is a text (``CONDA_S3ROOT``), empty where it is not set."""
    value = getattr(metaflow_config, name, None)
    return "" if value is None else str(value).strip()


def override(name: str, value: str) -> None:
    """Set a setting that is a text for the rest of this process, as a command line does."""
    setattr(metaflow_config, name, value)


def engine_settings() -> Settings:
    """Return Conjoin's settings, with those that Metaflow's configuration says on top.

    :raises EnvironmentProblem: where one is not what it should be.
    """
    from conjoin.config.load import load_settings
    from conjoin.config.settings import Layer, Settings
    from conjoin.config.table import setting_named
    from conjoin.config.values import of_text
    from conjoin.errors import ConjoinError

    values, places = {}, {}
    try:
        for name, of_engine in ENGINE_SETTINGS.items():
            text = configured(name)
            setting = setting_named(of_engine)
            if name == "CONDA_CHANNELS":
                # Metaflow's own @conda reads the plain variable.
                text = text or os.environ.get("CONDA_CHANNELS", "")
            if not text or setting is None:
                continue
            values[of_engine] = of_text(setting, _WHOSE.get(text, text))
            places[of_engine] = "METAFLOW_" + name
        return Settings([Layer("Metaflow", values, places), *load_settings().layers])
    except ConjoinError as error:
        raise EnvironmentProblem(str(error)) from None


def remote_commands() -> tuple[str, ...]:
    """Return the names of decorators that send a step elsewhere."""
    return tuple(getattr(metaflow_config, "CONDA_REMOTE_COMMANDS", ()))


def system_packages(platform: str, gpu: bool) -> dict[str, str]:
    """Return the virtual packages that are configured for a platform; those for a GPU if one is asked for.

    :raises EnvironmentProblem: where a setting is not what it should be.
    """
    found = dict(_table("CONDA_SYS_DEFAULT_PACKAGES").get(platform) or {})
    if gpu:
        found.update(_gpu(platform))
    return {name: str(version) for name, version in found.items()}


def _gpu(platform: str) -> dict[str, Any]:
    table = _table("CONDA_SYS_DEFAULT_GPU_PACKAGES")
    # Either for all platforms, {"__cuda": "12.4"}, or by platform as the other setting.
    mine = table.get(platform)
    if isinstance(mine, dict):
        return mine
    return {name: version for name, version in table.items() if not isinstance(version, dict)}


def _table(name: str) -> dict[str, Any]:
    value = getattr(metaflow_config, name, None) or {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise EnvironmentProblem(f'METAFLOW_{name} is no JSON object; write {{"name": "version"}}')
    return value
