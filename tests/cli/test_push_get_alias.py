"""``push``, ``get`` and ``alias``: one store for a team, as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from object_stores import S3, SECRET_KEY


@pytest.fixture(params=["folder", "s3"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "folder":
        return str(tmp_path / "team")
    s3: S3 = request.getfixturevalue("s3")
    return f"s3://{s3.new_bucket()}/team"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world):
    """Become another user on another machine, from which neither channel nor index can be reached."""

    def move() -> None:
        for variable in ("STORE", "CACHE", "ENVS"):
            monkeypatch.setenv(f"CONJOIN_{variable}", str(tmp_path / "elsewhere" / variable))
        monkeypatch.setenv("LOGNAME", "somebody-else")
        world.channel.stop()
        world.index.stop()

    return move


def test_what_one_pushes_another_runs_without_channel_or_index(
    called, conjoin, world, team, elsewhere
) -> None:
    resolved = json.loads(called("resolve", *world.asked, "--json", "--alias", "mine").stdout)
    ids = f"{resolved['req_id']}:{resolved['full_id']}"
    pushed = called("push", "mine", "--store", team, "--alias", "mlp/team/x:v1", "--json")
    assert pushed.returncode == 0, pushed.stderr
    said = json.loads(pushed.stdout)
    assert list(said) == [
        "req_id",
        "full_id",
        "store",
        "alias",
        "platforms",
        "sent",
        "present",
        "bytes_sent",
        "seconds",
    ]
    packages = sum(map(len, resolved["platforms"].values()))
    assert (said["sent"], said["present"], said["alias"]) == (packages, 0, "mlp/team/x:v1")
    elsewhere()
    assert called("get", "mlp/team/x:v1", "--store", team).stdout == f"{ids}\n"
    ran = conjoin("run", "--store", team, "mlp/team/x:v1", "--", "reader")
    assert (ran.returncode, ran.stdout) == (0, "reader with tinylib 1.0\n"), ran.stderr
    # The definition and the prefix are here now: no store is needed any more.
    again = conjoin("run", "--offline", ids, "--", "reader")
    assert again.returncode == 0, again.stderr


def test_a_second_push_sends_nothing(called, world, team) -> None:
    called("resolve", *world.asked, "--alias", "mine")
    called("push", "mine", "--store", team)
    again = called("push", "mine", "--store", team)
    assert again.returncode == 0
    assert again.stdout == ""
    assert "nothing to send" in again.stderr


def test_resolve_names_in_the_store_what_it_found_and_pushes_it(called, world, team, elsewhere) -> None:
    done = called("resolve", *world.asked, "--store", team, "--alias", "team/y:v1")
    assert done.returncode == 0, done.stderr
    other = called("resolve", *world.where, "--conda", "tinylib", "--store", team, "--alias", "team/y:v1")
    assert other.returncode == 7
    assert "team/y:v1" in other.stderr
    if team.startswith("s3:"):  # a folder keeps what was resolved; bytes come when they are needed
        elsewhere()
        assert called("create", "team/y:v1", "--store", team).returncode == 0


def test_aliases_are_given_moved_and_listed(called, world, team) -> None:
    for name, more in (("one", ()), ("two", ("--pypi", "newer"))):
        made = called("resolve", *world.where, "--conda", "tinylib", *more, "--alias", name)
        assert made.returncode == 0, made.stderr
        assert called("push", name, "--store", team, "--alias", f"x/{name}:v1").returncode == 0
    for name, code in (("one", 0), ("two", 0)):
        assert called("alias", f"x/{name}:v1", "x/current:stable", "--store", team).returncode == code
    assert called("alias", "x/one:v1", "x/two:v1", "--store", team).returncode == 7
    listed = called("alias", "--list", "x/", "--store", team)
    assert listed.stdout == "x/current:stable\nx/one:v1\nx/two:v1\n"
    told = json.loads(called("alias", "--list", "x/", "--store", team, "--json").stdout)["aliases"]
    assert [each["alias"] for each in told] == listed.stdout.split()
    assert told[0]["full_id"] == told[2]["full_id"] != told[1]["full_id"]


def test_a_tag_tells_what_it_meant_and_comes_back(called, world, team) -> None:
    for more in ((), ("--pypi", "newer")):
        made = called("resolve", *world.where, "--conda", "tinylib", *more, "--alias", "mine")
        assert made.returncode == 0, made.stderr
        assert called("push", "mine", "--store", team, "--alias", "x/current:stable").returncode == 0
    told = json.loads(called("alias", "--history", "x/current:stable", "--store", team, "--json").stdout)
    newer, older = told.pop("moves")
    assert told == {"alias": "x/current:stable", "store": team, "forgotten": 0}
    assert list(newer) == ["time", "user", "from", "to", "lock_digest"]
    assert (newer["from"], older["from"]) == (older["to"], None)
    assert called("alias", older["to"], "x/current:stable", "--store", team).returncode == 0
    shown = called("alias", "--history", "x/current:stable", "--store", team).stdout.splitlines()
    assert [line.split()[-1] for line in shown[1:]] == [older["to"], newer["to"], older["to"]]
    assert all(line.split()[2] == newer["user"] for line in shown[1:])
    missing = called("alias", "--history", "x/other", "--store", team)
    assert missing.returncode == 6


def test_what_was_got_keeps_its_name_here(called, world, team, elsewhere, monkeypatch) -> None:
    called("resolve", *world.asked, "--alias", "mine")
    called("push", "mine", "--store", team, "--alias", "x/current")
    called("push", "mine", "--store", team, "--alias", "x/current:v1")
    elsewhere()
    for name in ("x/current", "x/current:v1"):
        got = called("get", name, "--store", team)
        assert (got.returncode, got.stderr) == (0, "")
        assert called("show", name).returncode == 0
    # The packages too, once it ran: then the team's store is not needed any more.
    assert called("create", "x/current", "--store", team).returncode == 0
    assert called("create", "--offline", "x/current").returncode == 0
    assert called("get", got.stdout.strip(), "--store", team).returncode == 0
    listed = called("alias", "--list", "").stdout
    assert listed == "x/current:latest\nx/current:v1\n"


def test_with_its_packages_it_runs_offline_at_once(called, conjoin, world, team, elsewhere) -> None:
    resolved = json.loads(called("resolve", *world.asked, "--alias", "mine", "--json").stdout)
    called("push", "mine", "--store", team, "--alias", "x:v1")
    elsewhere()
    got = called("get", "x:v1", "--packages", "--store", team)
    assert got.returncode == 0, got.stderr
    assert f"fetched {sum(map(len, resolved['platforms'].values()))} packages" in got.stderr
    again = called("get", "x:v1", "--packages", "--store", team)
    assert (again.stdout, "nothing to fetch" in again.stderr) == (got.stdout, True)
    ran = conjoin("run", "--offline", "x:v1", "--", "reader")
    assert (ran.returncode, ran.stdout) == (0, "reader with tinylib 1.0\n"), ran.stderr
    assert called("get", "x:v1", "--packages", "--platform", "win-64", "--store", team).returncode == 6


def test_a_name_of_one_s_own_is_not_taken_by_what_is_got(called, world, team) -> None:
    called("resolve", *world.asked, "--alias", "theirs")
    called("push", "theirs", "--store", team, "--alias", "x:v1")
    mine = json.loads(
        called("resolve", *world.where, "--conda", "tinylib", "--alias", "x:v1", "--json").stdout
    )
    got = called("get", "x:v1", "--store", team)
    assert got.returncode == 0
    assert "warning: x:v1 is written once and means another environment in your own store" in got.stderr
    assert got.stdout.strip() in got.stderr
    assert json.loads(called("get", "x:v1", "--store", team, "--json").stdout)["alias"] is None
    assert json.loads(called("show", "x:v1", "--json").stdout)["full_id"] == mine["full_id"]
    assert called("show", got.stdout.strip()).returncode == 0


def test_a_taken_tag_is_refused_before_anything_is_asked_solved_or_sent(called, world, s3: S3) -> None:
    team = f"s3://{s3.new_bucket()}/team"
    done = called("resolve", *world.where, "--conda", "tinylib", "--store", team, "--alias", "x:v1")
    assert done.returncode == 0, done.stderr
    asked = world.requests()
    for refused in (
        ["resolve", *world.asked, "--alias", "x:v1"],
        ["resolve", *world.asked, "--alias", "fresh:v1", "--alias", "x:v1"],
        ["resolve", *world.where, "--conda", "tinylib", "--force", "--alias", "x:v1"],
    ):
        s3.forget()
        done = called(*refused, "--store", team)
        assert done.returncode == 7, done.stderr
        assert world.requests() == asked
        assert {method for method, _ in s3.requests} == {"GET"}
        assert len(s3.requests) <= 5
    other = json.loads(called("resolve", *world.asked, "--json").stdout)
    env = f"{other['req_id']}:{other['full_id']}"
    for words in (["push", env, "--alias", "x:v1"], ["alias", env, "x:v1"]):
        s3.forget()
        refused = called(*words, "--store", team)
        assert refused.returncode == (7 if words[0] == "push" else 6)
        assert not {method for method, _ in s3.requests} & {"PUT", "POST"}


def test_what_is_not_in_an_object_store_gets_no_name_there(called, world, s3: S3) -> None:
    team = f"s3://{s3.new_bucket()}"
    ids = called("resolve", *world.asked, "--json")
    told = json.loads(ids.stdout)
    done = called("alias", f"{told['req_id']}:{told['full_id']}", "x:v1", "--store", team)
    assert done.returncode == 6
    assert "push it first" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["alias"],
        ["alias", "only-env"],
        ["alias", "env", "Not A Name"],
        ["alias", "env", "name", "--list", "x"],
        ["alias", "env", "--history", "x"],
        ["alias", "--list", "x", "--history", "x"],
        ["alias", "--history", "Not A Name"],
        ["push", "x", "--store", "ftp://host/x"],
        ["get", "x", "--store", "s3://key:hidden@bucket"],
        ["get", "x", "--platform", "linux-64"],
        ["resolve", "--pypi", "six", "--offline", "--alias", "x:v1", "--store", "memory://x"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_refused(called, words: list[str]) -> None:
    done = called(*words)
    assert done.returncode == 2, done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("command", ["push", "get", "show", "create"])
def test_what_is_not_found_is_exit_code_6(called, team, command: str) -> None:
    assert called(command, "no/such:v1", "--store", team).returncode == 6


def test_a_store_that_refuses_is_exit_code_4_and_no_secret_is_told(called, s3: S3) -> None:
    s3.fail("*", 403, None)
    done = called("get", "x:v1", "--store", f"s3://{s3.new_bucket()}/x")
    s3.heal()
    assert done.returncode == 4
    assert "refuses these credentials" in done.stderr
    assert SECRET_KEY not in done.stderr
