"""``--prefer-conda``: what PyPI packages depend on comes from conda wherever it can."""

from __future__ import annotations

import pytest

from sdists import make_building_sdist
from solving import World


@pytest.fixture
def both(world: World) -> World:
    """numpy is newer on PyPI than in the channel."""
    world.python("3.12.1")
    for version in ("1.26", "2.0"):
        world.conda("numpy", version, ["python", "blas"])
    world.conda("blas", "3.9")
    for version in ("1.26", "2.0", "2.1"):
        world.wheel("numpy", version, extras={"test": ["checker"]})
    world.wheel("checker", "1.0")
    return world


def test_what_pypi_packages_depend_on_comes_from_conda_though_a_wheel_is_newer(both: World) -> None:
    both.wheel("model", "1.0", ["numpy>=1.20"])
    assert both.solve(["python"], ["model"]).wheels == {"model": "1.0", "numpy": "2.1"}
    solved = both.solve(["python"], ["model"], prefer_conda=True)
    assert solved.wheels == {"model": "1.0"}
    assert (solved.conda["numpy"], solved.conda["blas"]) == ("2.0", "3.9")


def test_a_version_that_conda_does_not_have_is_a_wheel(both: World) -> None:
    both.wheel("model", "1.0", ["numpy>=2.1"])
    solved = both.solve(["python"], ["model"], prefer_conda=True)
    assert solved.wheels == {"model": "1.0", "numpy": "2.1"}
    assert "numpy" not in solved.conda


def test_a_conda_package_that_cannot_be_had_beside_the_others_is_a_wheel(both: World) -> None:
    both.conda("blas", "4.0")
    both.conda("numpy", "2.0", ["python", "blas <4"], build="1", build_number=1)
    both.wheel("model", "1.0", ["numpy>=2"])
    solved = both.solve(["python", "blas >=4"], ["model"], prefer_conda=True)
    assert solved.conda["numpy"] == "2.0"  # the build that does not mind
    both.wheel("model", "2.0", ["numpy>2.0"])
    assert both.solve(["python", "blas >=4"], ["model"], prefer_conda=True).wheels == {
        "model": "2.0",
        "numpy": "2.1",
    }


def test_what_is_asked_of_pypi_by_name_is_as_good_as_condas(both: World) -> None:
    both.wheel("model", "1.0", ["numpy>=1.20"])
    solved = both.solve(["python"], ["model", "numpy"], prefer_conda=True)
    assert solved.wheels == {"model": "1.0", "numpy": "2.1"}


def test_extras_of_what_comes_from_conda(both: World) -> None:
    both.wheel("model", "1.0", ["numpy[test]"])
    solved = both.solve(["python"], ["model"], prefer_conda=True)
    assert solved.wheels == {"model": "1.0", "checker": "1.0"}
    assert solved.conda["numpy"] == "2.0"


def test_a_source_is_still_the_last_resort(both: World) -> None:
    both.add(make_building_sdist(both.root / "sdists", "tool", "2.0"))
    both.wheel("tool", "1.0")
    both.conda("tool", "0.5", ["python"])
    both.wheel("model", "1.0", ["tool"])
    solved = both.solve(["python"], ["model"], prefer_conda=True)
    assert (solved.conda["tool"], solved.wheels) == ("0.5", {"model": "1.0"})
    both.wheel("late", "1.0", ["tool>=1"])
    assert both.solve(["python"], ["late"], prefer_conda=True).wheels == {"late": "1.0", "tool": "1.0"}


def test_versions_stay_what_is_looked_at_where_nothing_is_preferred(both: World) -> None:
    both.wheel("model", "1.0", ["numpy"])
    assert both.solve(["python"], ["model"], prefer_conda=False).wheels == {"model": "1.0", "numpy": "2.1"}
