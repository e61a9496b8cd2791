"""Why a core cannot be met, as a tree: what it proves is so, and what is told is of what was asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rattler import MatchSpec, PackageRecord, RepoDataRecord
from rattler.package import BuildString

from conjoin.errors import NoSolution
from conjoin.solve.report import unsat_core
from conjoin.solve.report.derivation import derive, walk
from conjoin.solve.report.format import Explanation, tree_lines
from conjoin.solve.report.unsat_core import UnsatCore
from solving import PLATFORM, World

PRIORITIES = ["strict", "flexible", "disabled"]
Depends = Mapping[str, Sequence[str]]


def core_of(specs: Sequence[str], records: Mapping[str, Sequence[RepoDataRecord]], **more: Any) -> UnsatCore:
    options = {"virtual_packages": {}, "is_strict": False, "cutoff": None, "is_smallest": True, **more}
    return UnsatCore(tuple(specs), (), records, asked=len(specs), **options)


def record(
    name: str,
    version: str,
    depends: Sequence[str] = (),
    constrains: Sequence[str] = (),
    channel: str = "https://c.example",
) -> RepoDataRecord:
    made = PackageRecord(
        name, version, BuildString("0"), 0, PLATFORM, depends=list(depends), constrains=list(constrains)
    )
    file_name = f"{name}-{version}-0.conda"
    return RepoDataRecord(made, file_name, f"{channel}/{PLATFORM}/{file_name}", channel)


def can_be_met(specs: Sequence[str], records: Mapping[str, Sequence[RepoDataRecord]]) -> bool:
    """Tell whether some choice of at most one record a name meets all, by trying every choice."""
    choices = (dict(zip(records, each, strict=True)) for each in itertools.product(*_each(records)))
    return any(_is_met(specs, {name: one for name, one in choice.items() if one}) for choice in choices)


def _each(records: Mapping[str, Sequence[RepoDataRecord]]) -> Iterator[Sequence[RepoDataRecord | None]]:
    return ([None, *found] for found in records.values())


def _is_met(specs: Sequence[str], chosen: Mapping[str, RepoDataRecord]) -> bool:
    needs = [*specs, *(text for each in chosen.values() for text in each.depends)]
    bounds = [text for each in chosen.values() for text in each.constrains]
    return all(_fits(text, chosen) for text in needs) and all(
        text.split()[0] not in chosen or _fits(text, chosen) for text in bounds
    )


def _fits(text: str, chosen: Mapping[str, RepoDataRecord]) -> bool:
    one = chosen.get(text.split(maxsplit=1)[0])
    return one is not None and MatchSpec(text, strict=False).matches(one)


NAMES = "abcd"
SPEC = st.builds(
    "{} {}{}".format, st.sampled_from(NAMES), st.sampled_from([">=", "<=", "=="]), st.integers(1, 3)
)
WORLDS = st.fixed_dictionaries(
    {
        name: st.lists(st.tuples(st.lists(SPEC, max_size=2), st.lists(SPEC, max_size=1)), max_size=3)
        for name in NAMES
    }
)


@given(WORLDS, st.lists(SPEC, min_size=1, max_size=3, unique=True), st.sampled_from([0, 1]))
def test_a_proof_is_of_what_has_no_solution(
    world: dict[str, list[tuple[list[str], list[str]]]], specs: list[str], most: int
) -> None:
    records = {
        name: [record(name, str(number), *each) for number, each in enumerate(versions, start=1)]
        for name, versions in world.items()
    }
    core = core_of(specs, records)
    found = derive(core, None, most)
    told = core.newest(most).records if most else records
    if found.is_proof:
        assert not can_be_met(specs, told)
        assert not found.branches[-1].is_open
        # What is said to be against something is told above it.
        above: set[str] = set()
        for branch in walk(found.branches):
            above.add(branch.demand.what)
            assert branch.is_against_request or all(each.what in above for each in branch.against)
        # What is told is enough: the rest of what was asked for plays no part.
        roots = {branch.demand.what for branch in found.branches}
        against = {each.what for branch in walk(found.branches) for each in branch.against}
        assert not can_be_met([spec for spec in specs if spec in roots | against], told)
    else:
        assert {branch.demand.what for branch in found.branches} == set(specs)


def _every_way_is_shut() -> tuple[list[str], dict[str, list[RepoDataRecord]]]:
    """Return what has no solution, although each requirement leaves both versions of x, y and z."""
    records = {name: [record(name, "1"), record(name, "2")] for name in "xyz"}
    for name, (one, other), ways in (
        ("p", "xy", ("11", "22")),
        ("q", "yz", ("11", "22")),
        ("r", "xz", ("12", "21")),
    ):
        records[name] = [
            record(name, str(number), [f"{one} =={way[0]}", f"{other} =={way[1]}"])
            for number, way in enumerate(ways, start=1)
        ]
    return ["p", "q", "r"], records


def test_what_takes_a_case_distinction_is_told_without_a_proof() -> None:
    specs, records = _every_way_is_shut()
    assert not can_be_met(specs, records)
    found = derive(core_of(specs, records), None)
    assert not found.is_proof
    assert tree_lines(found.branches)[:3] == [
        "these cannot be had together:",
        "├─ p, for which there is",
        "│  └─ p 2 needs",
    ]


def test_versions_that_are_not_told_are_counted() -> None:
    records = {
        "app": [record("app", str(number), [f"lib =={number}"]) for number in range(1, 5)],
        "lib": [],
    }
    lines = tree_lines(derive(core_of(["app"], records), None, 1).branches)
    assert lines[-1] == "└─ 3 versions more, with no solution either"


def test_a_channel_may_be_asked_for_by_its_name() -> None:
    theirs = "https://conda.anaconda.org/conda-forge/"
    records = {
        "app": [record("app", "1", ["lib ==1"], channel=theirs)],
        "tool": [record("tool", "1", ["lib ==2"], channel=theirs)],
        "lib": [record("lib", "1", channel=theirs), record("lib", "2", channel=theirs)],
    }
    found = derive(core_of(["conda-forge::app", "tool"], records), None)
    grounds = {option.ground for branch in walk(found.branches) for option in branch.options}
    assert found.is_proof
    assert "of another channel" not in grounds

    elsewhere = derive(core_of(["bioconda::app"], records), None)
    assert [option.ground for option in elsewhere.branches[0].options] == ["of another channel"]


@pytest.mark.parametrize("name", ["team", "defaults"])
def test_a_channel_may_be_asked_for_by_what_stands_for_it(world: World, name: str) -> None:
    for version in ("1.0", "2.0"):
        world.conda("lib", version)
    world.conda("app", "1.0", ["lib 1.*"])
    world.conda("tool", "1.0", ["lib 2.*"], channel="second")
    places = {name: [world.channel_url, (world.root / "second").as_uri()]}
    error = _refused(world, f"{name}::app", "tool", channels=[name], channel_aliases=places)
    assert error.what == "conda's app 1.0 needs lib 1.*, and conda's tool 1.0 needs lib 2.*"


@pytest.mark.parametrize("priority", PRIORITIES)
def test_urls_that_count_as_one_channel_hide_nothing_of_each_other(world: World, priority: str) -> None:
    world.conda("lib", "1.0")
    world.conda("lib", "2.0", channel="second")
    world.conda("app", "1.0", ["lib 1.*"])
    world.conda("tool", "1.0", ["lib 2.*"])
    error = _refused(
        world,
        "app",
        "tool",
        channels=["team"],
        channel_aliases={"team": [world.channel_url, (world.root / "second").as_uri()]},
        channel_priority=priority,
    )
    assert error.what == "conda's app 1.0 needs lib 1.*, and conda's tool 1.0 needs lib 2.*"


def test_a_chain_that_is_too_long_to_follow_is_told_without_a_proof() -> None:
    count = 1_000
    records = {f"p{number}": [record(f"p{number}", "1", [f"p{number + 1}"])] for number in range(count)}
    found = derive(core_of(["p0"], {**records, f"p{count}": []}), None)
    assert not found.is_proof
    assert tree_lines(found.branches)[0] == "p0, for which there is"


@pytest.mark.parametrize("others", [[], ["other"]])
def test_no_line_of_a_tree_is_longer_than_one_can_read(others: list[str]) -> None:
    long = "x" * 5_000
    records = {"app": [record("app", "1", [f"{long} >=2"])], long: [record(long, "1")]}
    records |= {name: [record(name, "1")] for name in others}
    lines = tree_lines(derive(core_of(["app", *others], records), None).branches)
    assert 0 < max(map(len, lines)) < 300


# -- records that are alike, or do not say all


def _refused(world: World, *conda: str, **options: Any) -> Explanation:
    with pytest.raises(NoSolution) as caught:
        world.solve(conda, **options)
    assert isinstance(caught.value, Explanation)
    return caught.value


@pytest.mark.parametrize("priority", PRIORITIES)
@pytest.mark.parametrize("second", ["mirror", "channel/label/dev"])
def test_two_channels_may_have_a_file_of_the_same_name(world: World, priority: str, second: str) -> None:
    for channel in ("channel", second):
        world.conda("lib", "1.0", channel=channel)
        world.conda("app", "1.0", ["lib >=2"], channel=channel)
    channels = [world.channel_url, (world.root / second).as_uri()]
    error = _refused(world, "app", channels=channels, channel_priority=priority)
    assert error.what == ("conda's app 1.0 needs lib >=2, and the only version of lib on the channels is 1.0")


def test_noarch_may_have_a_file_of_the_same_name(world: World) -> None:
    for subdir in ("noarch", PLATFORM):
        world.conda("lib", "1.0", subdir=subdir)
        world.conda("app", "1.0", ["lib >=2"], subdir=subdir)
    assert _refused(world, "app").what.startswith("conda's app 1.0 needs lib >=2")


def test_a_wheel_against_what_two_channels_have(world: World) -> None:
    world.python("3.12.1")
    for channel in ("channel", "mirror"):
        world.conda("numpy", "2.1.0", ["python"], channel=channel)
    world.wheel("numpy", "1.26.4")
    channels = [world.channel_url, (world.root / "mirror").as_uri()]
    error = _refused(world, "numpy", pypi=["numpy<2"], channels=channels)
    assert (
        error.what
        == "you asked for numpy<2, which has to come as a wheel, but conda's numpy is asked for too"
    )


@pytest.mark.parametrize("made", [0, 1, None])
def test_a_record_may_be_of_the_epoch(world: World, made: int | None) -> None:
    world.conda("lib", "1.0", timestamp=made)
    world.conda("other", "1.0", timestamp=made)
    world.conda("app", "1.0", ["lib >=2", "other"], timestamp=made)
    assert _refused(world, "app").what.startswith("conda's app 1.0 needs lib >=2")


def test_a_date_rules_out_one_build_of_a_version_and_not_the_other(world: World) -> None:
    world.conda("lib", "1.0", build="new", timestamp=1_700_000_000_000)
    world.conda("lib", "1.0", build="old", timestamp=1_600_000_000_000)
    world.conda("app", "1.0", ["lib", "other >=2"], timestamp=1_600_000_000_000)
    world.conda("other", "1.0", timestamp=1_600_000_000_000)
    error = _refused(world, "app", exclude_newer="2021-01-01")
    assert "other >=2" in error.what


# -- when time is up


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsat_core, "SECONDS", -1.0)


def _plotty(world: World) -> None:
    """Fill a world with a plotty of which new versions are for other Pythons, and a six of two sides."""
    world.python("3.11.4", "3.12.1", "3.13.1")
    for version, minor in (("3.10.9", 12), ("3.10.9", 13), ("3.10.8", 12), ("3.10.7", 11)):
        needs = [f"python >=3.{minor},<3.{minor + 1}.0a0"]
        world.conda("plotty", version, needs, build=f"py3{minor}_0")
    world.conda("six", "1.17.0", ["python"])
    for version in ("1.16.0", "1.17.0"):
        world.wheel("six", version)


def test_what_gets_round_a_reason_is_looked_for_when_time_is_up_too(world: World, hurried: None) -> None:
    _plotty(world)
    error = _refused(world, "plotty 3.10.*", "six", pypi=["six==1.16.0"], python="3.11")
    told = (error.what, *error.causes, error.reasons)
    assert error.what == (
        "you asked for six==1.16, which has to come as a wheel, but conda's six is asked for too"
    )
    assert not any("plotty" in each for each in told)


def test_how_far_the_search_got_is_told_where_it_has_no_proof(world: World, hurried: None) -> None:
    specs, records = _every_way_is_shut()
    for each in (one for found in records.values() for one in found):
        world.conda(each.name.normalized, str(each.version), each.depends)
    world.conda("away", "1.0")
    error = _refused(world, *specs, "away")
    assert error.what == (
        "away, p, q and r cannot be had together, whatever versions of what they need are taken"
    )
    assert error.reasons.splitlines()[-1] == (
        "the search for less was stopped after 5 s: 4 of 4 requirements and 7 packages were left by then"
    )


def test_nothing_is_said_of_the_search_where_it_was_done(world: World) -> None:
    specs, records = _every_way_is_shut()
    for each in (one for found in records.values() for one in found):
        world.conda(each.name.normalized, str(each.version), each.depends)
    world.conda("away", "1.0")
    error = _refused(world, *specs, "away")
    assert error.what == "p, q and r cannot be had together, whatever versions of what they need are taken"
    assert "stopped" not in error.reasons
