from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conjoin.errors import IntegrityError, NotFound, Unreachable, UsageError
from conjoin.lock.format import write_lock
from conjoin.lock.model import Lock
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.link.wheel_listing import INSTALLERS_OWN
from conjoin.prefix.prefix import read_marker
from conjoin.prefix.verify import verify
from conjoin.spec.requirements import Credential
from conjoin.store.store import Store
from hydrating import (
    BASE,
    conda_packages,
    dying_processes,
    hydrating_process,
    lock_of,
    locked_wheel,
    neighbours,
    output,
    tree,
)
from loopback import LoopbackServer
from worlds import make_wheel


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store and cache that the tests of this module share: most of them are about prefixes."""
    home = tmp_path_factory.mktemp("shared")
    return {"CONJOIN_STORE": str(home / "store"), "CONJOIN_CACHE": str(home / "cache")}


@pytest.fixture
def shared_home(places: dict[str, str], isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable, place in places.items():
        monkeypatch.setenv(variable, place)
    return isolated_home


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return [
        make_wheel(folder, "plain", "1.0", entry_points={"plain-tool": "plain:main"}),
        make_wheel(
            folder,
            "Rich.Data",
            "2.0+local",
            ["plain"],
            scripts={"rich-script": "#!python\nimport sys\nprint(sys.prefix)\n"},
            data={"share/rich/data.txt": "data\n"},
        ),
    ]


@pytest.fixture(scope="module")
def mixed(forged_channel: Path, wheels: list[Path]) -> Lock:
    return lock_of([*conda_packages(forged_channel), *map(locked_wheel, wheels)])


@pytest.fixture
def prefix(mixed: Lock, shared_home: Path) -> Path:
    return hydrate(mixed)


def test_a_prefix_runs_python_scripts_and_programs_of_both_ecosystems(prefix: Path, mixed: Lock) -> None:
    assert prefix.name == f"metaflow_{mixed.req_id}_{mixed.full_id}"
    assert output(prefix / "bin/python", "-c", "import sys; print(sys.prefix)") == str(prefix)
    assert output(prefix / "bin/tinyapp") == "tinyapp 1.0 with tinylib 1.0"
    assert output(prefix / "bin/plain-tool") == "plain 1.0"
    assert output(prefix / "bin/rich-script") == str(prefix)
    assert (prefix / "share/rich/data.txt").read_text() == "data\n"
    if (prefix / "bin/forgedemo").exists():
        assert str(prefix) in output(prefix / "bin/forgedemo").splitlines()
    else:
        assert not any(each.name == "forgedemo" for each in conda_packages_of(mixed))


def conda_packages_of(lock: Lock) -> list[object]:
    return [each for locked in lock.platforms.values() for each in locked.packages if each.kind == "conda"]


def test_pip_sees_the_packages_of_both_ecosystems_and_no_conflict(prefix: Path) -> None:
    from uv import find_uv_bin

    listed = json.loads(
        output(find_uv_bin(), "pip", "list", "--format", "json", "--python", prefix / "bin/python")
    )
    assert {each["name"]: each["version"] for each in listed} == {
        "plain": "1.0",
        "rich-data": "2.0+local",
        "tinyapp": "1.0",
        "tinylib": "1.0",
    }
    output(find_uv_bin(), "pip", "check", "--python", prefix / "bin/python")


def test_a_prefix_names_no_place_of_the_machine_that_made_it(prefix: Path, places: dict[str, str]) -> None:
    strangers = [place.encode() for place in places.values()]
    leaking = [
        path.relative_to(prefix)
        for path in prefix.rglob("*")
        if path.is_file() and any(place in path.read_bytes() for place in strangers)
    ]
    assert leaking == []
    assert not list(prefix.rglob("uv_cache.json"))
    assert not list(prefix.rglob("direct_url.json"))
    assert not (prefix / "CACHEDIR.TAG").exists()


def test_a_wheel_made_of_what_was_installed_somewhere(
    forged_channel: Path, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has what its installer wrote there; ours writes its own."""
    notes = {f"repacked-1.0.dist-info/{name}": f"{name} of elsewhere\n" for name in INSTALLERS_OWN}
    wheel = make_wheel(tmp_path, "repacked", "1.0", files={"repacked.py": "", **notes})
    lock = lock_of([*conda_packages(forged_channel), locked_wheel(wheel)])
    monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / "cache"))
    first, second = (
        hydrate(lock, options=HydrateOptions(prefix=tmp_path / name)) for name in ("first", "second")
    )
    [info] = first.glob("lib/python*/site-packages/repacked-1.0.dist-info")
    assert {path.name for path in info.iterdir()} == {"METADATA", "WHEEL", "RECORD", "INSTALLER", "REQUESTED"}
    assert (info / "INSTALLER").read_text() == "uv"
    assert verify(first) == verify(second) == []
    rows = (info / "RECORD").read_text().splitlines()
    assert len({row.partition(",")[0] for row in rows}) == len(rows)
    assert (info / "RECORD").read_bytes() == (second / info.relative_to(first) / "RECORD").read_bytes()


