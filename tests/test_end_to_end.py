"""From a request that mixes everything to a running environment: the whole path, over loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import conjoin
from conjoin.errors import NotFound
from conjoin.store.store import Store
from loopback import LoopbackServer
from sdists import make_building_sdist
from worlds import make_index, make_wheel

HERE = ".".join(map(str, sys.version_info[:2]))


def _run(prefix: Path, *command: str) -> str:
    done = subprocess.run(
        [str(prefix / "bin" / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def lock_and_prefix(channel_server: LoopbackServer, tmp_path: Path) -> tuple[conjoin.Lock, Path]:
    """A conda library that one side wants new and the other old, a wheel, and a source distribution."""
    wheels = [
        make_wheel(tmp_path / "wheels", "front", "1.0", ["tinylib<2", "madehere", "extra-lib>=1"]),
        make_wheel(
            tmp_path / "wheels",
            "extra-lib",
            "1.5",
            entry_points={"extra": "extra_lib:main"},
            files={"extra_lib.py": "def main():\n    print('extra 1.5')\n"},
        ),
    ]
    sdist = make_building_sdist(tmp_path / "sdists", "madehere", "0.3", ["extra-lib"])
    index = make_index(tmp_path / "index", [*wheels, sdist], "html", False)
    with LoopbackServer(index) as pypi:
        asked = conjoin.Requirements.build(
            conda=["tinylib", "tinyapp"],
            pypi=["front"],
            python=HERE,
            channels=[channel_server.url],
            index_url=pypi.url,
        )
        lock = conjoin.resolve(asked)
        prefix = conjoin.hydrate(lock)
    return lock, prefix


def test_conda_wheels_and_sources_run_together(lock_and_prefix: tuple[conjoin.Lock, Path]) -> None:
    lock, prefix = lock_and_prefix
    (locked,) = lock.platforms.values()
    kinds = {package.name: (package.kind, package.version) for package in locked.packages}
    assert kinds["tinylib"] == ("conda", "1.0")
    assert kinds["front"] == ("pypi", "1.0")
    assert kinds["madehere"] == ("pypi", "0.3")
    code = (
        "import front, madehere, tinylib, importlib.metadata as m, json;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    installed = json.loads(_run(prefix, "python", "-c", code))
    assert installed == {
        "tinylib": "1.0",
        "tinyapp": "1.0",
        "front": "1.0",
        "extra-lib": "1.5",
        "madehere": "0.3",
    }
    assert _run(prefix, "tinyapp") == "tinyapp 1.0 with tinylib 1.0\n"
    assert _run(prefix, "extra") == "extra 1.5\n"


def test_pip_check_agrees(lock_and_prefix: tuple[conjoin.Lock, Path]) -> None:
    from uv import find_uv_bin

    _, prefix = lock_and_prefix
    python = str(prefix / "bin" / "python")
    done = subprocess.run(
        [find_uv_bin(), "pip", "check", "--python", python], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "All installed packages are compatible" in done.stderr


def test_a_store_without_the_built_wheel_says_so(
    lock_and_prefix: tuple[conjoin.Lock, Path], tmp_path: Path, channel_server: LoopbackServer
) -> None:
    lock, _ = lock_and_prefix
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(NotFound, match="was built where it was resolved, and is not in this store"):
        conjoin.hydrate(lock, store=Store(elsewhere), prefix=tmp_path / "prefix")
    assert not (tmp_path / "prefix").exists()
