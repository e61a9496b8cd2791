"""``conjoin resolve``: results on stdout, the rest on stderr, the same answer however it is asked."""

from __future__ import annotations

import json
from pathlib import Path

from conjoin.lock.format import read_lock
from conjoin.spec.platform import host_platform


def test_json_has_the_documented_shape_and_stdout_nothing_else(conjoin, world) -> None:
    done = conjoin("resolve", *world.asked, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert list(said) == ["req_id", "full_id", "newly_resolved", "seconds", "platforms"]
    assert said["newly_resolved"] is True
    assert 0 < said["seconds"] < 60
    packages = {package["name"]: package for package in said["platforms"][host_platform()]}
    assert sorted(packages.keys() - {"python_abi"}) == ["python", "reader", "shelf", "tinylib"]
    assert list(packages["tinylib"]) == [
        "kind", "name", "version", "build", "file", "url", "sha256", "size",
    ]  # fmt: skip
    assert list(packages["reader"]) == ["kind", "name", "version", "file", "url", "sha256", "size"]
    assert (packages["tinylib"]["kind"], packages["tinylib"]["version"]) == ("conda", "1.0")
    assert packages["reader"]["kind"] == "pypi"
    assert packages["reader"]["url"].startswith(world.index.url)


def test_the_second_time_asks_nobody_and_solves_nothing(conjoin, world) -> None:
    first = json.loads(conjoin("resolve", *world.asked, "--json").stdout)
    asked = world.requests()
    second = json.loads(conjoin("resolve", *world.asked, "--json").stdout)
    assert world.requests() == asked > 0
    assert second["newly_resolved"] is False
    assert second["platforms"] == first["platforms"]


def test_typed_in_another_order_or_in_a_file_it_is_the_same_to_the_byte(
    conjoin, world, tmp_path: Path, monkeypatch
) -> None:
    turned = ["--pypi", "shelf", "--conda", "tinylib", "--pypi", "Reader", *world.where]
    locks = []
    for number, asked in enumerate([world.asked, turned, ["-f", world.environment_yml()]]):
        # Another user: nothing is known yet.
        monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / f"store{number}"))
        monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / f"cache{number}"))
        done = conjoin("resolve", *asked, "-o", tmp_path / f"{number}.lock")
        assert done.returncode == 0, done.stderr
        locks.append((tmp_path / f"{number}.lock").read_bytes())
    assert locks[0] == locks[1] == locks[2]


def test_people_read_on_stderr_and_stdout_stays_empty(conjoin, world) -> None:
    done = conjoin("resolve", *world.asked)
    assert done.stdout == ""
    assert "tinylib" in done.stderr
    assert "reader" in done.stderr
    assert "\x1b" not in done.stderr


def test_quiet_says_nothing_at_all(conjoin, world, tmp_path: Path) -> None:
    done = conjoin("resolve", *world.asked, "--quiet", "-o", tmp_path / "lock")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert read_lock(tmp_path / "lock").platforms


def test_a_dry_run_keeps_nothing(called, world, isolated_home: Path) -> None:
    assert called("resolve", *world.asked, "--dry-run").returncode == 0
    assert not list((isolated_home / "store").rglob("lock.json"))


def test_an_alias_names_what_was_resolved_and_may_be_given_again(called, world) -> None:
    for _ in range(2):
        done = called("resolve", *world.asked, "--alias", "team/x:v1", "--alias", "team/x")
        assert done.returncode == 0, done.stderr
    one, two = (called("show", name, "--json").stdout for name in ("team/x:v1", "team/x:latest"))
    assert one == two != ""


def test_a_taken_name_is_refused_before_any_work(called, world) -> None:
    assert called("resolve", *world.asked, "--alias", "team/x:v1").returncode == 0
    asked = world.requests()
    other = called("resolve", *world.where, "--pypi", "newer", "--alias", "team/x:v1")
    assert other.returncode == 7
    assert "team/x:v1 is written once" in other.stderr
    assert world.requests() == asked


def test_constraints_and_overrides_come_from_files(called, world, tmp_path: Path) -> None:
    bounds, replaced = tmp_path / "bounds.txt", tmp_path / "replaced.txt"
    bounds.write_text("tinylib>=2\n")
    replaced.write_text("tinylib>=2\n")
    refused = called("resolve", *world.asked, "--constraint", bounds)
    assert refused.returncode == 3, refused.stderr
    done = called("resolve", *world.asked, "--override", replaced, "--json")
    packages = {p["name"]: p["version"] for p in json.loads(done.stdout)["platforms"][host_platform()]}
    assert packages["tinylib"] == "2.0"


def test_a_pyprojects_extras_and_groups_count_when_named(called, world, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["shelf"]\n'
        '[project.optional-dependencies]\nread = ["reader"]\n'
        '[dependency-groups]\nnew = ["newer"]\n'
    )

    def names(*options: str) -> set[str]:
        done = called("resolve", *world.where, "-p", tmp_path, *options, "--json")
        assert done.returncode == 0, done.stderr
        return {p["name"] for p in json.loads(done.stdout)["platforms"][host_platform()]} & {
            "shelf", "reader", "newer",
        }  # fmt: skip

    assert names() == {"shelf"}
    assert names("--extra", "read") == {"shelf", "reader"}
    assert names("--group", "new") == {"shelf", "newer"}