def test_conda_meta_names_the_real_origin(prefix: Path, mixed: Lock) -> None:
    records = {p.stem: json.loads(p.read_text()) for p in (prefix / "conda-meta").glob("*.json")}
    assert {record["url"] for record in records.values()} == {each.url for each in conda_packages_of(mixed)}
    assert all(path.stat().st_mode & 0o044 for path in (prefix / "conda-meta").glob("*.json"))


def test_every_file_belongs_to_a_package(prefix: Path) -> None:
    assert verify(prefix) == []
    known = {"conda-meta/conjoin", "conda-meta/history"}
    for path in (prefix / "conda-meta").glob("*.json"):
        known |= {path.relative_to(prefix).as_posix(), *json.loads(path.read_text())["files"]}
    for record in prefix.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        site = record.parent.parent
        rows = [line.split(",")[0] for line in record.read_text().splitlines()]
        known |= {Path(os.path.normpath(site / row)).relative_to(prefix).as_posix() for row in rows}
    files = {p.relative_to(prefix).as_posix() for p in prefix.rglob("*") if p.is_symlink() or p.is_file()}
    assert files - known == set()


def test_a_complete_prefix_is_returned_at_once_without_store_cache_or_network(
    prefix: Path, mixed: Lock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "none"))
    monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / "none"))
    before = (prefix / "conda-meta/conjoin").stat().st_mtime_ns
    assert hydrate(mixed, options=HydrateOptions(offline=True)) == prefix
    assert (prefix / "conda-meta/conjoin").stat().st_mtime_ns == before
    assert not (tmp_path / "none").exists()


def test_the_same_lock_gives_the_same_tree_in_another_home(
    mixed: Lock, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "prefix"
    hydrate(mixed, options=HydrateOptions(prefix=target))
    first = tree(target)
    target.rename(tmp_path / "aside")
    for variable in ("CONJOIN_STORE", "CONJOIN_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / f"another-{variable}"))
    hydrate(mixed, options=HydrateOptions(prefix=target))
    assert tree(target) == first


def test_users_settings_for_installers_change_nothing(
    mixed: Lock, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tree(hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "p")))
    shutil.move(tmp_path / "p", tmp_path / "aside")
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    monkeypatch.setenv("UV_INDEX_URL", "https://nowhere.example/simple")
    monkeypatch.setenv("UV_LINK_MODE", "symlink")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "target"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uv.toml").write_text('no-binary-package = ["plain"]\n')
    assert tree(hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "p"))) == plain


def test_a_name_is_a_folder_of_envs_and_changes_with_the_environment(
    mixed: Lock, forged_channel: Path, shared_home: Path
) -> None:
    first = hydrate(mixed, options=HydrateOptions(name="work"))
    assert first == shared_home / "envs/named/work"
    smaller = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    assert hydrate(smaller, options=HydrateOptions(name="work")) == first
    assert not (first / "bin/python").exists()
    marker = read_marker(first)
    assert marker is not None
    assert marker.full_id == smaller.full_id
    assert neighbours(first) == set()


def test_a_folder_that_is_not_ours_is_refused(mixed: Lock, tmp_path: Path, shared_home: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("all of it")
    with pytest.raises(UsageError, match="something else"):
        hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "mine"))
    assert tree(tmp_path / "mine").keys() == {"thesis.tex"}
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no folder"):
        hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "file"))


def test_an_empty_folder_is_used(forged_channel: Path, tmp_path: Path, shared_home: Path) -> None:
    (tmp_path / "empty").mkdir()
    lock = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    assert (hydrate(lock, options=HydrateOptions(prefix=tmp_path / "empty")) / "conda-meta/conjoin").exists()


