"""A bare container and a store: what it costs, what it makes, and what it says when something is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conjoin.api import Store
from conjoin.bootstrap import VERSION
from conjoin.lock.format import write_lock
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.prefix import Marker, read_marker
from conjoin.store.layout import package_key
from containers import Container, old_python
from hydrating import lock_of, output, tree


def test_a_bare_container_makes_what_hydrating_makes(container: Container, cloud_world_healed: Any) -> None:
    world = cloud_world_healed
    done = container.run(world.place, world.ids, "--prefix", "env", "--id-file", "_env_id")
    assert done.returncode == 0, done.stderr
    prefix = container.folder / "env"
    assert done.stdout == f"{prefix}\n"
    assert (container.folder / "_env_id").read_text() == f"{world.ids}\n"
    assert output(prefix / "bin" / "shelf") == "shelf 1.0"
    made = tree(prefix)
    other = hydrate(world.lock, options=HydrateOptions(prefix=prefix.parent / "ens"))
    assert {name for name, _ in made.items()} == set(tree(other))

    asked = world.s3.requests
    assert {method for method, _ in asked} == {"GET"}
    assert not any("list-type" in path or "prefix=" in path for _, path in asked)
    assert len(asked) < 20 + world.packages
    assert len(asked) <= 1 + 1 + 3 + world.packages


def test_a_node_that_has_everything_asks_for_what_may_have_changed(
    used_node: Container, cloud_world_healed: Any, tmp_path: Path
) -> None:
    world = cloud_world_healed
    done = used_node.run(world.place, "team/x:v1", "--prefix", tmp_path / "env")
    assert done.returncode == 0, done.stderr
    assert len(world.s3.requests) == 3  # the name, the lock, the toolkit
    world.s3.forget()
    lock = tmp_path / "lock.json"
    write_lock(lock, world.lock)
    done = used_node.run(world.place, lock, "--prefix", tmp_path / "env")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'env'}\n")
    assert world.s3.requests == []


def test_a_prefix_that_is_there_needs_no_package_again(
    node: Container, cloud_world_healed: Any, tmp_path: Path
) -> None:
    """An image may have it, without the cache it was made with."""
    world = cloud_world_healed
    words = (world.place, world.ids, "--prefix", "env")
    assert node.run(*words).returncode == 0
    shutil.rmtree(node.cache / "store")
    shutil.rmtree(node.cache / "conda")
    world.s3.forget()
    done = node.run(*words, "--id-file", "id")
    assert (done.returncode, (node.folder / "id").read_text()) == (0, f"{world.ids}\n")
    assert len(world.s3.requests) == 1  # the lock
    done = node.run(*words, "--", "shelf")
    assert (done.returncode, done.stdout) == (0, "shelf 1.0\n")
    assert world.s3.count("GET", "*/packages/*") == 0
    # Nor where the lock gained a platform since: what is there is taken over.
    platforms = {**world.lock.platforms, "osx-64": LockedPlatform(virtual_packages={}, packages=())}
    more = make_lock(world.lock.requirements, world.lock.req_id, platforms)
    write_lock(tmp_path / "more.lock", more)
    done = node.run(world.place, tmp_path / "more.lock", "--prefix", "env", "--id-file", "id")
    assert done.returncode == 0, done.stderr
    assert (node.folder / "id").read_text() == f"{more.req_id}:{more.full_id}\n"
    assert read_marker(node.folder / "env") == Marker.of(more, "linux-64")
    assert world.s3.count("GET", "*/packages/*") == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_a_python_without_wheels_is_brought_another(
    version: str, container: Container, cloud_world_healed: Any
) -> None:
    python = old_python(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    assert cloud_world_healed.made.packed_python
    container.python = python
    done = container.run(cloud_world_healed.place, cloud_world_healed.ids, "--", "shelf")
    assert (done.returncode, done.stdout) == (0, "shelf 1.0\n"), done.stderr
    assert len(cloud_world_healed.s3.requests) <= 7 + cloud_world_healed.packages


def test_one_file_of_the_store_is_enough(node: Container, cloud_world_healed: Any) -> None:
    """Without any code of ours: ``bootstrap.pyz``, and nothing on the path."""
    world = cloud_world_healed
    archive = node.folder / "bootstrap.pyz"
    archive.write_bytes(world.object("toolkit/bootstrap.pyz"))
    environment = node.environment() | {"PYTHONPATH": ""}
    command = [str(node.python), str(archive), world.place, world.ids, "-q", "--", "shelf"]
    done = subprocess.run(
        command, env=environment, cwd=node.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "shelf 1.0\n", "")


def test_a_command_is_run_in_the_environment_and_its_exit_code_is_its_own(
    used_node: Container, cloud_world_healed: Any, tmp_path: Path
) -> None:
    asked = "sys.prefix, os.environ['CONDA_PREFIX'], 'CONJOIN_STORE' in os.environ"
    code = f"import os, sys; print({asked}); sys.exit(7)"
    env = tmp_path / "env"
    done = used_node.run(
        cloud_world_healed.place, cloud_world_healed.ids, "--prefix", env, "--", "python", "-c", code
    )
    assert (done.returncode, done.stdout) == (7, f"{env} {env} False\n"), done.stderr


def package(world: Any, word: str) -> str:
    """Return the file name of a package."""
    [found] = [each.file for each in world.lock.platforms["linux-64"].packages if each.name == word]
    return found


FAULTS = {
    "a package that is missing": ("*{shelf}", "fail 404", 6),
    "a package that is damaged": ("*{tinyapp}", "corrupt", 5),
    "credentials that are expired": ("*", "fail 403", 4),
    "credentials that may not read a package": ("*{tinyapp}", "fail 403", 4),
    "a toolkit that is missing": ("*/toolkit/*", "fail 404", 6),
    "a lock that is missing": ("*/lock.json", "fail 404", 6),
    "a lock that is damaged": ("*/lock.json", "corrupt", 5),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_one_line_and_the_next_try_works_when_it_is_mended(
    case: str, node: Container, cloud_world_healed: Any, snapshot: Any
) -> None:
    world = cloud_world_healed
    pattern, fault, code = FAULTS[case]
    pattern = pattern.format(shelf=package(world, "shelf"), tinyapp=package(world, "tinyapp"))
    if fault == "corrupt":
        world.s3.corrupt(pattern, None)
    else:
        world.s3.fail(pattern, int(fault.split()[1]), None)
    words = (world.place, world.ids, "--prefix", "env", "--id-file", "_env_id")
    done = node.run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
    assert _masked(done.stderr, world) == snapshot
    assert not (node.folder / "env").exists()
    assert not (node.folder / "_env_id").exists()
    assert list(node.folder.rglob("*.part")) == []
    world.s3.heal()
    done = node.run(*words)
    assert done.returncode == 0, done.stderr


def test_what_was_deleted_or_damaged_in_the_store_is_mended_by_pushing(
    node: Container, cloud_world_healed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the message says: nothing but the store itself is changed here."""
    world = cloud_world_healed
    for variable, value in world.s3.environment().items():
        monkeypatch.setenv(variable, value)
    store = Store(world.place)
    lost, bad = (
        each for each in world.lock.platforms["linux-64"].packages if each.name in ("shelf", "tinyapp")
    )
    store.backend.delete(package_key(lost.sha256, lost.file))
    done = node.run(world.place, world.ids, "--prefix", "env")
    assert (done.returncode, "--check" in done.stderr) == (6, True)
    assert store.push(world.lock).sent == 0
    assert store.push(world.lock, check=True).sent == 1
    # The first run may have got some packages before it gave up.
    shutil.rmtree(node.cache / "store", ignore_errors=True)
    store.backend.put(package_key(bad.sha256, bad.file), b"x" * bad.size)
    try:
        done = node.run(world.place, world.ids, "--prefix", "env")
    finally:  # the store is that of other tests, too
        store.backend.delete(package_key(bad.sha256, bad.file))
        sent = store.push(world.lock, check=True).sent
    assert (done.returncode, "delete that object" in done.stderr) == (5, True)
    assert sent == 1
    assert node.run(world.place, world.ids, "--prefix", "env").returncode == 0


