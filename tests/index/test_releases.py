"""Releases of a project: what they are is told by flags, and files nobody looks at are not read."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from conjoin.index.pypi.file_rows import files_of, parse_page, releases_of
from conjoin.index.pypi.project import PRERELEASE, SDIST, WHEEL, YANKED, Project, Releases, Sdist, Wheel
from conjoin.solve.candidates.policy import CandidatePolicy
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements

TINY = PypiName("tiny")
URL = "https://index.example/simple/tiny/"

_versions = st.sampled_from(["1.0", "1.0.0", "1.0.post1", "2.0rc1", "2.0.dev3", "2.0", "1!0.5", "3.0+a.1"])
_endings = st.sampled_from(
    ["-py3-none-any.whl", "-cp312-cp312-win_amd64.whl", "-1-py3-none-any.whl", ".tar.gz"]
)
_pages = st.dictionaries(
    st.tuples(_versions, _endings).map("".join),
    st.fixed_dictionaries(
        {"yanked": st.sampled_from([False, True, "broken"]), "size": st.none() | st.just(7)}
    ),
    max_size=8,
)


def _releases(files: dict[str, dict[str, object]]) -> Releases:
    listed = [{"filename": f"tiny-{end}", "url": f"f/tiny-{end}", **more} for end, more in files.items()]
    body = json.dumps({"files": listed}).encode()
    return releases_of(parse_page(body, "application/json", URL, TINY), "https://index.example/simple/")


@given(_pages)
def test_flags_say_what_the_files_say(files: dict[str, dict[str, object]]) -> None:
    releases = _releases(files)
    assert list(releases) == sorted({file.version for file in releases.every_file()})
    for place, kind in enumerate(releases.kinds):
        there = releases.files(place)
        assert {file.version for file in there} == {releases[place]}
        assert [file.filename for file in there] == sorted(file.filename for file in there)
        assert bool(kind & PRERELEASE) == releases[place].is_prerelease
        assert bool(kind & YANKED) == any(file.yanked is not None for file in there)
        assert bool(kind & WHEEL) == any(isinstance(f, Wheel) and f.yanked is None for f in there)
        assert bool(kind & SDIST) == any(isinstance(f, Sdist) and f.yanked is None for f in there)


@given(_pages)
def test_releases_of_files_are_those_of_the_page(files: dict[str, dict[str, object]]) -> None:
    releases = _releases(files)
    made = Releases.of(releases.every_file())
    assert (made, made.kinds, list(made)) == (releases, releases.kinds, list(releases))


@given(_pages, st.booleans())
def test_what_fits_is_what_is_left_of_all(files: dict[str, dict[str, object]], read_before: bool) -> None:
    releases = _releases(files)
    for place in range(len(releases)):
        expected = [f for f in _releases(files).files(place) if isinstance(f, Sdist) or "any" in f.tags]
        if read_before:
            releases.files(place)
        assert list(releases.fitting(place, lambda tags: "any" in tags)) == expected


@given(
    _pages,
    st.sampled_from(["", "==1.0", "===2.0rc1", ">=2.0rc1"]),
    st.booleans(),
    st.sampled_from([(), ("tiny",)]),
    st.sampled_from([(), (":all:",)]),
)
def test_a_release_takes_part_exactly_if_one_of_its_files_does(
    files: dict[str, dict[str, object]],
    specifier: str,
    prereleases: bool,
    no_binary: tuple[str, ...],
    only_binary: tuple[str, ...],
) -> None:
    """What is decided by flags alone is what looking at every file would say."""
    asked = Requirements(
        pypi=(PypiRequirement(TINY, specifier=specifier),),
        prereleases=prereleases,
        no_binary=no_binary,
        only_binary=only_binary,
    )
    releases = _releases(files)
    admitted = CandidatePolicy(asked).eligible(Project(name=TINY, releases=releases), ())
    looked_at = [admitted.at(place) for place in range(len(releases))]
    taking_part = [n for n, one in enumerate(looked_at) if one.wheels or one.sdist or one.unbuilt]
    assert list(admitted.present) == taking_part
    assert admitted.has_unbuilt == any(one.unbuilt is not None for one in looked_at)
    left = sum(len(one.wheels) for one in looked_at) + len(admitted.refusals())
    assert left <= len(list(releases.every_file()))


def test_files_that_nobody_looks_at_are_not_read() -> None:
    read: list[int] = []

    def reader(position: int, _: object) -> tuple[Sdist, ...]:
        read.append(position)
        version = Version(f"{position}.0")
        return (Sdist(filename=f"tiny-{version}.tar.gz", url=f"{URL}{version}", version=version),)

    releases = Releases([f"{n}.0" for n in range(1000)], bytes([SDIST] * 1000), reader)
    admitted = CandidatePolicy(Requirements()).eligible(Project(name=TINY, releases=releases), ())
    assert (len(admitted.present), read) == (1000, [])
    admitted.at(5)
    admitted.at(5)
    assert read == [5]


def test_a_url_that_does_not_end_with_the_file_name_is_kept_whole() -> None:
    file = {"filename": "tiny-1.0-py3-none-any.whl", "url": "https://files.example/get?id=7"}
    (found,) = files_of(
        parse_page(json.dumps({"files": [file]}).encode(), "application/json", URL, TINY), "i"
    )
    assert found.url == "https://files.example/get?id=7"
