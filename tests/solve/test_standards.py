"""PEP 440, 503, 508 and 592 in corners, each as a line of a table: what is asked, what is chosen.

Kinds of their own (pre-releases, yanked files, local versions ...) stand as scenarios below ``packse``.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from conjoin.errors import NoSolution, Unreachable, UsageError
from conjoin.spec.build import build_requirements
from loopback import LoopbackServer
from sdists import make_building_sdist
from solving import World
from worlds import make_index, make_wheel

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}.1"
"""A Python that sources can be built with."""

PLATFORM_MARKERS = [
    # The environment of the target, never of this host.
    ("sys_platform == 'linux'", True),
    ("platform_system == 'Linux'", True),
    ("os_name == 'posix'", True),
    ("platform_machine == 'x86_64'", True),
    ("platform_machine in 'x86_64 aarch64'", True),
    ("platform_machine not in 'x86_64 aarch64'", False),
    ("'linux' in sys_platform", True),
    ("sys_platform in 'linux'", True),
    ("implementation_name == 'cpython'", True),
    ("platform_python_implementation != 'CPython'", False),
    # What nobody knows of a target is an empty text.
    ("platform_release == ''", True),
    ("platform_release >= '5.4'", False),
    ("platform_version == '#1 SMP'", False),
    # Names that PEP 345 and setuptools had before.
    ("os.name == 'posix'", True),
    ("sys.platform == 'win32'", False),
    ("platform.machine == 'x86_64'", True),
    ("platform.python_implementation == 'CPython'", True),
    ("python_implementation == 'CPython'", True),
]
PYTHON_MARKERS = [
    # Python is 3.12.4 here.
    ("python_version == '3.12'", True),
    ("python_version > '3.9'", True),  # as versions: 3.12 is later
    ("python_version in '3.11 3.12'", True),
    ("python_version not in '3.11,3.12'", False),
    ("'3.12' == python_version", True),
    ("'3.12' <= python_version", True),
    ("python_version == '3.12.*'", True),
    ("python_version ~= '3.11'", True),
    ("python_full_version >= '3.12.4'", True),
    ("python_full_version > '3.12.4'", False),
    ("python_full_version == '3.12'", False),
    ("python_full_version == '3.12.*'", True),
    ("python_full_version < '3.12.10'", True),
    ("python_full_version != '3.12.4' or os_name == 'nt'", False),
    ("implementation_version == '3.12.4'", True),
    # "and" binds closer than "or"; parentheses say otherwise.
    ("os_name == 'posix' or os_name == 'nt' and python_version < '3'", True),
    ("(os_name == 'posix' or os_name == 'nt') and python_version < '3'", False),
    ("((python_version >= '3.12') and ((sys_platform == 'linux')))", True),
    # Nobody asked for an extra.
    ("extra == 'x'", False),
    ("extra != 'x'", True),
    ("os_name == 'nt' or extra == 'x'", False),
]


@pytest.mark.parametrize(("marker", "holds"), [*PLATFORM_MARKERS, *PYTHON_MARKERS])
def test_a_marker_means_the_same_typed_and_in_metadata(world: World, marker: str, holds: bool) -> None:
    world.python("3.12.4")
    world.wheel("app", "1.0", [f"low ; {marker}"])
    world.wheel("low", "1.0")
    world.wheel("top", "1.0")
    assert set(world.solve(pypi=["app", f"top ; {marker}"]).wheels) == {
        "app",
        *(["low", "top"] if holds else []),
    }


@pytest.mark.parametrize(
    ("marker", "with_x", "with_y"),
    [
        ("extra == 'x'", True, False),
        ("'x' == extra", True, False),
        ("extra == 'X'", True, False),  # PEP 685: names of extras are normalised
        ("extra == 'x' or extra == 'y'", True, True),
        ("extra == 'x' and python_version >= '3.12'", True, False),
        ("extra == 'x' and python_version < '3.12'", False, False),
        ("(extra == 'x' or os_name == 'nt') and sys_platform == 'linux'", True, False),
        ("extra in 'x'", True, True),  # where no extra is asked for it is the empty text, which is in any
        ("extra != 'x'", True, True),  # likewise: the project itself asks for it
    ],
)
def test_what_an_extra_asks_for(world: World, marker: str, with_x: bool, with_y: bool) -> None:
    world.python("3.12.4")
    extras = {"metadata": {"Provides-Extra": "x\nProvides-Extra: y"}}
    world.wheel("app", "1.0", [f"low ; {marker}"], **extras)
    world.wheel("low", "1.0")
    assert ("low" in world.solve(pypi=["app[x]"]).wheels) is with_x
    assert ("low" in world.solve(pypi=["app[y]"]).wheels) is with_y


VERSIONS = ("0.9", "1.0.dev1", "1.0a1", "1.0", "1.0+cpu", "1.0.post1", "1.1", "2.0rc1", "2.0", "1!0.1")


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [
        ("", "1!0.1"),
        ("<1!0", "2.0"),
        ("==1!0.*", "1!0.1"),
        ("==2", "2.0"),
        ("==v2.0.0", "2.0"),
        ("==1.0", "1.0+cpu"),
        ("==1.0+CPU", "1.0+cpu"),
        ("==1.0.*", "1.0.post1"),
        ("!=1!0.1,!=2.*", "1.1"),
        ("~=1.0", "1.1"),
        ("~=1.0.post1", "1.1"),
        ("~=0.9", "0.9"),
        ("===1.0", "1.0"),
        ("===1.0+cpu", "1.0+cpu"),
        (">1.0,<2", "1.1"),
        ("<1.0", "0.9"),
        ("<1.0a2", "1.0a1"),
        ("<=1.0a0", "1.0.dev1"),
        (">=1.1,<2.0", "1.1"),
        (">=1.1,<2.0rc2", "2.0rc1"),
        ("<1.0.post1", "1.0+cpu"),
    ],
)
def test_a_specifier_takes_the_highest_version_it_means(world: World, specifier: str, expected: str) -> None:
    world.python("3.12.4")
    for version in VERSIONS:
        world.wheel("app", version)
    assert world.solve(pypi=[f"app{specifier}"]).wheels == {"app": expected}


def test_below_a_final_release_its_prereleases_do_not_count(world: World) -> None:
    world.python("3.12.4")
    for version in VERSIONS:
        world.wheel("app", version)
    with pytest.raises(NoSolution):
        world.solve(pypi=["app>1.0.dev0,<1.0"])
    assert world.solve(pypi=["app>1.0.dev0,<1.0rc1"]).wheels == {"app": "1.0a1"}


@pytest.mark.parametrize("text", ["app===whatever", "app===1.0-whatever", "app===2.0.x"])
def test_arbitrary_equality_of_what_is_no_version_is_nothing_that_exists(world: World, text: str) -> None:
    world.python("3.12.4")
    world.wheel("app", "1.0")
    with pytest.raises(NoSolution):
        world.solve(pypi=[text])
    world.wheel("parent", "2.0", [text])
    world.wheel("parent", "1.0")
    assert world.solve(pypi=["parent"]).wheels == {"parent": "1.0"}


@pytest.mark.parametrize("text", ["app~=1", "app>=1.*+x", "app>1.0+cpu", "app=1.0", "app==1.0;", "-app"])
def test_what_is_no_requirement_is_refused_where_typed_and_unusable_in_metadata(
    world: World, text: str
) -> None:
    world.python("3.12.4")
    world.wheel("app", "1.0")
    with pytest.raises(UsageError):
        world.solve(pypi=[text])
    world.wheel("parent", "2.0", [text])
    world.wheel("parent", "1.0")
    assert world.solve(pypi=["parent"]).wheels == {"parent": "1.0"}


@pytest.mark.parametrize(
    "spelling", ["Zope.Interface", "zope-interface", "ZOPE__INTERFACE", "zope._interface"]
)
def test_a_name_is_one_however_it_is_spelled(world: World, spelling: str) -> None:
    world.python("3.12.4")
    world.wheel("zope.interface", "1.0")
    world.wheel("parent", "1.0", [f"{spelling}>=1"])
    assert world.solve(pypi=["parent", spelling]).wheels == {"parent": "1.0", "zope-interface": "1.0"}


@pytest.mark.parametrize("name", ["../etc", "a/b", "a%2fb", "..", "a\\b", "ａpp", "a\0b", "a\nb"])
def test_a_hostile_name_asks_for_no_page(tmp_path: Path, world: World, name: str) -> None:
    world.python("3.12.4")
    world.write()
    with LoopbackServer(make_index(tmp_path / "index", [])) as server:
        with pytest.raises((UsageError, NoSolution)):
            world.solve(pypi=[name], index_url=server.url)
        assert all("etc" not in path and ".." not in path for path in server.paths())


@pytest.mark.parametrize(
    "text",
    ["app @ {url} ; os_name == 'posix'", "app@{url} ;os_name=='posix'", "app  @   {url}"],
)
def test_a_url_ends_where_a_space_does(world: World, tmp_path: Path, text: str) -> None:
    world.python("3.12.4")
    wheel = make_wheel(tmp_path, "app", "3.0", metadata={"Provides-Extra": "x"})
    assert world.solve(pypi=[text.format(url=wheel.as_uri())]).wheels == {"app": "3.0"}


def test_without_a_space_a_semicolon_is_part_of_the_url(world: World, tmp_path: Path) -> None:
    world.python("3.12.4")
    wheel = make_wheel(tmp_path, "app", "3.0")
    with pytest.raises((UsageError, NoSolution, Unreachable)):
        world.solve(pypi=[f"app @ {wheel.as_uri()};os_name=='nt'"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "2.0"),  # building runs a project's code: what somebody else built is preferred
        ({"only_binary": [":all:"]}, "2.0"),
        ({"only_binary": ["app"]}, "2.0"),
        ({"constraints": ["app>=3"]}, "3.0"),
        ({"constraints": ["app>=3"], "only_binary": ["other"]}, "3.0"),
        ({"constraints": ["app>=3"], "only_binary": [":all:"]}, None),
        ({"no_binary": ["app"]}, "3.0"),
        ({"no_binary": [":all:"]}, "3.0"),
        ({"no_binary": ["other"]}, "2.0"),
        ({"no_binary": [":all:"], "constraints": ["app<3"]}, "1.0"),
        ({"no_binary": ["app"], "constraints": ["app==2.0"]}, None),
        ({"no_binary": ["app"], "only_binary": [":all:"]}, None),
    ],
)
def test_no_binary_and_only_binary(world: World, options: dict[str, list[str]], expected: str | None) -> None:
    world.python(HERE)
    world.wheel("app", "1.0")
    world.wheel("app", "2.0")
    for version in ("1.0", "3.0"):
        world.add(make_building_sdist(world.root / "sdists", "app", version))
    if expected is None:
        with pytest.raises(NoSolution):
            world.solve(pypi=["app"], **options)
    else:
        assert world.solve(pypi=["app"], **options).wheels == {"app": expected}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ([":none:"], ()),
        ([":all:", ":none:"], ()),
        (["a,b", ":none:", "c"], ("c",)),
        (["a", ":all:"], (":all:", "a")),
        (["A.b_C"], ("a-b-c",)),
        ([":all:,:none:,b"], ("b",)),
    ],
)
def test_none_takes_back_what_was_said_before(said: list[str], meant: tuple[str, ...]) -> None:
    asked = build_requirements(
        pypi=["app"], index_url="https://index.example/", only_binary=said, no_binary=said
    )
    assert (asked.only_binary, asked.no_binary) == (meant, meant)


def test_upload_times_that_are_missing_leave_a_file_out_and_the_reason_says_so(
    world: World, tmp_path: Path
) -> None:
    world.python("3.12.4")
    world.write()
    old = make_wheel(tmp_path / "w", "app", "1.0")
    timeless = make_wheel(tmp_path / "w", "app", "2.0")
    index = make_index(
        tmp_path / "index", [old, timeless], "json", upload_times={old.name: "2024-01-01T00:00:00Z"}
    )
    before = datetime(2025, 1, 1, tzinfo=timezone.utc).isoformat()
    with LoopbackServer(index) as server:
        options = {"index_url": server.url, "exclude_newer": before}
        assert world.solve(pypi=["app"], **options).wheels == {"app": "1.0"}
        with pytest.raises(NoSolution, match="has no upload time, and exclude-newer is set"):
            world.solve(pypi=["app==2.0"], **options)
        beside = tmp_path / "beside"
        make_wheel(beside, "app", "3.0")
        # A file of a folder has no upload time either.
        assert world.solve(pypi=["app"], find_links=[str(beside)], **options).wheels == {"app": "1.0"}


def test_an_index_without_any_upload_time_is_no_index_for_a_date(world: World, tmp_path: Path) -> None:
    world.python("3.12.4")
    world.write()
    with LoopbackServer(make_index(tmp_path / "index", [make_wheel(tmp_path, "app", "1.0")])) as server:
        with pytest.raises(Unreachable, match="gives no upload times for app") as caught:
            world.solve(pypi=["app"], index_url=server.url, exclude_newer="2025-01-01")
        assert caught.value.exit_code == 4
        assert "PEP 700" in (caught.value.advice or "")
