from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import NotFound
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.verify import Finding, verify
from hydrating import BASE, conda_packages, lock_of, locked_wheel
from worlds import make_wheel


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def replaced(path: Path, content: bytes) -> None:
    path.unlink()  # not in place: the file is shared with the cache
    path.write_bytes(content)


def test_what_changed_or_is_missing_is_found_and_nothing_else(forged_channel: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "plain", "1.0", scripts={"script": "#!python\n"})
    lock = lock_of([*conda_packages(forged_channel, names=BASE), locked_wheel(wheel)])
    prefix = hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env"))
    assert verify(prefix) == []
    (site,) = prefix.glob("lib/python*/site-packages")
    relative = site.relative_to(prefix).as_posix()
    replaced(site / "plain/__init__.py", b"changed")
    replaced(prefix / "bin/script", b"changed")
    (site / "tinylib/__init__.py").unlink()
    (site / "mine.py").write_text("not of any package")
    assert verify(prefix) == [
        Finding("bin/script", "plain", "changed"),
        Finding(f"{relative}/plain/__init__.py", "plain", "changed"),
        Finding(f"{relative}/tinylib/__init__.py", "tinylib", "missing"),
    ]


def test_what_is_no_complete_environment_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path)
