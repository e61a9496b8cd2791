"""Where things are on this machine (docs/store.md): as configured, else what the platform says."""

from __future__ import annotations

from pathlib import Path

from conjoin.config.load import load_settings
from conjoin.untrusted import path_of

__all__ = ["cache_dir", "envs_dir", "local_store_root", "state_dir", "store_root"]


def store_root() -> str:
    """Return where the default store is: a folder or URL, as configured, else in the user's data."""
    for said in load_settings().said("store"):
        text = str(said.value)
        if "://" in text or text.startswith("file:") or said.folder is None:
            return text
        return str(said.folder / path_of(text))
    return str(_data_dir() / "store")


def local_store_root() -> str:
    """Return where the local store is: :func:`store_root` if that is a folder, else in the user's data."""
    given = store_root()
    return given if "://" not in given or given.startswith("file:") else str(_data_dir() / "store")


def envs_dir() -> Path:
    """Return the folder of hydrated prefixes: as configured, else in the user's data."""
    return _given("envs") or _data_dir() / "envs"


def cache_dir() -> Path:
    """Return the folder of caches, all of which may be deleted: as configured, else the user's cache."""
    if given := _given("cache"):
        return given
    import platformdirs

    return platformdirs.user_cache_path("conjoin", appauthor=False)


def state_dir() -> Path:
    """Return the folder of what is known of this user's prefixes: as configured, else in the user's data."""
    return _given("state") or _data_dir() / "state"


def _data_dir() -> Path:
    import platformdirs

    return platformdirs.user_data_path("conjoin", appauthor=False)


def _given(name: str) -> Path | None:
    for said in load_settings().said(name):
        return ((said.folder or Path()) / path_of(str(said.value))).absolute()
    return None
