"""Fixtures that all tests share: a home of their own, a forged channel, the network marker."""

from __future__ import annotations

import functools
import itertools
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import fuzzing  # noqa: F401 (how many examples hypothesis tries)
from cpu_times import CpuTimes
from loopback import LoopbackServer
from made_once import made_once
from worlds import forge_test_channel

_homes = itertools.count()

_HEAVIER = ("scale",)
"""Markers of what runs where it is asked for: more of what the other tests show with one or with few."""


@functools.cache
def _no_network() -> str | None:
    """Return why the public index cannot be used, or None; asked once per process."""
    import httpx
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    from conjoin.net.transport import tls_context

    page = f"{PYPI_SIMPLE_ENDPOINT.rstrip('/')}/pip/"
    try:
        # Trusting what the program trusts: the user's certificates may stand in pip's variables alone.
        answer = httpx.head(page, timeout=20, follow_redirects=True, verify=tls_context())
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return None if answer.status_code < 400 else f"it answered {answer.status_code}"


def pytest_configure(config: pytest.Config) -> None:
    """Be as most people's shells are, whoever started the tests, and whatever that hands on."""
    os.umask(0o022)
    # A shell without job control has its background jobs, and all that they start, ignore it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if file := os.environ.get("CPU_TIMES"):
        config.pluginmanager.register(CpuTimes(Path(file).absolute()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("network") and (reason := _no_network()):
        pytest.skip(f"the public package index cannot be reached ({reason})")


def pytest_report_header(config: pytest.Config) -> str | None:
    left_out = _left_out(config)
    return (
        f"left out: {', '.join(f'make {each}' for each in left_out)} (docs/testing.md)" if left_out else None
    )


def _left_out(config: pytest.Config) -> list[str]:
    """Return the markers whose tests nobody asked for, neither by ``-m`` nor by the name of a test."""
    if any("::" in each for each in config.args):
        return []
    return [each for each in _HEAVIER if not re.search(rf"\b{each}\b", config.option.markexpr)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = _left_out(config)
    heavier = [item for item in items if any(item.get_closest_marker(each) for each in left_out)]
    if heavier:
        config.hook.pytest_deselected(items=heavier)
        items[:] = [item for item in items if item not in set(heavier)]
    _sort(items)


def _sort(items: list[pytest.Item]) -> None:
    """Slow tests run after the fast ones: a broken build shows within seconds.

    With several workers (``--dist worksteal``), each begins with a stretch of the list, and one that has
    nothing left takes from the end of another's. What shares something dear stands together at the list's
    beginning (``first``), which is the first worker's.
    """
    several = "PYTEST_XDIST_WORKER" in os.environ

    def order(item: pytest.Item) -> int:
        if several and item.get_closest_marker("first"):
            return 0
        return 2 if item.get_closest_marker("slow") else 1

    items.sort(key=order)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every place that Conjoin writes to into a folder of this test.

    Counted here: pytest counts by listing all folders of the session, milliseconds for each of thousands.
    """
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_homes))
    home.mkdir(parents=True)
    for variable in [name for name in os.environ if name.startswith("CONJOIN_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("CONJOIN_STORE", str(home / "store"))
    monkeypatch.setenv("CONJOIN_ENVS", str(home / "envs"))
    monkeypatch.setenv("CONJOIN_STATE", str(home / "state"))
    monkeypatch.setenv("CONJOIN_CACHE", str(home / "cache"))
    monkeypatch.setenv("CONJOIN_CONFIG", str(home / "config.toml"))
    # No pyproject.toml above a test's folder is a test's own: those that are about projects say which counts.
    monkeypatch.setenv("CONJOIN_PROJECT", os.devnull)
    # A toolkit is made of the public index's wheels: those tests that make one say where theirs come from.
    monkeypatch.setenv("CONJOIN_PUSH_TOOLKIT", "false")
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(home / "rattler"))
    return home


@pytest.fixture(scope="session")
def installed_toolkit() -> Path:
    """The toolkit's wheels, as they are installed here; made once on this machine."""
    from containers import toolkit_wheels

    return made_once("installed-toolkit", toolkit_wheels)


@pytest.fixture(scope="session")
def forged_channel() -> Path:
    """A channel folder with the running Python, ``python_abi``, the C sample and tiny noarch packages.

    The noarch packages, of wheels: ``tinylib`` 1.0 and 2.0, and ``tinyapp`` 1.0, which needs ``tinylib <2``
    and has the console script ``tinyapp``. Made once on this machine; don't write into it: copy it, or
    forge another (which takes a second or two).
    """
    return made_once("forged-channel", forge_test_channel)


@pytest.fixture
def channel_server(forged_channel: Path) -> Iterator[LoopbackServer]:
    """Serve :func:`forged_channel` over loopback http."""
    with LoopbackServer(forged_channel) as server:
        yield server
