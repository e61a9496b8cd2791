"""``create``, ``run`` and ``show``: what stands on stdout, and whose exit code it is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conjoin.cli.commands.run import _split
from conjoin.errors import UsageError
from conjoin.spec.platform import host_platform


def test_create_prints_the_prefix_and_nothing_else(conjoin, world) -> None:
    conjoin("resolve", *world.asked, "--alias", "mine")
    done = conjoin("create", "mine")
    assert done.returncode == 0, done.stderr
    prefix = Path(done.stdout.removesuffix("\n"))
    assert prefix.name.startswith("metaflow_")
    ran = subprocess.run([prefix / "bin" / "reader"], capture_output=True, text=True, check=True)
    assert ran.stdout == "reader with tinylib 1.0\n"


def test_create_json_says_where_and_what(called, world, tmp_path: Path) -> None:
    done = called("create", "-f", world.environment_yml(), "--prefix", tmp_path / "env", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert list(said) == ["prefix", "req_id", "full_id", "platform", "seconds"]
    assert said["prefix"] == str(tmp_path / "env")
    assert said["platform"] == host_platform()
    shown = called("show", f"{said['req_id']}:{said['full_id']}", "--json")
    assert shown.returncode == 0


def test_a_lock_file_alone_is_enough_for_somebody_else(conjoin, world, tmp_path: Path, monkeypatch) -> None:
    conjoin("resolve", *world.asked, "-o", tmp_path / "my.lock")
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "elsewhere"))
    done = conjoin("run", tmp_path / "my.lock", "--", "reader")
    assert (done.returncode, done.stdout) == (0, "reader with tinylib 1.0\n"), done.stderr


def test_run_passes_exit_code_arguments_streams_and_signals_through(conjoin, world) -> None:
    conjoin("resolve", *world.asked, "--alias", "mine")
    assert conjoin("run", "mine", "--", "python", "-c", "import sys; sys.exit(42)").returncode == 42
    assert conjoin("run", "mine", "python", "-c", "raise SystemExit(43)").returncode == 43
    echo = "import sys; print(sys.argv[1:]); sys.stdout.write(sys.stdin.read())"
    done = conjoin("run", "-q", "mine", "--", "python", "-c", echo, "--json", "-q", input="hello")
    assert done.stdout == "['--json', '-q']\nhello"
    assert done.stderr == ""
    killed = conjoin("run", "mine", "--", "sh", "-c", "kill -TERM $$")
    assert killed.returncode == -signal.SIGTERM


def test_run_resolves_what_a_file_asks_for_once(conjoin, world) -> None:
    done = conjoin("run", "-f", world.environment_yml(), "--", "reader")
    assert (done.returncode, done.stdout) == (0, "reader with tinylib 1.0\n"), done.stderr
    asked = world.requests()
    again = conjoin("run", "-f", world.environment_yml(), "reader")
    assert (again.stdout, again.stderr) == (done.stdout, "")
    assert world.requests() == asked


def test_run_with_a_script_and_no_command_runs_the_script(conjoin, world, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "# /// script\n"
        '# dependencies = ["reader"]\n'
        "# [tool.conjoin]\n"
        f'# channels = ["{world.channel.url}"]\n'
        f'# index-url = "{world.index.url}/"\n'
        "# ///\n"
        "import reader\n"
        "reader.main()\n"
    )
    done = conjoin("run", "--script", script)
    assert (done.returncode, done.stdout) == (0, "reader with tinylib 1.0\n"), done.stderr


@pytest.mark.parametrize(
    ("words", "has_request", "env", "command"),
    [
        (["e", "--", "python", "-c", "1"], False, "e", ["python", "-c", "1"]),
        (["e", "python", "-c", "1"], False, "e", ["python", "-c", "1"]),
        (["e", "--", "--", "x"], False, "e", ["--", "x"]),
        (["e"], False, "e", []),
        (["python", "x"], True, None, ["python", "x"]),
    ],
)
def test_run_tells_the_environment_from_the_command(words, has_request, env, command) -> None:
    assert _split(words, has_request=has_request) == (env, command)


def test_run_refuses_options_that_come_too_late() -> None:
    with pytest.raises(UsageError, match="--offline comes too late"):
        _split(["e", "--offline", "--", "x"], has_request=False)


def test_show_prints_the_same_packages_as_its_json(called, world) -> None:
    called("resolve", *world.asked, "--alias", "mine")
    table, document = called("show", "mine"), called("show", "mine", "--json")
    assert (table.stderr, document.stderr) == ("", "")
    said = json.loads(document.stdout)
    assert list(said) == ["req_id", "full_id", "platforms", "lock_digest", "here"]
    assert f"sha256:{said['lock_digest']}" in table.stdout
    assert f"{said['req_id']}:{said['full_id']}" in table.stdout
    assert (said["here"]["aliases"], said["here"]["default"]) == (["mine:latest"], True)
    assert "mine:latest" in table.stdout
    for package in said["platforms"][host_platform()]:
        (line,) = [text for text in table.stdout.splitlines() if text.split()[:1] == [package["name"]]][-1:]
        assert package["version"] in line.split()
        assert package["kind"] in line.split()


def test_show_for_a_platform_that_was_not_locked_is_not_found(called, world) -> None:
    called("resolve", *world.asked, "--alias", "mine")
    done = called("show", "mine", "--platform", "win-64")
    assert (done.returncode, done.stdout) == (6, "")
    assert "no environment for win-64" in done.stderr


def test_output_into_a_closed_pipe_ends_quietly(conjoin, world) -> None:
    conjoin("resolve", *world.asked, "--alias", "mine")
    with subprocess.Popen(
        [sys.executable, "-m", "conjoin", "show", "mine", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
