from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from conjoin.errors import NotFound
from conjoin.lock.model import Lock, LockedPackage
from conjoin.prefix.activation import environment_variables
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.verify import verify
from hydrating import lock_of, locked_wheel, output, tree
from worlds import make_wheel


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    version = platform.python_version()
    python = LockedPackage(
        kind="python",
        name="python",
        version=version,
        file=f"cpython-{version}",
        implementation="cpython",
        abi=f"cp{sys.version_info.major}{sys.version_info.minor}",
    )
    wheel = make_wheel(tmp_path, "plain", "1.0", entry_points={"plain-tool": "plain:main"})
    return lock_of([python, locked_wheel(wheel)])


def this_python(package: LockedPackage) -> Path | None:
    return Path(sys.executable) if package.version == platform.python_version() else None


def test_a_lock_that_names_an_interpreter_becomes_a_virtual_environment(lock: Lock, tmp_path: Path) -> None:
    prefix = hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env", find_python=this_python))
    assert output(prefix / "bin/python", "-c", "import sys; print(sys.prefix)") == str(prefix)
    assert output(prefix / "bin/plain-tool") == "plain 1.0"
    assert verify(prefix) == []
    assert environment_variables(prefix, {"PATH": "/bin"})["VIRTUAL_ENV"] == str(prefix)
    names = {path.name for path in prefix.iterdir()}
    assert names <= {"bin", "lib", "lib64", "include", "pyvenv.cfg", "conda-meta"}


def test_it_is_the_same_tree_from_another_home(
    lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tree(hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env", find_python=this_python)))
    (tmp_path / "env").rename(tmp_path / "aside")
    monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "store"))
    assert (
        tree(hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env", find_python=this_python))) == first
    )


@pytest.mark.parametrize("finder", [None, lambda package: None])
def test_a_host_without_that_interpreter_is_told_which(lock: Lock, tmp_path: Path, finder: object) -> None:
    with pytest.raises(NotFound, match=platform.python_version()) as caught:
        hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env", find_python=finder))  # type: ignore[arg-type]
    assert caught.value.exit_code == 6
    assert not (tmp_path / "env").exists()
