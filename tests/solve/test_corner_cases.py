"""Corner cases of the joint solve, each found by a review of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from conjoin.errors import NoSolution, UsageError
from loopback import LoopbackServer
from solving import Solved, World
from worlds import make_wheel, rewrite_zip


@pytest.fixture
def world(tmp_path: Path) -> World:
    built = World(tmp_path)
    built.python("3.12.1")
    return built


def _file(world: World, text: str) -> Solved:
    from conjoin.solve.options import SolveOptions
    from conjoin.solve.request import solve_request
    from conjoin.spec.build import build_requirements
    from conjoin.spec.readers.read_file import read_requirements

    world.write()
    listed = world.root / "requirements.txt"
    listed.write_text(text)
    asked = build_requirements(
        sources=[read_requirements(listed)], channels=[world.channel_url], index_url=world.index_url
    )
    return Solved(
        solve_request(asked, ["linux-64"], SolveOptions(cache_dir=world.root / "cache"))["linux-64"]
    )


def test_a_url_that_only_another_python_needs_never_drops_the_wheel(world: World) -> None:
    world.python("3.8.1")
    world.wheel("foo", "1.0", ['bar @ https://host.example/bar-1-py3-none-any.whl ; python_version < "3.9"'])
    assert world.solve(pypi=["foo"]).wheels == {"foo": "1.0"}


def test_an_extra_named_wheel(world: World) -> None:
    world.wheel("foo", "1.0", extras={"wheel": ["bar"]})
    world.wheel("bar", "1.0")
    assert world.solve(pypi=["foo[wheel]"]).wheels == {"foo": "1.0", "bar": "1.0"}


@pytest.mark.parametrize("marker", ["sys_platform == 'win32'", "python_version < '3.9'"])
def test_a_constraint_counts_only_where_its_marker_holds(world: World, marker: str) -> None:
    world.wheel("foo", "1.0")
    world.wheel("foo", "2.0")
    assert world.solve(pypi=["foo"], constraints=[f"foo<2 ; {marker}"]).wheels == {"foo": "2.0"}
    assert world.solve(pypi=["foo"], overrides=[f"foo<2 ; {marker}"]).wheels == {"foo": "2.0"}


def test_urls_by_platform(world: World) -> None:
    ours = make_wheel(world.root / "a", "foo", "8.0").as_uri()
    theirs = make_wheel(world.root / "b", "foo", "9.0").as_uri()
    asked = [f"foo @ {ours} ; sys_platform == 'linux'", f"foo @ {theirs} ; sys_platform == 'win32'"]
    assert world.solve(pypi=asked).wheels == {"foo": "8.0"}
    world.wheel("foo", "1.0")
    asked = ["foo==1.0 ; sys_platform == 'linux'", f"foo @ {theirs} ; sys_platform == 'win32'"]
    assert world.solve(pypi=asked).wheels == {"foo": "1.0"}


def test_rules_of_another_platform_admit_and_refuse_nothing(world: World) -> None:
    world.wheel("foo", "1.0")
    world.wheel("foo", "2.0a1")
    yanked = world.wheel("foo", "3.0")
    world.page_options = {"yanked": {yanked.name: "bad"}}
    win = "sys_platform == 'win32'"
    assert world.solve(pypi=["foo", f"foo==3.0 ; {win}"]).wheels == {"foo": "1.0"}
    assert world.solve(pypi=["foo", f"foo>=2.0a1 ; {win}"]).wheels == {"foo": "1.0"}
    assert _file(world, f"foo==1.0 ; {win} --hash=sha256:{'0' * 64}\nfoo\n").wheels == {"foo": "1.0"}


def test_a_url_as_override_or_constraint_is_refused_never_ignored(world: World) -> None:
    world.wheel("foo", "2.0")
    world.wheel("bar", "1.0", ["foo"])
    direct = make_wheel(world.root / "a", "foo", "1.5").as_uri()
    for how in ("overrides", "constraints"):
        with pytest.raises(UsageError, match="cannot name a URL yet"):
            world.solve(pypi=["bar"], **{how: [f"foo @ {direct}"]})


def test_overrides_treat_a_direct_requirement_the_same_with_and_without_a_marker(world: World) -> None:
    world.python("3.8.1")
    world.wheel("foo", "1.0")
    world.wheel("foo", "2.0")
    plain = world.solve(pypi=["foo==2.0"], overrides=["foo==1.0"])
    marked = world.solve(pypi=["foo==2.0 ; python_version > '3.9'"], overrides=["foo==1.0"])
    assert plain.wheels == marked.wheels


@pytest.mark.parametrize("overrides", [["foo>=2", "foo<3"], ["foo<3", "foo>=2"], ["foo<3,>=2"]])
def test_several_overrides_of_one_project_all_count(world: World, overrides: list[str]) -> None:
    for version in ("1.0", "2.0", "3.0"):
        world.wheel("foo", version)
    world.wheel("bar", "1.0", ["foo<2"])
    assert world.solve(pypi=["bar"], overrides=overrides).wheels == {"bar": "1.0", "foo": "2.0"}


def test_the_extras_of_an_override_count(world: World) -> None:
    world.wheel("foo", "2.0", extras={"x": ["baz"], "y": ["qux"]})
    world.wheel("baz", "1.0")
    world.wheel("qux", "1.0")
    world.wheel("bar", "1.0", ["foo[y]<2"])
    solved = world.solve(pypi=["bar"], overrides=["foo[x]>=2"]).wheels
    assert solved == {"bar": "1.0", "foo": "2.0", "baz": "1.0", "qux": "1.0"}


@pytest.mark.parametrize(
    "marker",
    ["sys_platform == 'never'", "python_version < '0'", "os_name == 'x' or os_name == 'y'"],
)
def test_an_override_that_holds_nowhere_leaves_a_dependency_out(world: World, marker: str) -> None:
    world.wheel("foo", "1.0", ["nowhere"])
    world.wheel("bar", "1.0", ["foo<2", "baz"])
    world.wheel("baz", "1.0", ["foo ; python_version >= '3'"])
    assert world.solve(pypi=["bar"], overrides=[f"foo ; {marker}"]).wheels == {"bar": "1.0", "baz": "1.0"}
    # Beside one that holds, it says nothing.
    with pytest.raises(NoSolution):
        world.solve(pypi=["bar"], overrides=[f"foo ; {marker}", "foo==1.0"])


@pytest.mark.parametrize(
    "marker", ["sys_platform == 'win32'", "python_version < '3.5'", "python_full_version == '3.10.3'"]
)
def test_an_override_that_holds_elsewhere_leaves_the_dependency_as_it_is(world: World, marker: str) -> None:
    for version in ("1.0", "2.0"):
        world.wheel("foo", version)
    world.wheel("bar", "1.0", ["foo<2"])
    overrides = [f"foo>=2 ; {marker}"]
    assert world.solve(pypi=["bar"], overrides=overrides).wheels == {"bar": "1.0", "foo": "1.0"}


def test_an_override_for_some_pythons_is_refused_while_python_is_open(world: World) -> None:
    world.python("3.11.1")
    world.wheel("foo", "1.0")
    world.wheel("foo", "2.0")
    world.wheel("bar", "1.0", ["foo<2"])
    only = ["foo>=2 ; python_version < '3.12'"]
    with pytest.raises(UsageError, match="holds for some of the Pythons in question alone"):
        world.solve(pypi=["bar"], overrides=only)
    assert world.solve(["python 3.11.*"], ["bar"], overrides=only).wheels == {"bar": "1.0", "foo": "2.0"}
    assert world.solve(["python 3.12.*"], ["bar"], overrides=only).wheels == {"bar": "1.0", "foo": "1.0"}


@pytest.mark.parametrize("marker", ["sys_platform ~= 'x'", "'x' in extras", "python_version ~= '3'"])
def test_a_marker_that_cannot_be_evaluated_makes_its_wheel_unusable(world: World, marker: str) -> None:
    world.wheel("foo", "2.0", [f"bar ; {marker}"])
    world.wheel("foo", "1.0")
    assert world.solve(pypi=["foo"]).wheels == {"foo": "1.0"}
    with pytest.raises(UsageError):
        world.solve(pypi=[f"foo ; {marker}"])


def test_a_python_whose_version_is_not_pep_440_is_passed_over(world: World) -> None:
    world.conda("python", "3.12.0_custom", build="h_0_cpython")
    world.wheel("foo", "1.0")
    assert world.solve(pypi=["foo"]).python == "3.12.1"


@pytest.mark.parametrize("spec", ["python>=3.8", "python[version='>=3.8']"])
def test_a_python_dependency_is_seen_however_it_is_spelled(world: World, spec: str) -> None:
    world.conda("foo", "1.0", [spec])
    world.wheel("foo", "2.0")
    world.wheel("bar", "1", ["foo"])
    assert "foo" not in world.solve(conda=["foo"], pypi=["bar"]).wheels  # else: two owners


def test_two_conda_owners_never_stand_side_by_side_in_two_versions(world: World) -> None:
    world.conda("foo", "1.0", ["python"])
    world.conda("foo-base", "2.0", ["python"])
    world.wheel("bar", "1", ["foo>=2"])
    mapping = world.root / "map.json"
    mapping.write_text(json.dumps({"foo": "foo", "foo-base": "foo"}))
    with pytest.raises(NoSolution):
        world.solve(conda=["foo"], pypi=["bar"], mapping=mapping)


def test_an_owner_with_an_unlikely_name_that_the_user_asked_for_satisfies_pypi(world: World) -> None:
    world.conda("xfoo", "2.0", ["python"], purls=["pkg:pypi/foo?source=hash-mapping"])
    world.wheel("bar", "1.0", ["foo>=2"])
    world.wheel("foo", "1.0")
    assert world.solve(conda=["xfoo"], pypi=["bar"]).wheels == {"bar": "1.0"}


def test_a_hash_excludes_conda_packages(world: World) -> None:
    world.conda("foo", "2.0", ["python"])
    wheel = world.wheel("foo", "1.0")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert _file(world, f"foo --hash=sha256:{digest}\n").wheels == {"foo": "1.0"}


def test_a_hash_that_the_index_does_not_announce_is_made(world: World) -> None:
    wheel = world.wheel("foo", "1.0")
    world.page_options = {"hashes": False}
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert _file(world, f"foo --hash=sha256:{digest}\n").wheels == {"foo": "1.0"}


def test_of_a_direct_wheels_hashes_the_one_that_matches_is_locked(world: World) -> None:
    direct = make_wheel(world.root / "a", "foo", "9.0")
    digest = hashlib.sha256(direct.read_bytes()).hexdigest()
    solved = _file(world, f"foo @ {direct.as_uri()} --hash=sha256:{digest} --hash=sha256:{'0' * 64}\n")
    assert solved.solution.wheels[0].sha256 == digest


def test_prereleases_count_as_alone_if_every_final_is_too_new(world: World) -> None:
    world.wheel("foo", "1.0a1")
    late = world.wheel("foo", "1.0")
    times = {"*": "2024-01-01T00:00:00Z", late.name: "2024-06-01T00:00:00Z"}
    world.page_options = {"format": "json", "upload_times": times}
    world.write()
    with LoopbackServer(world.root / "index") as server:
        solved = world.solve(pypi=["foo"], index_url=server.url, exclude_newer="2024-03-01")
    assert solved.wheels == {"foo": "1.0a1"}


def test_exclude_newer_leaves_the_hosts_python(world: World) -> None:
    assert world.solve(python_source="host", python=">=3.8", exclude_newer="2030-01-01").solution.python


def test_the_lowest_strategy_looks_ahead_upwards(world: World) -> None:
    for number in range(1, 230):
        world.wheel("foo", f"{number}.0", ["missing"] if number < 225 else [])
    assert world.solve(pypi=["foo"], strategy="lowest").wheels == {"foo": "225.0"}


def test_a_url_of_a_dependency_never_brings_its_login_into_the_solution(world: World) -> None:
    direct = make_wheel(world.root / "a", "bar", "9.0").as_uri()
    world.wheel("foo", "1.0", ["bar @ https://u:secret@host.example/bar-1-py3-none-any.whl"])
    try:
        solved = world.solve(pypi=["foo", f"bar @ {direct}"])
    except NoSolution:
        return  # two URLs for one project have no solution
    assert "secret" not in str(solved.solution)


def test_a_solver_that_ran_out_of_time_proves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    import conjoin.solve.search.resolvo

    monkeypatch.setattr(conjoin.solve.search.resolvo, "_TIMEOUT", timedelta(microseconds=1))
    world.wheel("foo", "1.0")
    with pytest.raises(NoSolution, match="the solver gave up"):
        world.solve(pypi=["foo"])


def test_a_virtual_package_with_a_bad_version_is_wrong_usage(world: World) -> None:
    world.wheel("foo", "1.0")
    with pytest.raises(UsageError):
        world.solve(pypi=["foo"], virtual_packages=["__cuda=12!!x"])


def test_it_can_be_called_where_an_event_loop_runs(world: World) -> None:
    import asyncio

    world.wheel("foo", "1.0")

    async def notebook() -> dict[str, str]:
        return world.solve(pypi=["foo"]).wheels

    assert asyncio.run(notebook()) == {"foo": "1.0"}


def test_a_direct_wheel_that_has_not_the_hash_asked_for_is_refused(world: World) -> None:
    from conjoin.errors import ConjoinError

    direct = make_wheel(world.root / "a", "foo", "9.0")
    with pytest.raises(ConjoinError):
        _file(world, f"foo @ {direct.as_uri()} --hash=sha256:{'0' * 64}\n")


def test_a_wheel_with_bad_metadata_makes_room_for_the_other_of_its_version(world: World) -> None:
    good = world.wheel("foo", "1.0")
    bad = make_wheel(world.root / "bad", "foo", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64")
    world.add(rewrite_zip(bad, {"foo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: other\n"}))
    (chosen,) = world.solve(pypi=["foo"]).solution.wheels
    assert chosen.wheel.filename == good.name


@pytest.mark.parametrize("epoch", ["", "1!"])
def test_a_family_in_lockstep_may_have_local_versions_and_epochs(world: World, epoch: str) -> None:
    """What an unread release is expected to ask for is a valid specifier, whatever its version."""
    for number in range(6):
        version = f"{epoch}2.{number}"
        local = "+cpu" if number < 3 else ""
        world.wheel("torch", version)
        world.wheel("vision", f"{version}{local}", [f"torch>={version}", "numpy" if local else "nowhere"])
        world.wheel("audio", f"{version}{local}", [f"torch>={version},<{epoch}3", "vision"])
    world.wheel("numpy", "1.0")
    solved = world.solve(pypi=["audio"])
    assert solved.wheels["vision"] == f"{epoch}2.2+cpu"
    assert solved.wheels["audio"] == f"{epoch}2.5"
