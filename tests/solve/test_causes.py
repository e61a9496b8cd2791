"""Why there is no solution, in words: what people read first is part of the product."""

from __future__ import annotations

import pytest

from conjoin.errors import NoSolution
from conjoin.solve.report.causes import versions_in
from conjoin.solve.report.format import Explanation
from solving import World


def explained(world: World, conda: list[str], pypi: list[str], **options: object) -> Explanation:
    with pytest.raises(NoSolution) as caught:
        world.solve(conda, pypi, **options)
    assert isinstance(caught.value, Explanation)
    # Nothing of the encoding shows.
    for text in (str(caught.value), caught.value.reasons):
        assert "pypi--" not in text
        assert "replaced_by_wheel" not in text
    return caught.value


def test_a_project_that_does_not_exist(world: World) -> None:
    world.python("3.12.1")
    error = explained(world, [], ["nosuchthing"])
    assert error.what == f"no project nosuchthing on {world.index_url}/"


def test_a_conda_package_that_does_not_exist(world: World) -> None:
    error = explained(world, ["nosuchthing"], [])
    assert error.what == "no channel has a package nosuchthing"
    assert error.advice == (
        f"check the name, or name the channel that has it with -c (searched: {world.channel_url})"
    )


def test_a_conda_version_that_does_not_exist(world: World) -> None:
    world.python("3.12.1")
    error = explained(world, ["python 3.11.*"], [])
    assert error.what == (
        "you asked for python 3.11.*, and the only version of python on the channels is 3.12.1"
    )


def test_a_pypi_version_that_does_not_exist(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    error = explained(world, [], ["app>=2"])
    assert error.what == "you asked for app>=2, and the only version of app is 1.0"


def test_what_is_found_out_of_one_project_does_not_take_the_place_of_another(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0", ["lib"])
    world.wheel("app", "2.0", ["nosuchthing"])
    world.wheel("lib", "1.0", tags="cp312-cp312-win_amd64")
    error = explained(world, [], ["app"])
    assert error.what.startswith("lib has no file that can be used: ")
    assert [cause.partition(" on ")[0] for cause in error.causes[1:]] == ["no project nosuchthing"]


def test_no_wheel_for_the_platform(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0", tags="cp312-cp312-win_amd64")
    error = explained(world, [], ["app"])
    assert error.what.startswith("app has no file that can be used: app-1.0-cp312-cp312-win_amd64.whl ")
    assert "Windows" in error.what


def test_python_is_too_new(world: World) -> None:
    world.python("3.13.1")
    world.wheel("app", "1.0", requires_python="<3.12")
    error = explained(world, [], ["app"])
    assert error.what == ("app has no file that can be used: app-1.0-py3-none-any.whl needs Python <3.12")


def test_glibc_is_too_old(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0", tags="cp312-cp312-manylinux_2_39_x86_64")
    error = explained(world, [], ["app"])
    assert "glibc 2.39" in error.what


def test_every_file_was_yanked(world: World) -> None:
    world.python("3.12.1")
    gone = world.wheel("app", "1.0")
    world.page_options = {"yanked": {gone.name: "leaks"}}
    error = explained(world, [], ["app"])
    assert error.what == (
        "app has no file that can be used: app-1.0-py3-none-any.whl was yanked: leaks (only == admits it)"
    )


def test_a_conflict_across_the_two_sides_names_both(world: World) -> None:
    world.python("3.12.1")
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("numpy", "1.26.4")
    world.wheel("model", "1.0", ["numpy<2"])
    error = explained(world, ["python", "numpy"], ["model"])
    assert error.what == (
        "PyPI's model 1.0 needs numpy<2, which has to come as a wheel, but conda's numpy is asked for too"
    )
    assert error.reasons.splitlines() == [
        "these cannot be had together:",
        "├─ numpy, for which there is",
        "│  └─ numpy 2.1.0",
        "└─ model (PyPI), for which nothing fits:",
        "   └─ model 1.0 (PyPI) needs",
        "      └─ numpy<2 (PyPI), for which nothing fits:",
        "         └─ numpy 1.26.4 (PyPI) needs",
        "            └─ no conda numpy beside the wheel, but that is asked for too",
    ]


def test_a_version_that_exists_but_not_for_this_python(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    world.wheel("app", "2.0", tags="cp311-cp311-manylinux_2_17_x86_64")
    error = explained(world, [], ["app==2.0"])
    assert error.what == (
        "app==2 has no file that can be used: "
        "app-2.0-cp311-cp311-manylinux_2_17_x86_64.whl is for CPython 3.11, not CPython 3.12"
    )


def test_a_dependency_that_exists_but_not_for_this_python(world: World) -> None:
    world.python("3.12.1")
    world.wheel("lib", "1.0")
    world.wheel("lib", "2.0", requires_python="<3.12")
    world.wheel("app", "1.0", ["lib>=2"])
    error = explained(world, [], ["app"])
    assert error.what == ("lib>=2 has no file that can be used: lib-2.0-py3-none-any.whl needs Python <3.12")


def test_two_sides_of_pypi_that_disagree(world: World) -> None:
    world.python("3.12.1")
    for version in ("1.0", "2.0"):
        world.wheel("lib", version)
    world.wheel("model", "1.0", ["lib<2"])
    error = explained(world, [], ["model", "lib>=2"])
    assert error.what == ("PyPI's model 1.0 needs lib<2, and lib>=2, which you asked for, rules it out")


def test_a_wheel_whose_dependency_is_a_url(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0", ["lib @ https://files.example/lib-1.0-py3-none-any.whl"])
    error = explained(world, [], ["app"])
    assert error.what == (
        "app has no file that can be used: app-1.0-py3-none-any.whl depends on a URL (lib @ ...), "
        "which only the user may ask for"
    )


def test_an_extra_of_a_conda_package_that_no_release_describes(world: World) -> None:
    world.python("3.12.1")
    world.conda("app", "1.0", ["python"])
    world.wheel("app", "1.1a1")
    error = explained(world, [], ["app[fast]"])
    assert error.what == (
        "you asked for app[fast], and there is conda's app 1.0 alone: no release of app on an index says "
        "what its extra needs"
    )


@pytest.mark.parametrize(
    ("spec", "versions"),
    [
        (">=3.11,<3.12.0a0", ["3.11", "3.12.0a0"]),
        ("3.12.* *_cp312", ["3.12"]),
        ("=2.5=cpu_0", ["2.5"]),
        ("1!2.0|~=3.0", ["1!2.0", "3.0"]),
        ("*", []),
        (">=", []),
        ("", []),
    ],
)
def test_versions_that_a_spec_names(spec: str, versions: list[str]) -> None:
    assert versions_in(spec) == versions


@pytest.mark.parametrize("spec", ["lib =2=x", "lib >= 2", "lib >=2 foo bar", "lib >=2.x!y", "lib ==2|3 *a*"])
def test_requirements_of_records_in_any_spelling_are_told(world: World, spec: str) -> None:
    world.conda("lib", "1.0")
    world.conda("lib", "1.1")
    world.conda("app", "1.0", [spec])
    assert "app" in explained(world, ["app"], []).what