@pytest.mark.parametrize("name", ["with:colon", 'with"quote', "with$dollar", "with\nnewline", "x" * 250])
def test_a_path_that_scripts_or_binaries_cannot_hold_is_refused_before_anything(
    mixed: Lock, tmp_path: Path, isolated_home: Path, name: str
) -> None:
    with pytest.raises(UsageError):
        hydrate(mixed, options=HydrateOptions(prefix=tmp_path / name))
    assert list(tmp_path.iterdir()) == []
    assert not (isolated_home / "store").exists()


def test_a_path_with_a_space_works(mixed: Lock, tmp_path: Path, shared_home: Path) -> None:
    prefix = hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "my env"))
    assert output(prefix / "bin/tinyapp") == "tinyapp 1.0 with tinylib 1.0"
    assert output(prefix / "bin/plain-tool") == "plain 1.0"


def test_a_prefix_of_200_bytes_works(mixed: Lock, tmp_path: Path, shared_home: Path) -> None:
    prefix = tmp_path / ("x" * (200 - len(str(tmp_path)) - 1))
    hydrate(mixed, options=HydrateOptions(prefix=prefix))
    assert output(prefix / "bin/tinyapp") == "tinyapp 1.0 with tinylib 1.0"
    assert output(prefix / "bin/plain-tool") == "plain 1.0"


def test_another_platforms_environment_is_not_found(mixed: Lock, shared_home: Path) -> None:
    from conjoin.lock.identity import make_lock

    (locked,) = mixed.platforms.values()
    other = make_lock(mixed.requirements, mixed.req_id, {"linux-s390x": locked})
    with pytest.raises(NotFound, match="only for linux-s390x"):
        hydrate(other)


@pytest.mark.parametrize(
    "case", list(itertools.product(("origin", "store"), ("flipped", "cut"), ("tinylib", "plain")))
)
def test_damaged_bytes_are_refused_and_nothing_is_installed(
    forged_channel: Path, wheels: list[Path], isolated_home: Path, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    where, damage, victim = case
    channel = tmp_path / "channel"
    shutil.copytree(forged_channel, channel)
    plain = Path(shutil.copy(wheels[0], tmp_path))
    lock = lock_of([*conda_packages(channel, names=("tinylib", *BASE)), locked_wheel(plain)])
    (package,) = [
        each for locked in lock.platforms.values() for each in locked.packages if each.name == victim
    ]
    origin = plain if victim == "plain" else channel / package.subdir / package.file
    if where == "store":
        store = Store()
        store.packages.put(package.sha256, package.file, [origin.read_bytes()])
        origin = store.packages.path(package.sha256, package.file)
    content = origin.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    origin.write_bytes(flipped if damage == "flipped" else content[:middle])
    with pytest.raises(IntegrityError) as caught:
        hydrate(lock)
    assert caught.value.exit_code == 5
    assert package.file in str(caught.value)
    envs = isolated_home / "envs"
    assert not envs.exists() or list(envs.iterdir()) == []


def test_what_the_store_has_needs_no_origin(
    forged_channel: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with LoopbackServer(forged_channel) as server:
        lock = lock_of(conda_packages(forged_channel, server.url, names=BASE))
        hydrate(lock)
    monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / "another-cache"))
    assert output(
        hydrate(lock, options=HydrateOptions(name="again", offline=True)) / "bin/tinyapp"
    ).startswith("tinyapp")


def test_offline_names_what_is_missing(mixed: Lock, isolated_home: Path) -> None:
    with pytest.raises(Unreachable, match="nothing may be fetched offline"):
        hydrate(mixed, options=HydrateOptions(offline=True))
    assert not list((isolated_home / "envs").iterdir())


def test_credentials_are_sent_and_appear_nowhere(forged_channel: Path, isolated_home: Path) -> None:
    with LoopbackServer(forged_channel, auth=("user", "secret-word")) as server:
        lock = lock_of(conda_packages(forged_channel, server.url, names=("python_abi",)))
        with pytest.raises(Unreachable, match="401"):
            hydrate(lock)
        prefix = hydrate(
            lock, options=HydrateOptions(credentials=[Credential(server.url, "user", "secret-word")])
        )
    for path in (*isolated_home.rglob("*"), *prefix.rglob("*")):
        assert not path.is_file() or b"secret-word" not in path.read_bytes()


