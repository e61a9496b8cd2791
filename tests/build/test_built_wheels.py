"""The cache of built wheels: found by what they were asked for, and whole or not at all."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.version import Version

from conjoin.build.built_wheels import BuiltWheels, KeptWheel
from conjoin.build.sources.fetch import Source
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.spec.names import PypiName
from worlds import make_wheel

REQUEST, OTHER, KEY = ("a" * 64, "c" * 64, "b" * 64)
TOOLS = ("maker-1.0-py3-none-any.whl#sha256=" + "0" * 64,)
APP = PypiName("app")
SOURCE = Source(Path(), "f" * 64, "sha256:f")


def believed(_key: str, _wheel: KeptWheel) -> bool:
    return True


def folder_with_wheel(path: Path) -> Path:
    make_wheel(path, "app", "1.0")
    return path


def test_a_wheel_is_found_by_key_and_request_with_what_it_was_built_with(tmp_path: Path) -> None:
    wheels = BuiltWheels(tmp_path / "built")
    kept = wheels.add(REQUEST, KEY, TOOLS, folder_with_wheel(tmp_path / "new"))
    for key in (KEY, REQUEST):
        assert wheels.find([OTHER, key], believed) == (key, kept)
    found = wheels.read(kept, APP, Version("1.0"), SOURCE, REQUEST)
    assert (found.build_key, found.build_request, found.built_with) == (KEY, REQUEST, TOOLS)
    assert wheels.find([OTHER], believed) is None


def test_a_request_whose_wheel_is_gone_finds_nothing_and_is_made_anew(tmp_path: Path) -> None:
    wheels = BuiltWheels(tmp_path / "built")
    kept = wheels.add(REQUEST, KEY, TOOLS, folder_with_wheel(tmp_path / "new"))
    for damage in (
        lambda: shutil.rmtree(kept),
        lambda: next(kept.glob("*.whl")).unlink(),
        lambda: (wheels.place(REQUEST) / "built.json").write_text("not json"),
    ):
        damage()
        assert wheels.find([REQUEST], believed) is None
        assert wheels.add(REQUEST, KEY, TOOLS, folder_with_wheel(tmp_path / "again")) == kept
        assert wheels.find([REQUEST], believed) == (REQUEST, kept)


def test_who_is_slower_keeps_what_is_there(tmp_path: Path) -> None:
    wheels = BuiltWheels(tmp_path / "built")
    made = [folder_with_wheel(tmp_path / f"new{number}") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(lambda folder: wheels.add(REQUEST, KEY, TOOLS, folder), made))
    assert len(kept) == 1
    assert wheels.find([REQUEST], believed) == (REQUEST, kept.pop())
    assert not list((tmp_path / "built").rglob(".*"))


def test_what_a_store_has_is_copied_with_what_is_known_of_it(tmp_path: Path) -> None:
    path = make_wheel(tmp_path / "store", "app", "1.0")

    class Kept:
        def look_up(self, key: str) -> KeptWheel | None:
            return {REQUEST: KeptWheel(path, KEY, TOOLS), OTHER: KeptWheel(path)}.get(key)

    wheels = BuiltWheels(tmp_path / "built", Kept())
    request, folder = wheels.find([REQUEST], believed) or ("", Path())
    found = wheels.read(folder, APP, None, SOURCE, request)
    assert (found.build_key, found.build_request, found.built_with) == (KEY, REQUEST, TOOLS)
    # As noted by a version that did not know what wheels are built with.
    request, folder = wheels.find([OTHER], believed) or ("", Path())
    found = wheels.read(folder, APP, None, SOURCE, request)
    assert (found.build_key, found.build_request, found.built_with) == (OTHER, OTHER, ())


def test_another_wheel_than_was_to_be_built_is_refused(tmp_path: Path) -> None:
    wheels = BuiltWheels(tmp_path / "built")
    kept = wheels.add(REQUEST, KEY, (), folder_with_wheel(tmp_path / "new"))
    with pytest.raises(MetadataUnusable, match=r"gives version 1\.0 when it is built"):
        wheels.read(kept, APP, Version("2.0"), SOURCE, REQUEST)
    with pytest.raises(MetadataUnusable, match="not one wheel of other"):
        wheels.read(kept, PypiName("other"), None, SOURCE, REQUEST)
