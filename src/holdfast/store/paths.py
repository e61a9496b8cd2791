"""Where things are on this machine (design, section 7): a variable each, else what the platform says."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_dir", "config_file", "envs_dir", "local_store_root", "store_root"]


def store_root() -> str:
    """Return where the default store is: ``HOLDFAST_STORE`` (a folder or URL), else in the user's data."""
    return os.environ.get("HOLDFAST_STORE") or str(_data_dir() / "store")


def local_store_root() -> str:
    """Return where the local store is: :func:`store_root` if that is a folder, else in the user's data."""
    given = store_root()
    return given if "://" not in given or given.startswith("file:") else str(_data_dir() / "store")


def envs_dir() -> Path:
    """Return the folder of hydrated prefixes: ``HOLDFAST_ENVS``, else in the user's data."""
    return _given("HOLDFAST_ENVS") or _data_dir() / "envs"


def cache_dir() -> Path:
    """Return the folder of caches, all of which may be deleted: ``HOLDFAST_CACHE``, else the user's cache."""
    if given := _given("HOLDFAST_CACHE"):
        return given
    import platformdirs

    return platformdirs.user_cache_path("holdfast", appauthor=False)


def config_file() -> Path:
    """Return the path of the configuration file: ``HOLDFAST_CONFIG``, else in the user's configuration."""
    if given := _given("HOLDFAST_CONFIG"):
        return given
    import platformdirs

    return platformdirs.user_config_path("holdfast", appauthor=False) / "config.toml"


def _data_dir() -> Path:
    import platformdirs

    return platformdirs.user_data_path("holdfast", appauthor=False)


def _given(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None
