"""Names that were rewritten, signed names and the log, as people meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.store.lookup import named as named_module
from ssh_keys import SshKey, needs_ssh_keygen


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_module, "_PAUSE", 0.0)


@pytest.fixture
def team(called, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A team's store with t/aa:v1 and t/bb:v1, by somebody else."""
    folder = tmp_path / "team"
    for variable in ("STORE", "STATE"):
        monkeypatch.setenv(f"CONJOIN_{variable}", str(tmp_path / "writer" / variable))
    for name, package in (("aa", "tinylib"), ("bb", "tinyapp")):
        called("resolve", "-q", *world.where, "--conda", package, "-o", tmp_path / f"{name}.lock")
        pushed = called("push", tmp_path / f"{name}.lock", "--store", folder, "--alias", f"t/{name}:v1")
        assert pushed.returncode == 0, pushed.stderr
    for variable in ("STORE", "STATE"):
        monkeypatch.setenv(f"CONJOIN_{variable}", str(tmp_path / "reader" / variable))
    return folder


def rewrite(team: Path) -> None:
    """Make t/aa:v1 what t/bb:v1 is, as no command does."""
    names = team / "aliases" / "t"
    (names / "aa" / "v1.json").write_bytes((names / "bb" / "v1.json").read_bytes())


COMMANDS = {
    "show": ["show", "t/aa:v1"],
    "create": ["create", "t/aa:v1", "--prefix", "made"],
    "run": ["run", "t/aa:v1", "--", "true"],
    "tree": ["tree", "t/aa:v1"],
    "why": ["why", "t/aa:v1", "tinylib"],
    "diff": ["diff", "t/aa:v1", "t/bb:v1"],
    "get": ["get", "t/aa:v1"],
    "push": ["push", "t/aa:v1"],
    "alias": ["alias", "t/aa:v1", "t/cc:v1"],
    "export": ["export", "t/aa:v1", "--offline-bundle", "made.bundle"],
    "toolkit": ["toolkit", "t/aa:v1"],
    "resolve": ["resolve", "--using", "t/aa:v1", "--pypi", "x"],
}


def test_every_command_that_takes_a_name_says_that_it_was_rewritten(
    called, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called("show", "t/aa:v1", "--store", team).returncode == 0
    rewrite(team)
    targets = {
        ":".join(json.loads((tmp_path / f"{name}.lock").read_text())[each] for each in ("req_id", "full_id"))
        for name in ("aa", "bb")
    }
    for name, (command, *words) in COMMANDS.items():
        done = called(command, "--store", team, *words)
        assert done.returncode == 7, (name, done.stdout, done.stderr)
        assert all(target in done.stderr for target in targets), name
        assert "--accept-rollback" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, name
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "made.bundle").exists()
    accepted = called("show", "t/aa:v1", "--store", team, "--accept-rollback")
    assert accepted.returncode == 0
    assert "tinyapp" in accepted.stdout
    assert called("show", "t/aa:v1", "--store", team).returncode == 0


def test_the_advice_of_the_message_can_be_typed(called, team: Path) -> None:
    called("show", "t/aa:v1", "--store", team)
    rewrite(team)
    said = called("get", "t/aa:v1", "--store", team).stderr.strip()
    line = said.rpartition("if that is right: ")[2]
    assert called(*line.split()[1:]).returncode == 0
    assert called("get", "t/aa:v1", "--store", team).returncode == 0


def test_a_damaged_memory_is_one_line(called, team: Path, tmp_path: Path) -> None:
    called("show", "t/aa:v1", "--store", team)
    [file] = (tmp_path / "reader").rglob("t/aa/v1.json")
    file.write_bytes(b"{")
    done = called("show", "t/aa:v1", "--store", team)
    assert done.returncode == 0
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["warning:"]


@needs_ssh_keygen
def test_push_and_alias_sign_and_a_policy_asks_for_it(
    called, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, mallory = SshKey(tmp_path / "keys", "alice"), SshKey(tmp_path / "keys", "mallory")
    config = tmp_path / "config" / "config.toml"
    config.parent.mkdir()
    (config.parent / "signers").write_text(alice.allowed("alice@example.org"))
    config.write_text('allowed-signers = "signers"\n[trust]\nt = "alice@example.org"\n')
    monkeypatch.setenv("CONJOIN_CONFIG", str(config))
    lock = tmp_path / "aa.lock"

    unsigned = called("create", "t/aa:v1", "--store", team, "--prefix", tmp_path / "made")
    assert unsigned.returncode == 5
    assert f"t/aa:v1 must be signed by alice@example.org ({config}:2), and is not signed" in unsigned.stderr
    assert not (tmp_path / "made").exists()

    no_key = called("push", lock, "--store", team, "--alias", "t/aa:v1", "--sign")
    assert no_key.returncode == 2
    assert "no key to sign with is named" in no_key.stderr
    assert called("push", lock, "--store", team, "--sign", "--signing-key", alice.path).returncode == 2

    wrong = called("push", lock, "--store", team, "--alias", "t/aa:v1", "--signing-key", mallory.path)
    assert wrong.returncode == 0, wrong.stderr
    assert called("show", "t/aa:v1", "--store", team).returncode == 5

    monkeypatch.setenv("CONJOIN_SIGNING_KEY", str(alice.path))
    assert called("push", lock, "--store", team, "--alias", "t/aa:v1", "--sign").returncode == 0
    shown = called("show", "t/aa:v1", "--store", team)
    assert shown.returncode == 0, shown.stderr
    ids = ":".join(json.loads(lock.read_text())[each] for each in ("req_id", "full_id"))
    assert called("alias", ids, "t/aa", "--store", team, "--sign").returncode == 0
    assert called("get", "t/aa", "--store", team).returncode == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = called("show", "t/aa", "--store", team)
    assert absent.returncode == 5
    assert "no ssh-keygen here to verify it with; install OpenSSH's client" in absent.stderr


def test_the_log_tells_who_did_what(called, team: Path) -> None:
    told = json.loads(called("log", "--store", team, "--json").stdout)
    assert [entry["act"] for entry in told["entries"]] == ["alias", "push", "alias", "push"]
    assert told["store"] == str(team)
    assert set(told["entries"][0]) == {"time", "user", "act", "name", "environments", "version"}
    table = called("log", "--store", team).stdout.splitlines()
    assert table[0].split()[:3] == ["time", "(UTC)", "who"]
    assert len(table) == 5
    assert "t/bb:v1" in table[1]
    one = json.loads(called("log", "t/aa", "--store", team, "--json", "--last", "1").stdout)
    assert [entry["name"] for entry in one["entries"]] == ["t/aa:v1"]
    (team / "log" / "2099").mkdir()
    (team / "log" / "2099" / "20990101T000000.000000Z-eve-push.json").write_text("{")
    damaged = called("log", "--store", team, "--last", "0")
    assert damaged.returncode == 0
    assert damaged.stderr.startswith("warning: ")
    assert len(damaged.stdout.splitlines()) == 5
    nothing = called("log", "nobody", "--store", team)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert called("log", "--last", "x").returncode == 2
