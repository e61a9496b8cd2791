from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import Conflict
from conjoin.lock.model import LockedPackage
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.link.conda import CondaEntry
from conjoin.prefix.link.linking_plan import linking_plan
from conjoin.prefix.link.packaged_index import PackagedIndex
from conjoin.prefix.link.packaged_path import PackagedPath, PythonLayout, folders_of
from conjoin.prefix.link.wheel_listing import WheelEntry, _Stamp
from conjoin.prefix.verify import verify
from hydrating import BASE, conda_packages, lock_of, locked_wheel, output
from worlds import make_wheel

LAYOUT = PythonLayout("lib/python3.11/site-packages", "bin", "include/python3.11")


def conda(name: str, *paths: tuple[str, str], noarch: str = "") -> tuple[LockedPackage, CondaEntry]:
    package = LockedPackage(kind="conda", name=name, version="1", file=f"{name}.conda", noarch=noarch)
    folders = tuple(folders_of(path for path, _ in paths))
    about = PackagedIndex(name=name, version="1", build="", md5="")
    return package, CondaEntry((), tuple(PackagedPath(*path) for path in paths), about, 0, folders)


def wheel(name: str, *paths: tuple[str, str]) -> tuple[LockedPackage, WheelEntry]:
    package = LockedPackage(kind="pypi", name=name, version="1", file=f"{name}-1-py3-none-any.whl")
    stamp = _Stamp("", 0, 0, 0)
    folders = tuple(folders_of(path for path, _ in paths))
    return package, WheelEntry(
        stamp, f"{name}-1.dist-info", tuple(PackagedPath(*path) for path in paths), folders
    )


def order(
    condas: list[tuple[LockedPackage, CondaEntry]], wheels: list[tuple[LockedPackage, WheelEntry]]
) -> tuple[list[list[str]], list[str]]:
    plan = linking_plan(dict(condas), dict(wheels), LAYOUT)
    return [[package.name for package in group] for group in plan.groups], plan.warnings


def test_packages_that_share_nothing_are_linked_together() -> None:
    groups, warnings = order(
        [conda("c", ("bin/c", "1"))],
        [wheel("a", ("site-packages/a.py", "2")), wheel("b", ("site-packages/b.py", "3"))],
    )
    assert groups == [["a", "b"]]
    assert warnings == []


def test_equal_bytes_are_no_overlap() -> None:
    same = ("site-packages/tests/__init__.py", "1")
    groups, warnings = order([conda("c", same, noarch="python")], [wheel("a", same), wheel("b", same)])
    assert groups == [["a", "b"]]
    assert warnings == []


@pytest.mark.parametrize(
    "package",
    [
        conda("c", ("lib/python3.11/site-packages/x.py", "1")),
        conda("c", ("site-packages/x.py", "1"), noarch="python"),
    ],
)
def test_a_conda_package_and_a_wheel_with_different_bytes_are_refused(
    package: tuple[LockedPackage, CondaEntry],
) -> None:
    with pytest.raises(Conflict) as caught:
        order([package], [wheel("a", ("site-packages/x.py", "2"))])
    for part in ("conda package c", "a-1-py3-none-any.whl", "lib/python3.11/site-packages/x.py"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 7


def test_a_script_made_on_linking_is_never_equal() -> None:
    with pytest.raises(Conflict, match="bin/tool"):
        order([conda("c", ("bin/tool", "1"))], [wheel("a", ("python-scripts/tool", ""))])


def test_of_wheels_the_last_by_name_is_linked_last_and_said_so() -> None:
    groups, warnings = order(
        [],
        [
            wheel("c", ("site-packages/x.py", "3"), ("site-packages/y.py", "3")),
            wheel("a", ("site-packages/x.py", "1"), ("site-packages/y.py", "1")),
            wheel("b", ("site-packages/z.py", "2")),
        ],
    )
    assert groups == [["a", "b"], ["c"]]
    assert len(warnings) == 1
    assert "of a and c both bring lib/python3.11/site-packages/x.py and 1 more files" in warnings[0]


def test_a_chain_of_overlaps_keeps_the_order_of_names() -> None:
    shared = "site-packages/x.py"
    groups, _ = order([], [wheel(name, (shared, name)) for name in "dbca"])
    assert groups == [["a"], ["b"], ["c"], ["d"]]


def test_a_real_overlap_with_a_conda_package_leaves_no_prefix(forged_channel: Path, tmp_path: Path) -> None:
    thief = make_wheel(tmp_path, "thief", "1.0", files={"tinylib/__init__.py": "stolen = True\n"})
    lock = lock_of([*conda_packages(forged_channel, names=BASE), locked_wheel(thief)])
    with pytest.raises(Conflict, match="tinylib"):
        hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env"))
    assert not (tmp_path / "env").exists()


def test_real_wheels_that_overlap_always_end_the_same(forged_channel: Path, tmp_path: Path) -> None:
    wheels = [
        make_wheel(
            tmp_path,
            name,
            "1.0",
            files={"shared.py": f"winner = {name!r}\n", f"{name}_own.py": "\n"},
            entry_points={"shared-tool": f"{name}_own:__name__.title"},
        )
        for name in ("zz", "mm", "aa")
    ]
    lock = lock_of([*conda_packages(forged_channel, names=BASE), *map(locked_wheel, wheels)])
    heard: list[str] = []

    class Listener:
        def start(self, total_bytes: int, packages: int) -> None: ...
        def advance(self, received_bytes: int, finished_packages: int) -> None: ...
        def phase(self, name: str) -> None: ...
        def warn(self, message: str) -> None:
            heard.append(message)

        def finish(self) -> None: ...

    for attempt in range(3):
        prefix = hydrate(lock, options=HydrateOptions(prefix=tmp_path / f"env{attempt}", progress=Listener()))
        assert output(prefix / "bin/python", "-c", "import shared; print(shared.winner)") == "zz"
        assert "zz_own" in (prefix / "bin/shared-tool").read_text()
        assert verify(prefix) == []
    assert any("of aa and mm both bring" in message for message in heard)
