from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import IntegrityError
from conjoin.prefix.link.wheel_listing import WheelListings
from hydrating import locked_wheel
from worlds import make_wheel, rewrite_zip


def test_every_file_of_a_wheel_is_placed(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "x",
        "1",
        files={"x/__init__.py": "", "x.data/not-data.txt": ""},
        scripts={"tool": "#!python\n"},
        data={"share/x.txt": "x"},
        entry_points={"entry": "x:main"},
    )
    entry = WheelListings(tmp_path / "cache").add(locked_wheel(wheel), wheel, verified=False)
    assert entry.dist_info == "x-1.dist-info"
    assert {each.path: bool(each.sha256) for each in entry.paths} == {
        "site-packages/x/__init__.py": True,
        "site-packages/x.data/not-data.txt": True,
        "python-scripts/tool": False,
        "python-scripts/entry": False,
        "share/x.txt": True,
        "site-packages/x-1.dist-info/METADATA": True,
        "site-packages/x-1.dist-info/WHEEL": True,
        "site-packages/x-1.dist-info/entry_points.txt": True,
    }


def test_a_verified_wheel_is_remembered_until_it_changes(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "x", "1")
    package, listings = locked_wheel(wheel), WheelListings(tmp_path / "cache")
    assert listings.find(package, wheel) is None
    entry = listings.add(package, wheel, verified=False)
    assert listings.find(package, wheel) == entry
    content = wheel.read_bytes()
    wheel.write_bytes(content[:-1] + b"?")
    assert listings.find(package, wheel) is None
    with pytest.raises(IntegrityError, match="damaged"):
        listings.add(package, wheel, verified=False)
    wheel.unlink()
    assert listings.find(package, wheel) is None


@pytest.mark.parametrize("member", ["../evil.py", "/evil.py", "x/../../evil.py", "C:/evil.py", "..\\evil.py"])
def test_a_wheel_that_leaves_the_prefix_is_refused(tmp_path: Path, member: str) -> None:
    wheel = rewrite_zip(make_wheel(tmp_path, "x", "1"), {member: b"evil"})
    with pytest.raises(IntegrityError, match="outside of the prefix"):
        WheelListings(tmp_path / "cache").add(locked_wheel(wheel), wheel, verified=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"x-1.dist-info/RECORD": None},
        {"x-1.dist-info/METADATA": None},
        {"y-1.dist-info/METADATA": b"Name: y\n"},
        {"x-1.data/unknown/file": b""},
        {"x-1.dist-info/entry_points.txt": b"no section"},
        {"x-1.dist-info/RECORD": b"\xff\xfe"},
    ],
)
def test_what_is_no_wheel_is_refused_by_name(tmp_path: Path, changes: dict[str, bytes | None]) -> None:
    wheel = rewrite_zip(make_wheel(tmp_path, "x", "1"), changes)
    with pytest.raises(IntegrityError, match=r"x-1-py3-none-any\.whl is no valid wheel"):
        WheelListings(tmp_path / "cache").add(locked_wheel(wheel), wheel, verified=False)
