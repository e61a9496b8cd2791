"""The joint solve on small worlds: what may be chosen, who owns it, and what is preferred."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from conjoin.errors import NoSolution, Unreachable, UsageError
from solving import World
from worlds import make_wheel, rewrite_zip


def test_it_backtracks_over_conda_for_what_pypi_needs(world: World) -> None:
    world.python("3.12.1")
    world.conda("numpy", "1.26.4", ["python >=3.12,<3.13"])
    world.conda("numpy", "2.1.0", ["python >=3.12,<3.13"])
    world.wheel("model", "1.0", ["numpy<2"])
    solved = world.solve(["python", "numpy"], ["model"])
    assert solved.conda["numpy"] == "1.26.4"
    assert solved.wheels == {"model": "1.0"}


def test_python_itself_takes_part(world: World) -> None:
    world.python("3.11.9", "3.12.1", "3.13.0")
    world.wheel("fast", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64")
    assert world.solve(["python"], ["fast"]).python == "3.12.1"


def test_a_wheel_needs_a_glibc_that_the_target_has(world: World) -> None:
    world.python("3.12.1")
    world.wheel("fast", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64")
    world.wheel("fast", "2.0", tags="cp312-cp312-manylinux_2_35_x86_64")
    assert world.solve(pypi=["fast"]).wheels == {"fast": "1.0"}
    assert world.solve(pypi=["fast"], virtual_packages=["__glibc=2.36"]).wheels == {"fast": "2.0"}


def test_at_the_same_version_a_wanted_conda_package_beats_the_wheel(world: World) -> None:
    world.python("3.12.1")
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("numpy", "2.1.0")
    solved = world.solve(["python", "numpy"], ["numpy"])
    assert solved.wheels == {}
    assert solved.conda["numpy"] == "2.1.0"


def test_at_the_same_version_a_wheel_beats_a_conda_package_nobody_wants(world: World) -> None:
    world.python("3.12.1")
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("numpy", "2.1.0")
    solved = world.solve(["python"], ["numpy"])
    assert solved.wheels == {"numpy": "2.1.0"}
    assert "numpy" not in solved.conda


def test_a_higher_wheel_beats_a_lower_conda_package_nobody_wants(world: World) -> None:
    world.python("3.12.1")
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("numpy", "2.2.0")
    assert world.solve(["python"], ["numpy"]).wheels == {"numpy": "2.2.0"}


def test_one_distribution_has_one_owner(world: World) -> None:
    world.python("3.12.1")
    world.conda("requests", "2.31.0", ["python"])
    world.conda("needs-it", "1.0", ["requests"])
    world.wheel("requests", "2.32.0")
    world.wheel("app", "1.0", ["requests"])
    solved = world.solve(["python", "needs-it"], ["app"])
    assert solved.conda["requests"] == "2.31.0"
    assert solved.wheels == {"app": "1.0"}


def test_a_wheel_and_a_conda_package_of_one_distribution_never_stand_side_by_side(world: World) -> None:
    world.python("3.12.1")
    world.conda("requests", "2.31.0", ["python"])
    world.wheel("requests", "2.32.0")
    with pytest.raises(NoSolution) as caught:
        world.solve(["python", "requests"], ["requests>=2.32"])
    assert caught.value.exit_code == 3


def test_a_c_package_of_the_same_name_is_not_the_project(world: World) -> None:
    world.python("3.12.1")
    world.conda("zlibrary", "9.0")
    world.wheel("zlibrary", "1.0")
    solved = world.solve(["python", "zlibrary"], ["zlibrary"])
    assert solved.conda["zlibrary"] == "9.0"
    assert solved.wheels == {"zlibrary": "1.0"}


def test_a_purl_names_the_owner_whatever_its_conda_name(world: World) -> None:
    world.python("3.12.1")
    world.conda("odd-name", "1.5", ["python"], purls=["pkg:pypi/oddname"])
    world.wheel("oddname", "2.0")
    world.wheel("app", "1.0", ["oddname>=1"])
    solved = world.solve(["python", "odd-name"], ["app"])
    assert solved.wheels == {"app": "1.0"}
    assert solved.conda["odd-name"] == "1.5"


def test_conda_spellings_that_pep_440_calls_equal_share_a_bridge(world: World) -> None:
    world.python("3.12.1")
    world.conda("tool", "1.0", ["python", "missing"])
    world.conda("tool", "1.0.0", ["python"])
    assert world.solve(["python", "tool"], ["tool==1"]).conda["tool"] == "1.0.0"


def test_a_conda_version_that_is_not_pep_440_cannot_bridge(world: World) -> None:
    world.python("3.12.1")
    world.conda("tool", "2024a_custom", ["python"])
    with pytest.raises(NoSolution):
        world.solve(["python", "tool"], ["tool"])


@pytest.mark.parametrize(("target", "expected"), [("linux-64", "onlinux"), ("osx-arm64", "onmac")])
def test_markers_are_read_for_the_target(world: World, target: str, expected: str) -> None:
    world.python("3.12.1", subdir=target)
    world.wheel("app", "1.0", ["onlinux; sys_platform == 'linux'", "onmac; platform_machine == 'arm64'"])
    world.wheel("onlinux", "1.0")
    world.wheel("onmac", "1.0")
    assert set(world.solve(["python"], ["app"], platform=target).wheels) == {"app", expected}


def test_a_dependency_for_some_pythons_splits_the_wheel(world: World) -> None:
    world.python("3.10.1", "3.12.1")
    world.wheel("app", "1.0", ["backport; python_version < '3.11'"])
    world.wheel("backport", "1.0")
    assert world.solve(["python 3.10.*"], ["app"]).wheels == {"app": "1.0", "backport": "1.0"}
    assert world.solve(["python 3.12.*"], ["app"]).wheels == {"app": "1.0"}
    # Where it cannot be had, a Python without it is chosen.
    world.wheel("picky", "1.0", ["nowhere; python_version >= '3.11'"])
    assert world.solve(["python"], ["picky"]).python == "3.10.1"


def test_full_python_versions_are_exact_in_markers(world: World) -> None:
    world.python("3.12.0", "3.12.1")
    world.wheel("app", "1.0", ["nowhere; python_full_version >= '3.12.1'"])
    assert world.solve(["python"], ["app"]).python == "3.12.0"


def test_a_requirement_with_a_marker_counts_for_the_pythons_it_names(world: World) -> None:
    world.python("3.10.1", "3.12.1")
    world.wheel("old", "1.0")
    asked = ["old; python_version < '3.11'"]
    assert world.solve(["python 3.12.*"], asked).wheels == {}
    assert world.solve(["python 3.10.*"], asked).wheels == {"old": "1.0"}


def test_an_extra_adds_its_requirements(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0", extras={"fast": ["speed", "app[more]"], "more": ["rest"]})
    world.wheel("speed", "1.0")
    world.wheel("rest", "1.0")
    solved = world.solve(["python"], ["app[fast]"])
    assert set(solved.wheels) == {"app", "speed", "rest"}
    assert next(w.extras for w in solved.solution.wheels if w.name == "app") == ("fast", "more")


def test_an_extra_of_a_conda_package_reads_the_wheel_of_the_same_version(world: World) -> None:
    world.python("3.12.1")
    world.conda("app", "1.0", ["python"])
    world.conda("app", "2.0", ["python"])  # PyPI has no 2.0, so nobody knows what its extra needs
    world.wheel("app", "1.0", extras={"fast": ["speed"]})
    world.wheel("speed", "3.0")
    solved = world.solve(["python", "app"], ["app[fast]"])
    assert solved.conda["app"] == "1.0"
    assert solved.wheels == {"speed": "3.0"}


def test_an_extra_that_does_not_exist_is_a_warning(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    solved = world.solve(["python"], ["app[nothing]"])
    assert solved.wheels == {"app": "1.0"}
    assert solved.solution.warnings == ("app 1.0 has no extra 'nothing'",)


def test_prereleases_take_part_only_if_asked_for_or_alone(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    world.wheel("app", "2.0rc1")
    world.wheel("young", "1.0a1")
    assert world.solve(pypi=["app"]).wheels["app"] == "1.0"
    assert world.solve(pypi=["app>=2.0rc1"]).wheels["app"] == "2.0rc1"
    assert world.solve(pypi=["app"], prereleases=True).wheels["app"] == "2.0rc1"
    assert world.solve(pypi=["young"]).wheels["young"] == "1.0a1"


def test_a_prerelease_that_only_a_dependency_names_stays_out(world: World) -> None:
    world.python("3.12.1")
    world.wheel("lib", "1.0")
    world.wheel("lib", "2.0rc1")
    world.wheel("app", "1.0", ["lib>=2.0rc1"])
    with pytest.raises(NoSolution):
        world.solve(pypi=["app"])
    assert world.solve(pypi=["app", "lib>=2.0rc1"]).wheels["lib"] == "2.0rc1"


def test_a_yanked_file_takes_part_only_if_the_user_pins_it(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    gone = world.wheel("app", "2.0")
    world.page_options = {"yanked": {gone.name: "broken"}}
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}
    assert world.solve(pypi=["app==2.0"]).wheels == {"app": "2.0"}


def test_local_versions_follow_pep_440(world: World) -> None:
    world.python("3.12.1")
    world.wheel("torch", "2.0+cu116")
    world.wheel("torch", "2.0+cpu")
    assert world.solve(pypi=["torch==2.0"]).wheels["torch"] == "2.0+cu116"
    assert world.solve(pypi=["torch==2.0+cpu"]).wheels["torch"] == "2.0+cpu"


def test_requires_python_counts_even_if_only_the_metadata_tells(world: World) -> None:
    world.page_options = {"requires_python": False}
    world.python("3.10.1")
    for minor in range(10):
        world.wheel("app", f"1.{minor}", requires_python=">=3.10" if minor < 2 else ">=3.11")
    solved = world.solve(["python"], ["app"])
    assert solved.wheels == {"app": "1.1"}
    assert solved.rounds <= 2


def test_a_wheel_for_the_gil_needs_it_and_a_free_threaded_one_needs_its_absence(world: World) -> None:
    world.python("3.13.1", "3.13.1t")
    world.wheel("gil", "1.0", tags="cp313-cp313-manylinux_2_17_x86_64")
    world.wheel("stable", "1.0", tags="cp39-abi3-manylinux_2_17_x86_64")
    world.wheel("free", "1.0", tags="cp313-cp313t-manylinux_2_17_x86_64")
    world.wheel("pure", "1.0")

    def build(*pypi: str) -> str:
        solved = world.solve(["python"], list(pypi))
        return next(p.document["build"] for p in solved.solution.conda if p.name == "python")

    assert build("pure") == "h_100_cp313"
    assert build("gil", "pure") == "h_100_cp313"
    assert build("stable") == "h_100_cp313"
    assert build("free", "pure") == "h_0_cp313t"
    with pytest.raises(NoSolution):
        build("gil", "free")


def test_a_wheel_with_invalid_metadata_is_passed_over(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    broken = make_wheel(world.root / "broken", "app", "2.0")
    world.add(rewrite_zip(broken, {"app-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: other\n"}))
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}


def test_a_direct_wheel_replaces_the_project(world: World, tmp_path: Path) -> None:
    world.python("3.12.1")
    world.wheel("app", "2.0")
    mine = make_wheel(tmp_path / "mine", "app", "1.0+mine", ["lib"])
    world.wheel("lib", "1.0")
    solved = world.solve(pypi=[f"app @ {mine.as_uri()}"])
    assert solved.wheels == {"app": "1.0+mine", "lib": "1.0"}
    other = make_wheel(tmp_path / "other", "app", "1.1")
    with pytest.raises(NoSolution, match="two URLs"):
        world.solve(pypi=[f"app @ {mine.as_uri()}", f"app @ {other.as_uri()}"])


def test_a_dependency_on_a_url_makes_its_parent_unusable(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    world.wheel("app", "2.0", ["lib @ https://files.example/lib-1.0-py3-none-any.whl"])
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}


def test_constraints_bound_without_asking_and_overrides_replace(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0", ["lib<2"])
    for version in ("1.0", "1.5", "2.0"):
        world.wheel("lib", version)
    world.wheel("unasked", "1.0")
    assert world.solve(pypi=["app"], constraints=["lib<1.5", "unasked<9"]).wheels == {
        "app": "1.0",
        "lib": "1.0",
    }
    assert world.solve(pypi=["app"], overrides=["lib>=2"]).wheels == {"app": "1.0", "lib": "2.0"}


def test_hashes_the_user_gave_must_match(world: World) -> None:
    import hashlib

    world.python("3.12.1")
    old = world.wheel("app", "1.0")
    world.wheel("app", "2.0")
    digest = hashlib.sha256(old.read_bytes()).hexdigest()
    world.write()
    from conjoin.spec.build import build_requirements
    from conjoin.spec.readers.read_file import read_requirements

    listed = world.root / "requirements.txt"
    listed.write_text(f"app --hash=sha256:{digest}\n")
    from conjoin.solve.options import SolveOptions
    from conjoin.solve.request import solve_request

    requirements = build_requirements(
        sources=[read_requirements(listed)], channels=[world.channel_url], index_url=world.index_url
    )
    solution = solve_request(requirements, ["linux-64"], SolveOptions(cache_dir=world.root / "cache"))[
        "linux-64"
    ]
    assert [str(wheel.wheel.version) for wheel in solution.wheels] == ["1.0"]


def test_what_was_uploaded_later_does_not_exist(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    late = world.wheel("app", "2.0")
    world.page_options = {
        "format": "json",
        "upload_times": {"*": "2024-01-01T00:00:00Z", late.name: "2024-06-01T00:00:00Z"},
    }
    # Folders are read as HTML pages alone, so this index is served.
    from loopback import LoopbackServer

    world.write()
    with LoopbackServer(world.root / "index") as server:
        solved = world.solve(pypi=["app"], index_url=server.url, exclude_newer="2024-03-01")
    assert solved.wheels == {"app": "1.0"}


def test_an_index_without_upload_times_cannot_honour_a_date(world: World) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    with pytest.raises(Unreachable, match="upload times"):
        world.solve(pypi=["app"], exclude_newer="2024-03-01")


def test_another_version_control_system_is_refused_clearly(world: World) -> None:
    world.python("3.12.1")
    with pytest.raises(UsageError, match="git alone is supported"):
        world.solve(pypi=["app @ hg+https://code.example/app"])


def test_a_channel_named_for_one_package_is_searched_for_it(world: World) -> None:
    world.python("3.12.1")
    other = world.channel("other")
    world.conda("tool", "1.0", channel="channel")
    world.conda("tool", "2.0", channel="other")
    world.conda("elsewhere", "1.0", channel="other")
    solved = world.solve([f"{other.as_uri()}::tool", "python"])
    assert solved.conda["tool"] == "2.0"


def test_the_first_channel_hides_the_others_under_strict_priority(world: World) -> None:
    second = world.channel("second")
    world.conda("tool", "1.0", channel="channel")
    world.conda("tool", "2.0", channel="second")
    channels = [world.channel_url, second.as_uri()]
    assert world.solve(["tool"], channels=channels).conda == {"tool": "1.0"}
    assert world.solve(["tool"], channels=channels, channel_priority="disabled").conda == {"tool": "2.0"}


def test_an_index_that_is_down_is_no_missing_project(world: World) -> None:
    world.python("3.12.1")
    with pytest.raises(Unreachable) as caught:
        world.solve(pypi=["app"], index_url="http://127.0.0.1:9/simple")
    assert caught.value.exit_code == 4


def test_a_channel_that_does_not_exist_is_named(world: World) -> None:
    with pytest.raises(Unreachable, match="nowhere"):
        world.solve(["tool"], channels=[(world.root / "nowhere").as_uri()])


def test_the_answer_does_not_depend_on_the_order_of_typing(world: World) -> None:
    world.python("3.11.1", "3.12.1")
    for name in ("a", "b", "c", "d"):
        world.conda(name, "1.0", ["python"])
        for version in ("1.0", "1.1", "2.0"):
            world.wheel(name, version, [f"{other}<2" for other in "abcd" if other > name])
    conda, pypi = ["python", "a", "c"], ["b", "d", "a>=1", "c"]
    answers = set()
    for seed in range(6):
        shuffle = random.Random(seed)
        solved = world.solve(shuffle.sample(conda, len(conda)), shuffle.sample(pypi, len(pypi)))
        answers.add((tuple(sorted(solved.conda.items())), tuple(sorted(solved.wheels.items()))))
    assert len(answers) == 1


def test_a_family_in_lockstep_does_not_unroll_release_by_release(world: World) -> None:
    world.python("3.12.1")
    count = 150
    for number in range(count):
        world.wheel("core", f"1.{number}.0")
        world.wheel("front", f"1.{number}.0", [f"core>=1.{number}.0,<1.{number + 1}.0"])
    world.wheel("middle", "1.0", ["core<1.20"])
    solved = world.solve(pypi=["front", "middle"])
    assert solved.wheels["front"] == "1.19.0"
    assert solved.rounds <= 6


def test_what_is_expected_of_unread_releases_never_hides_a_solution(world: World) -> None:
    """Every release but the oldest is in lockstep; only the oldest fits."""
    world.python("3.12.1")
    for number in range(1, 12):
        world.wheel("core", f"1.{number}.0")
        world.wheel("front", f"1.{number}.0", [f"core=={1}.{number}.0"])
    world.wheel("front", "1.0.0", ["core"])
    world.wheel("rival", "1.0", ["core==1.5.0", "front<1.5"])
    assert world.solve(pypi=["front", "rival"]).wheels == {"front": "1.0.0", "core": "1.5.0", "rival": "1.0"}


def test_an_old_release_is_found_far_below_what_the_solver_is_shown_first(world: World) -> None:
    world.python("3.12.1")
    for number in range(60):
        # Only the oldest can live with the only release of base.
        world.wheel("app", f"1.{number}", ["base<2"] if number == 0 else ["base>=2"])
    world.wheel("base", "1.0")
    solved = world.solve(pypi=["app"])
    assert solved.wheels == {"app": "1.0", "base": "1.0"}
    assert solved.rounds <= 6


def test_several_platforms_are_solved_each_for_itself(world: World) -> None:
    world.python("3.12.1")
    world.python("3.12.1", subdir="osx-arm64")
    world.wheel("fast", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64")
    world.wheel("fast", "1.0", tags="cp312-cp312-macosx_11_0_arm64")
    solutions = world.solve_all(["python"], ["fast"], platforms=["linux-64", "osx-arm64"])
    files = {name: solution.wheels[0].wheel.filename for name, solution in solutions.items()}
    assert files == {
        "linux-64": "fast-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "osx-arm64": "fast-1.0-cp312-cp312-macosx_11_0_arm64.whl",
    }


def test_the_answer_does_not_depend_on_how_python_hashes(world: World) -> None:
    """Sets of names are iterated in another order under another seed; what is read first must not matter."""
    world.python("3.11.1", "3.12.1")
    names = [f"p{number}" for number in range(8)]
    for place, name in enumerate(names):
        for version in range(1, 6):
            wanted = [f"{other}<={version + 1}" for other in names[place + 1 : place + 4]]
            world.wheel(name, f"{version}.0", wanted, extras={"more": [f"{names[-1]}<{version + 2}"]})
    world.write()
    code = (
        "import sys, json; from pathlib import Path;"
        "from conjoin.spec.build import build_requirements as build;"
        "from conjoin.solve.options import SolveOptions;"
        "from conjoin.solve.request import solve_request as solve;"
        f"asked = build(pypi=['p0[more]', 'p1', 'p2'], channels=[{world.channel_url!r}],"
        f" index_url={world.index_url!r});"
        "found = solve(asked, ['linux-64'], SolveOptions(cache_dir=Path(sys.argv[1])))['linux-64'];"
        "print(json.dumps([wheel.wheel.filename for wheel in found.wheels]))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code, str(world.root / f"cache{seed}")],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(answers) == 1
    assert "p0-5.0-py3-none-any.whl" in answers.pop()
