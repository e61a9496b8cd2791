"""``export --offline-bundle`` and ``import``: an environment for a machine without any network."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from object_stores import S3
from sdists import make_building_sdist
from solving import World as SolvingWorld


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world):
    """Become another user on another machine, from which nothing can be reached."""

    def move() -> None:
        world.channel.stop()
        world.index.stop()
        for variable in [name for name in os.environ if name.startswith(("CONJOIN_", "AWS_", "RATTLER_"))]:
            monkeypatch.delenv(variable)
        for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(variable, raising=False)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("LOGNAME", "somebody-else")
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, "http://127.0.0.1:9")  # whoever asks anybody gets no answer
            monkeypatch.delenv(variable.upper(), raising=False)

    return move


def test_what_one_exports_another_runs_without_any_network(
    called, conjoin, world, elsewhere, tmp_path: Path
) -> None:
    asked = world.asked
    resolved = json.loads(called("resolve", *asked, "--json", "--alias", "team/x:v1").stdout)
    ids = f"{resolved['req_id']}:{resolved['full_id']}"
    bundle = tmp_path / "x.bundle"
    exported = called("export", "team/x:v1", "--offline-bundle", bundle, "--json")
    assert exported.returncode == 0, exported.stderr
    said = json.loads(exported.stdout)
    packages = sum(map(len, resolved["platforms"].values()))
    assert said.pop("seconds") >= 0
    assert said == {
        "req_id": resolved["req_id"],
        "full_id": resolved["full_id"],
        "file": str(bundle),
        "platforms": list(resolved["platforms"]),
        "packages": packages,
        "bytes": bundle.stat().st_size,
    }
    elsewhere()
    imported = conjoin("import", bundle)
    assert (imported.returncode, imported.stdout) == (0, f"{ids}\n"), imported.stderr
    assert "add --alias team/x:v1" in imported.stderr
    assert conjoin("alias", "--list", "").stdout == ""
    ran = conjoin("run", "--offline", ids, "--", "reader")
    assert (ran.returncode, ran.stdout) == (0, "reader with tinylib 1.0\n"), ran.stderr
    # The request itself is known here now, too.
    again = conjoin("create", *asked, "--offline", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["full_id"] == resolved["full_id"]
    named = json.loads(conjoin("import", bundle, "--alias", "mine", "--json").stdout)
    assert named.pop("seconds") >= 0
    assert named == {
        "req_id": resolved["req_id"],
        "full_id": resolved["full_id"],
        "store": str(tmp_path / "elsewhere" / ".local" / "share" / "conjoin" / "store"),
        "alias": "mine:latest",
        "exported_as": "team/x:v1",
        "platforms": list(resolved["platforms"]),
        "received": 0,
        "present": packages,
        "bytes": named["bytes"],
    }
    assert conjoin("show", "mine").returncode == 0


def test_a_bundle_goes_from_a_team_s_store_to_another_one(
    called, world, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (f"s3://{s3.new_bucket()}/team" for _ in range(2))
    assert called("resolve", *world.asked, "--alias", "x:v1", "--store", one).returncode == 0
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "second"))
    world.channel.stop()
    world.index.stop()
    bundle = tmp_path / "x.bundle"
    assert called("export", "x:v1", "--offline-bundle", bundle, "--store", one).returncode == 0
    assert not (tmp_path / "second" / "packages").exists()
    done = called("import", bundle, "--store", other, "--alias", "y:v1")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "second" / "packages").exists()
    assert called("create", "y:v1", "--store", other).returncode == 0
    # With --offline, the local store stands in for an object store.
    s3.forget()
    assert called("import", bundle, "--store", other, "--offline").returncode == 0
    assert s3.requests == []
    assert called("alias", "--list", "").stdout == ""


def test_a_wheel_that_was_built_here_travels(called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = SolvingWorld(tmp_path)
    world.python("3.12.1")
    world.add(make_building_sdist(tmp_path / "sdists", "app", "1.0"))
    world.write()
    where = ["--channel", world.channel_url, "--index-url", world.index_url, "--platform", "linux-64"]
    made = called("resolve", "--pypi", "app", "--python", "3.12", *where, "--alias", "built")
    assert made.returncode == 0, made.stderr
    packages = json.loads(called("show", "built", "--json").stdout)["platforms"]["linux-64"]
    (app,) = [package for package in packages if package["name"] == "app"]
    store = Path(os.environ["CONJOIN_STORE"])
    wheel = next(store.rglob(app["file"]))
    # The world's conda packages are rows without bytes: a lock of the wheel alone will do.
    from conjoin.lock.format import read_lock, write_lock
    from conjoin.lock.identity import make_lock
    from conjoin.lock.model import LockedPlatform

    called("get", "built", "-o", tmp_path / "built.lock")
    lock = read_lock(tmp_path / "built.lock")
    kept = tuple(each for each in lock.platforms["linux-64"].packages if each.name == "app")
    only = make_lock(
        lock.requirements, lock.req_id, {"linux-64": LockedPlatform(virtual_packages={}, packages=kept)}
    )
    write_lock(tmp_path / "only.lock", only)
    exported = called(
        "export", tmp_path / "only.lock", "--offline-bundle", tmp_path / "x.bundle", "--offline"
    )
    assert exported.returncode == 0, exported.stderr
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "second"))
    assert called("import", tmp_path / "x.bundle").returncode == 0
    assert next((tmp_path / "second").rglob(app["file"])).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["export", "x"],
        ["export", "--offline-bundle", "x.bundle"],
        ["import"],
        ["import", "no-such.bundle"],
        ["import", "."],
        ["import", __file__],
    ],
    ids=lambda words: " ".join(Path(word).name for word in words),
)
def test_wrong_usage_is_refused(called, words: list[str]) -> None:
    assert called(*words).returncode == 2


def test_what_is_not_there_is_not_found(called, world, tmp_path: Path) -> None:
    bundle = tmp_path / "x.bundle"
    assert called("export", "no/such:v1", "--offline-bundle", bundle).returncode == 6
    called("resolve", *world.asked, "--alias", "x")
    wrong = called("export", "x", "--offline-bundle", bundle, "--platform", "win-64")
    assert (wrong.returncode, bundle.exists()) == (6, False)
    offline = called("export", "x", "--offline-bundle", bundle, "--offline")
    assert (offline.returncode, bundle.exists()) == (4, False)
    assert "drop --offline" in offline.stderr


def test_a_damaged_bundle_is_exit_code_5_and_a_taken_name_7(called, world, tmp_path: Path) -> None:
    bundle = tmp_path / "x.bundle"
    for name, more in (("one", ()), ("two", ("--pypi", "newer"))):
        called("resolve", *world.where, "--conda", "tinylib", *more, "--alias", f"{name}:v1")
    assert called("export", "one:v1", "--offline-bundle", bundle).returncode == 0
    assert called("import", bundle, "--alias", "two:v1").returncode == 7
    assert called("import", bundle, "--alias", "Not A Name").returncode == 2
    whole = bundle.read_bytes()
    for data, words in (
        (whole[:-700], f"it is cut off: {len(whole) - 700} of {len(whole)} bytes"),
        (whole[:-2000] + b"x" + whole[-1999:], "sha256 is"),
    ):
        bundle.write_bytes(data)
        done = called("import", bundle)
        assert (done.returncode, done.stdout) == (5, "")
        assert len(done.stderr.strip().splitlines()) == 2  # what is done, and why it failed
        assert words in done.stderr
        assert "copy it, or export it, again" in done.stderr


def test_a_full_disk_is_one_line(world, called, tmp_path: Path) -> None:
    called("resolve", *world.asked, "--alias", "x")
    bundle = tmp_path / "x.bundle"
    assert called("create", "x").returncode == 0  # the packages are here now
    done = subprocess.run(
        [sys.executable, "-m", "conjoin", "export", "x", "--offline-bundle", str(bundle)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "x.bundle: the disk is full; make room there" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir() if "x.bundle" in path.name] == []
