"""Fixtures that all tests share: a home of their own, a forged channel, the network marker."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest


@functools.cache
def _no_network() -> str | None:
    """Return why the public index cannot be used, or None; asked once per process."""
    import httpx
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    try:
        answer = httpx.head(f"{PYPI_SIMPLE_ENDPOINT.rstrip('/')}/pip/", timeout=5, follow_redirects=True)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return None if answer.status_code < 400 else f"it answered {answer.status_code}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("network") and (reason := _no_network()):
        pytest.skip(f"the public package index cannot be reached ({reason})")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests run after the fast ones: a broken build shows within seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every place that Holdfast writes to into a folder of this test."""
    home = tmp_path_factory.mktemp("home")
    for variable in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOLDFAST_STORE", str(home / "store"))
    monkeypatch.setenv("HOLDFAST_ENVS", str(home / "envs"))
    monkeypatch.setenv("HOLDFAST_CACHE", str(home / "cache"))
    monkeypatch.setenv("HOLDFAST_CONFIG", str(home / "config.toml"))
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(home / "rattler"))
    return home