@pytest.mark.parametrize("edit", ["longer", "of the same size", "shorter"])
def test_an_edit_of_a_linked_file_does_not_reach_other_prefixes(
    mixed: Lock, tmp_path: Path, isolated_home: Path, edit: str
) -> None:
    first = hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "first"))
    (conda,) = first.glob("lib/python*/site-packages/tinylib/__init__.py")
    (wheel,) = first.glob("lib/python*/site-packages/plain/__init__.py")
    for path in (conda, wheel):
        size = path.stat().st_size
        text = {"longer": "#" * (size + 1), "of the same size": "#" * size, "shorter": "#"}[edit]
        path.write_text(text)  # in place, as editors do: the same inode as in the caches
    for number in range(2):  # what was mended is not damaged the next time
        later = hydrate(mixed, options=HydrateOptions(prefix=tmp_path / f"later-{number}"))
        assert verify(later) == []
        assert output(later / "bin/tinyapp") == "tinyapp 1.0 with tinylib 1.0"
        assert output(later / "bin/plain-tool") == "plain 1.0"


def test_a_damaged_cache_entry_is_extracted_again(mixed: Lock, tmp_path: Path, isolated_home: Path) -> None:
    hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "first"))
    entries = list((isolated_home / "cache/conda").glob("*/*/pkg/site-packages/tinylib/__init__.py"))
    assert len(entries) == 1
    entries[0].unlink()
    second = hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "second"))
    assert output(second / "bin/tinyapp") == "tinyapp 1.0 with tinylib 1.0"


def test_hydrating_works_where_a_loop_is_running_as_in_notebooks(
    forged_channel: Path, shared_home: Path
) -> None:
    import asyncio

    async def cell() -> Path:
        return hydrate(lock_of(conda_packages(forged_channel, names=("python_abi",))))

    assert (asyncio.run(cell()) / "conda-meta").is_dir()


def test_processes_that_hydrate_one_environment_at_once_make_it_once(
    mixed: Lock, tmp_path: Path, isolated_home: Path
) -> None:
    write_lock(tmp_path / "lock.json", mixed)
    target = tmp_path / "envs" / "one"
    running = [hydrating_process(tmp_path / "lock.json", target) for _ in range(4)]
    results = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, results
    assert {stdout.strip() for stdout, _ in results} == {str(target)}
    assert verify(target) == []
    assert neighbours(target) == set()


def test_processes_that_hydrate_from_one_cold_cache_at_once_get_equal_trees(
    mixed: Lock, tmp_path: Path, isolated_home: Path
) -> None:
    write_lock(tmp_path / "lock.json", mixed)
    # Equal lengths and one final path: what embeds the prefix is compared as well.
    targets = [tmp_path / f"env{number}" for number in range(4)]
    running = [hydrating_process(tmp_path / "lock.json", target) for target in targets]
    results = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, results
    names = [tree(target).keys() for target in targets]
    assert all(each == names[0] for each in names)
    assert [verify(target) for target in targets] == [[]] * 4
    leftovers = [path for path in (isolated_home / "cache/conda").rglob(".*") if path.is_dir()]
    assert leftovers == []


def test_what_was_left_beside_a_complete_prefix_is_collected(
    forged_channel: Path, tmp_path: Path, shared_home: Path
) -> None:
    lock = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    prefix = hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env"))
    for name in (".env.work", ".env.trash-killed", ".env2.work"):
        (tmp_path / name / "folder").mkdir(parents=True)
    (tmp_path / ".env.lock").touch()
    hydrate(lock, options=HydrateOptions(prefix=prefix))
    assert neighbours(prefix) == {".env2.work"}


