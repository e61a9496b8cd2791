"""Exit codes and one-line errors (docs/errors.md); passwords and control characters never get out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conjoin.cli.commands import show as show_module
from conjoin.cli.main import main
from loopback import LoopbackServer
from worlds import make_index, make_wheel

SECRET = "s3cr3t-pässword"


def _one_line(stderr: str) -> str:
    (line,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    return line


def test_2_for_input_that_cannot_be_read(called, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n  - numpy\n  - numpy>>1\n")
    done = called("resolve", "-f", tmp_path / "environment.yml", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "environment.yml:3: " in _one_line(done.stderr)


def test_3_where_nothing_satisfies_with_the_reasons_below(called, world) -> None:
    done = called("resolve", *world.where, "--pypi", "reader", "--pypi", "newer", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    _one_line(done.stderr)
    reasons = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert any("reader" in line for line in reasons)
    assert any("newer" in line for line in reasons)


def test_4_where_a_channel_or_an_index_is_down(conjoin, world) -> None:
    asked, address = world.asked, world.index.url
    world.index.stop()
    done = conjoin("resolve", *asked, "--json")
    assert (done.returncode, done.stdout) == (4, "")
    assert address in _one_line(done.stderr)


def test_5_where_a_package_is_not_what_was_locked_and_nothing_is_installed(
    called, world, tmp_path: Path
) -> None:
    assert called("resolve", *world.asked, "--alias", "mine").returncode == 0
    world.index.corrupt("/files/reader-1.0-*.whl", times=None)
    done = called("create", "mine", "--prefix", tmp_path / "env")
    assert (done.returncode, done.stdout) == (5, "")
    assert "reader" in _one_line(done.stderr)
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize(
    "command", [("show", "team/none"), ("create", "0" * 40 + ":" + "1" * 40), ("run", "none", "--", "true")]
)
def test_6_for_what_does_not_exist(command, capsys) -> None:
    assert main(command) == 6
    _one_line(capsys.readouterr().err)


def test_130_when_interrupted_and_not_a_word_about_it(world) -> None:
    world.channel.delay("*", 600)
    process = subprocess.Popen(
        [sys.executable, "-m", "conjoin", "resolve", "-q", *world.asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while not world.channel.requests and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout, stderr) == (130, "", "")


def test_1_for_a_bug_with_the_traceback_in_a_file(capsys, monkeypatch, isolated_home: Path) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError(f"https://user:{SECRET}@index.example/x")

    monkeypatch.setattr("conjoin.store.lookup.reference.find_lock", fails)
    assert main(["show", "mine"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "this is a bug in conjoin: ZeroDivisionError" in _one_line(said.err)
    (kept,) = (isolated_home / "cache" / "tracebacks").iterdir()
    assert str(kept) in said.err
    assert Path(show_module.__file__).name in kept.read_text()
    assert SECRET not in said.err + kept.read_text()


def test_the_traceback_of_a_bug_is_shown_to_those_who_ask(capsys, monkeypatch) -> None:
    monkeypatch.setattr("conjoin.store.lookup.reference.find_lock", lambda *_: 1 / 0)
    monkeypatch.setenv("CONJOIN_DEBUG", "1")
    assert main(["show", "mine"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_passwords_in_urls_work_and_are_never_shown(conjoin, called, channel_server, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path / "wheels", "shelf", "1.0"), make_wheel(tmp_path / "wheels", "odd", "1.0")]
    index = make_index(tmp_path / "index", wheels)
    with LoopbackServer(index, auth=("user", SECRET)) as server:
        url = f"{server.url_with_credentials}/"
        where = ["-c", channel_server.url, "--index-url", url]
        lock = tmp_path / "lock"
        good = conjoin("create", *where, "--pypi", "shelf", "-v", "--json")
        assert good.returncode == 0, good.stderr
        ids = json.loads(good.stdout)
        shown = called("show", f"{ids['req_id']}:{ids['full_id']}")
        written = called("resolve", *where, "--pypi", "shelf", "-o", lock)
        stranger = url.replace("user", "nobody")
        wrong = called("resolve", "--index-url", stranger, *where[:2], "--pypi", "odd")
        assert wrong.returncode == 4
        bad = called("resolve", *where, "--pypi", f"odd @ {url}files/none.whl")
        assert bad.returncode != 0
        typo = called("resolve", *where, "--pypi", f"odd; {url}")
        assert typo.returncode == 2
    everything = "".join(done.stdout + done.stderr for done in (good, shown, written, wrong, bad, typo))
    quoted = url.partition("user:")[2].partition("@")[0]
    for text in (everything, lock.read_text()):
        assert SECRET not in text
        assert quoted not in text


def test_what_would_steer_a_terminal_is_not_passed_on(capsys) -> None:
    assert main(["resolve", "--conda", "x\x1b[31m>>1"]) == 2
    assert "\x1b" not in capsys.readouterr().err
