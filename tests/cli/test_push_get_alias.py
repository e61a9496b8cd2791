"""``push``, ``get`` and ``alias``: one store for a team, as people type it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from object_stores import S3, SECRET_KEY


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3]:
    server = S3().start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    for variable, value in s3_server.environment().items():
        monkeypatch.setenv(variable, value)
    s3_server.heal()
    return s3_server


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
            monkeypatch.setenv(f"HOLDFAST_{variable}", str(tmp_path / "elsewhere" / variable))
        monkeypatch.setenv("LOGNAME", "somebody-else")
        world.channel.stop()
        world.index.stop()

    return move


def test_what_one_pushes_another_runs_without_channel_or_index(
    called, holdfast, world, team, elsewhere
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
    ran = holdfast("run", "--store", team, "mlp/team/x:v1", "--", "reader")
    assert (ran.returncode, ran.stdout) == (0, "reader with tinylib 1.0\n"), ran.stderr
    # The definition and the prefix are here now: no store is needed any more.
    again = holdfast("run", "--offline", ids, "--", "reader")
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
        ["push", "x", "--store", "ftp://host/x"],
        ["get", "x", "--store", "s3://key:hidden@bucket"],
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