@pytest.mark.slow
@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.scale)])
def test_killed_before_any_of_its_changes_the_next_run_completes(
    step: int, forged_channel: Path, tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    write_lock(tmp_path / "lock.json", lock)
    expected = None
    with dying_processes(tmp_path / "lock.json") as die:
        for change in range(0, 500, step):
            world = tmp_path / f"world{change}"
            world.mkdir()
            places = {"CONJOIN_STORE": str(world / "store"), "CONJOIN_CACHE": str(world / "cache")}
            for variable, place in places.items():
                monkeypatch.setenv(variable, place)
            status = die(world / "env", world, change, **places)
            assert status in (0, -signal.SIGKILL)
            assert hydrate(lock, options=HydrateOptions(prefix=world / "env")) == world / "env"
            expected = expected or tree(world / "env")
            assert tree(world / "env") == expected, change
            assert neighbours(world / "env") == {"store", "cache"}, change
            assert verify(world / "env") == []
            if status == 0:
                break
    assert status == 0
    assert change > 20


def test_a_prefix_that_cannot_be_moved_is_emptied(
    forged_channel: Path, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lock_of(conda_packages(forged_channel, names=("python_abi", "tinylib", "python")))
    second = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    mount = hydrate(first, options=HydrateOptions(prefix=tmp_path / "mount"))
    inode = mount.stat().st_ino
    (mount / "bin/mine").write_text("goes with the environment it was put in")
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if path == mount:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    hydrate(second, options=HydrateOptions(prefix=mount))
    assert verify(mount) == []
    assert mount.stat().st_ino == inode
    assert {path.name for path in mount.iterdir()} == {"conda-meta"}
    assert neighbours(mount) == set()


def test_a_prefix_whose_maker_died_before_its_first_file_is_ours(
    forged_channel: Path, tmp_path: Path, shared_home: Path
) -> None:
    lock = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    (tmp_path / "env/conda-meta").mkdir(parents=True)
    (tmp_path / "env/conda-meta/.x.part").touch()
    assert verify(hydrate(lock, options=HydrateOptions(prefix=tmp_path / "env"))) == []


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, pytest.param(15, marks=pytest.mark.scale)])
def test_killed_at_any_moment_the_next_run_completes(
    kills: int, forged_channel: Path, wheels: list[Path], tmp_path: Path, isolated_home: Path
) -> None:
    with LoopbackServer(forged_channel) as server:
        lock = lock_of([*conda_packages(forged_channel, server.url), *map(locked_wheel, wheels)])
        write_lock(tmp_path / "lock.json", lock)
        durations = {}
        for cold in (True, False):
            started = time.monotonic()
            assert hydrating_process(tmp_path / "lock.json", tmp_path / "env").wait() == 0
            durations[cold] = time.monotonic() - started
            expected = tree(tmp_path / "env")
            (tmp_path / "env").rename(tmp_path / f"reference-{cold}")
        shutil.copytree(tmp_path / "reference-True", tmp_path / "env", symlinks=True)
        killed_at_work = 0
        for attempt in range(kills):
            aside = tmp_path / f"aside-{attempt}"
            aside.mkdir()
            (tmp_path / "env").rename(aside / "env")
            cold = attempt % 3 == 0
            if cold:
                for place in ("store", "cache"):
                    (isolated_home / place).rename(aside / place)
            victim = hydrating_process(tmp_path / "lock.json", tmp_path / "env")
            # From Python's own start to the end: an even spread meets every step.
            time.sleep(durations[cold] * (attempt + 1) / (kills + 1))
            if victim.poll() is None:
                killed_at_work += 1
            else:
                durations[cold] *= 0.6  # the machine was busier when it was measured
            victim.kill()
            victim.communicate()
            marker = read_marker(tmp_path / "env")
            if marker is not None and marker.complete:
                assert tree(tmp_path / "env") == expected
            rescuer = hydrating_process(tmp_path / "lock.json", tmp_path / "env")
            _, errors = rescuer.communicate(timeout=600)
            assert rescuer.returncode == 0, errors
            assert tree(tmp_path / "env") == expected, attempt
            assert verify(tmp_path / "env") == []
            assert not [n for n in neighbours(tmp_path / "env") if n.startswith(".env")]
        assert killed_at_work >= kills // 4


@pytest.mark.parametrize("variable", ["CONJOIN_CACHE", "CONJOIN_ENVS", "CONJOIN_STORE"])
def test_a_place_that_cannot_be_written_is_named(
    forged_channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file" / "folder"))
    with pytest.raises(Unreachable, match="cannot be") as caught:
        hydrate(lock_of(conda_packages(forged_channel, names=("python_abi",))))
    assert str(tmp_path / "file") in str(caught.value)


def test_a_failure_while_linking_leaves_nothing(
    mixed: Lock, tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conjoin.prefix.link.wheels import WheelLinker

    def fail(*arguments: object, **options: object) -> None:
        raise subprocess.SubprocessError("the disk is full")

    monkeypatch.setattr(WheelLinker, "link", fail)
    with pytest.raises(subprocess.SubprocessError):
        hydrate(mixed, options=HydrateOptions(prefix=tmp_path / "env"))
    assert list(tmp_path.iterdir()) == []