def _masked(text: str, world: Any) -> str:
    text = re.sub(r"sha256 [0-9a-f]{64}", "sha256 <hash>", text.replace(world.place, "<store>"))
    return re.sub(
        r"[0-9a-f]{40}:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{40}",
        "<id>",
        re.sub(r"packages/../", "packages/<aa>/", text),
    )


def test_a_store_that_cannot_be_reached(node: Container, cloud_world_healed: Any) -> None:
    node.variables = {**node.variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    node.code = _hurried(node)
    done = node.run(cloud_world_healed.place, cloud_world_healed.ids)
    assert done.returncode == 4
    assert "cannot be read (the connection is refused)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def _hurried(node: Container) -> Path:
    """Return a copy of the code that does not pause between tries."""
    code = node.folder / "code"
    shutil.copytree(node.code, code)
    module = code / "conjoin" / "bootstrap" / "download.py"
    module.write_text(module.read_text().replace("FIRST_PAUSE = 0.2", "FIRST_PAUSE = 0.001"))
    return code


@pytest.mark.parametrize("fault", ["503", "cut", "truncate"])
def test_bad_moments_pass_in_few_requests(fault: str, node: Container, cloud_world_healed: Any) -> None:
    world = cloud_world_healed
    if fault == "503":
        world.s3.fail("*", 503, 4)
    elif fault == "cut":
        world.s3.cut("*", 4)
    else:
        world.s3.truncate(f"*{package(world, 'python')}", 1_000_000, 2)
    done = node.run(world.place, world.ids, "--prefix", "env")
    assert done.returncode == 0, done.stderr
    assert len(world.s3.requests) <= 2 + world.packages + 4


def test_a_full_disk_is_one_line_and_nothing_is_half_made(node: Container, cloud_world_healed: Any) -> None:
    world = cloud_world_healed

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = node.run(world.place, world.ids, "--prefix", "env", preexec_fn=small_files)
    assert (done.returncode, done.stdout) == (4, "")
    assert "the disk is full; make room there" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(node.folder.rglob("*.part")) == []
    assert node.run(world.place, world.ids, "--prefix", "env").returncode == 0


def test_a_lock_that_names_the_container_s_python_uses_it_and_no_other(
    node: Container, cloud_world_healed: Any
) -> None:
    world = cloud_world_healed
    here = platform.python_version()
    abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
    [shelf] = [each for each in world.lock.platforms["linux-64"].packages if each.name == "shelf"]
    for version, code in ((here, 0), ("3.11.99", 6)):
        python = LockedPackage(
            kind="python",
            name="python",
            version=version,
            file=f"cpython-{version}-{abi}",
            implementation="cpython",
            abi=abi,
        )
        lock = node.folder / "lock.json"
        write_lock(lock, lock_of([python, shelf]))
        done = node.run(world.place, lock, "--prefix", f"env-{version}", "--", "shelf")
        assert done.returncode == code, done.stderr
    assert done.stderr == (
        f"conjoin: error: this host has no cpython 3.11.99 ({abi}), which the lock names; "
        "install it, or resolve again with --python-source channel\n"
    )


def write_changed(lock: Lock, path: Path, *more: LockedPackage) -> Path:
    """Write the lock with packages more."""
    [(platform, locked)] = lock.platforms.items()
    changed = LockedPlatform(virtual_packages={}, packages=(*locked.packages, *more))
    asked = {"scheme": 1, "changed": True}
    write_lock(path, make_lock(asked, requirements_id(asked), {platform: changed}))
    return path


def test_a_machine_that_lacks_something_is_told_before_anything_is_fetched(
    node: Container, cloud_world_healed: Any
) -> None:
    world = cloud_world_healed
    wheel = LockedPackage(
        kind="pypi", name="new", version="1", file="new-1-py3-none-manylinux_2_99_x86_64.whl", sha256="0" * 64
    )
    lock = write_changed(world.lock, node.folder / "lock.json", wheel)
    done = node.run(world.place, lock)
    assert done.returncode == 2
    assert f"{wheel.file} needs 2.99; use a newer image" in done.stderr
    assert world.s3.requests == []
    done = node.run(world.place, lock, "--platform", "linux-aarch64")
    assert done.returncode == 2
    assert "this machine is linux-64, the environment is for linux-aarch64" in done.stderr


def test_a_machine_without_a_gpu_is_told(node: Container, cloud_world_healed: Any) -> None:
    [some] = [
        each for each in cloud_world_healed.lock.platforms["linux-64"].packages if each.name == "tinylib"
    ]
    import msgspec

    cuda = msgspec.structs.replace(some, name="needs-cuda", dependencies=("__cuda >=12",))
    lock = write_changed(cloud_world_healed.lock, node.folder / "lock.json", cuda)
    done = node.run(cloud_world_healed.place, lock, "--prefix", "env")
    assert done.returncode == 2
    assert "needs-cuda needs __cuda >=12" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (node.folder / "env").exists()


def test_a_process_that_is_killed_leaves_what_the_next_one_completes(
    node: Container, cloud_world_healed: Any
) -> None:
    world = cloud_world_healed
    world.s3.delay(f"*{package(world, 'shelf')}", 3.0, 1)
    process = node.start(world.place, world.ids, "--prefix", "env", "--id-file", "_env_id")
    downloaded = node.cache / "store"
    until = time.monotonic() + 300
    while not list(downloaded.rglob("*.conda")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (node.folder / "_env_id").exists()
    world.s3.heal()
    done = node.run(world.place, world.ids, "--prefix", "env")
    assert done.returncode == 0, done.stderr
    assert output(node.folder / "env" / "bin" / "shelf") == "shelf 1.0"


def test_many_on_one_node_at_once_and_none_waits_for_another(
    node: Container, cloud_world_healed: Any
) -> None:
    """The first to ask for a package is let down; those beside it are ready before it goes on."""
    world = cloud_world_healed
    go_on = world.s3.hold(f"*{package(world, 'shelf')}", 1)
    prefixes = [node.folder / f"env{number}" for number in range(4)]
    processes = [node.start(world.place, world.ids, "--prefix", prefix) for prefix in prefixes]
    try:
        until = time.monotonic() + 300
        while (running := [each for each in processes if each.poll() is None]) and time.monotonic() < until:
            if len(running) == 1:
                break
            time.sleep(0.05)
        assert [each.poll() for each in processes].count(0) == 3
        assert running
        [held] = running
        assert held.poll() is None
    finally:
        go_on.set()
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    trees = [{name: facts[1] for name, facts in tree(prefix).items()} for prefix in prefixes]
    assert [set(each) for each in trees] == [set(trees[0])] * 4
    assert [output(prefix / "bin" / "shelf") for prefix in prefixes] == ["shelf 1.0"] * 4


def test_the_engine_sees_nothing_of_the_container(node: Container, cloud_world_healed: Any) -> None:
    """A package of the same name in the container, a broken one at that, is not what the engine imports."""
    trap = node.folder / "trap"
    trap.mkdir()
    for name in ("msgspec", "rattler", "uv"):
        (trap / f"{name}.py").write_text("raise SystemExit('this is the container\\'s')\n")
    node.variables = {**node.variables, "PYTHONPATH": f"{trap}{os.pathsep}{node.code}", "PYTHONHOME": ""}
    done = node.run(cloud_world_healed.place, cloud_world_healed.ids, "--prefix", "env")
    assert done.returncode == 0, done.stderr


def test_the_toolkit_s_description_names_what_is_there(cloud_world: Any) -> None:
    told = json.loads(cloud_world.object(f"toolkit/linux-64/{VERSION}.json"))
    assert {each["project"] for each in told["files"]} == {"msgspec", "py-rattler", "uv"}
    for each in told["files"]:
        content = cloud_world.object(f"toolkit/linux-64/files/{each['sha256']}/{each['file']}")
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (each["sha256"], each["size"])
