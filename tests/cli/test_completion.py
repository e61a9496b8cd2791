"""Completion by real shells: what they offer, and that it gets into the line when somebody types Tab."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.cli.command_list import COMMANDS
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import LockedPlatform
from conjoin.store.aliases import parse_alias

SHELLS = ["bash", "zsh", "fish"]
_ASK = {
    "bash": r"""
eval "$(conjoin completion bash)"
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMPREPLY=()
    _python_argcomplete conjoin
    printf '%s\n' "${COMPREPLY[@]}" END
done
""",
    "fish": "conjoin completion fish | source; for line in $argv; complete -C $line; echo END; end",
    # What would list candidates below a prompt works in interactive shells alone: it prints them here.
    "zsh": r"""
autoload -U compinit; compinit -D -u
eval "$(conjoin completion zsh)"
_describe() { shift; print -rl -- "${(@)${(P)1}}" >&3 }
exec 3>&1
for BUFFER in "$@"; do
    words=(conjoin); CURRENT=1; CURSOR=${#BUFFER}
    _python_argcomplete
    print END
done
""",
}
"""Print what is offered for each argument."""


def _shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here; `make shells` installs it where it may")
    return found


@pytest.fixture
def home(tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some files, `conjoin` on PATH, and a store with two names for one environment."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "conjoin"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m conjoin "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    lock = make_lock({}, requirements_id({}), {"linux-64": LockedPlatform(virtual_packages={}, packages=())})
    for store in (Store(), Store(tmp_path / "work" / "other")):
        store.save(lock, versions={})
    Store().alias(lock, "team/torch:v1")
    Store().alias(lock, "plain")
    Store(tmp_path / "work" / "other").alias(lock, "elsewhere")
    for name in ("environment.yml", "my.lock", "train.py"):
        (tmp_path / "work" / name).write_text("")
    monkeypatch.chdir(tmp_path / "work")
    return isolated_home


def _offered(shell: str, *lines: str) -> list[set[str]]:
    """Return what a shell offers at the end of each line."""
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    zeroth = [] if shell == "fish" else [shell]
    done = subprocess.run(
        [_shell(shell), *options, "-c", _ASK[shell], *zeroth, *lines],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    offered = done.stdout.split("END\n")[:-1]
    assert len(offered) == len(lines), done.stderr
    between = re.compile(r"(?<!\\):" if shell == "zsh" else r"\t")  # a candidate and what it means
    return [
        {between.split(one)[0].replace("\\:", ":").strip() for one in each.splitlines() if one.strip()}
        for each in offered
    ]


OFFERED = {
    "conjoin res": {"resolve"},
    "conjoin config ": {"get", "set", "unset", "path"},
    "conjoin help config s": {"set"},
    "conjoin completion ": {"bash", "zsh", "fish"},
    "conjoin --keyring-provider ": {"subprocess", "disabled"},
    "conjoin --keyring-provider disabled conf": {"config"},
    "conjoin resolve --python-s": {"--python-source"},
    "conjoin resolve --no-pre": {"--no-pre", "--no-prefer-conda"},
    "conjoin resolve --python-source ": {"channel", "host"},
    "conjoin resolve --strategy low": {"lowest", "lowest-direct"},
    "conjoin resolve --platform osx": {"osx-64", "osx-arm64"},
    "conjoin resolve -f env": {"environment.yml"},
    "conjoin resolve --use-latest ": {"none", "me", "any"},
    "conjoin show ": {"plain", "team/torch:v1", "my.lock"},
    "conjoin show --json team/to": {"team/torch:v1"},
    "conjoin show team/to": {"team/torch:v1"},
    "conjoin show --store ./other e": {"elsewhere"},
    "conjoin run pl": {"plain"},
    "conjoin run --offline te": {"team/torch:v1"},
    "conjoin run plain -- python tr": {"train.py"},
    "conjoin alias --list te": {"team/torch:v1"},
    "conjoin resolve --using pl": {"plain"},
    "conjoin config set channel-p": {"channel-priority"},
    "conjoin config get keyr": {"keyring-provider"},
    "conjoin config set offline ": {"true", "false"},
    "conjoin config set --project off": set(),
    "conjoin nonsense res": set(),
}


IN_SHELLS = [
    "conjoin res",
    "conjoin --keyring-provider ",
    "conjoin resolve -f env",
    "conjoin show ",
    "conjoin show --json team/to",
    "conjoin run plain -- python tr",
    "conjoin nonsense res",
]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_what_can_be_typed(shell: str, home: Path) -> None:
    offered = dict(zip(IN_SHELLS, _offered(shell, *IN_SHELLS), strict=True))
    assert offered == {line: OFFERED[line] for line in IN_SHELLS}


def _answers(home: Path, *lines: str) -> list[set[str]]:
    """Return what argcomplete's protocol is answered for each line, as bash asks: by one process."""
    code = (
        "import json, os, sys\n"
        "from conjoin.cli.main import main\n"
        "for line in json.load(sys.stdin):\n"
        "    os.environ |= {'_ARGCOMPLETE': '1', 'COMP_LINE': line, 'COMP_POINT': str(len(line))}\n"
        "    assert main([]) == 0\n"
        "    print(json.dumps(open(os.environ['_ARGCOMPLETE_STDOUT_FILENAME']).read().split('\\v')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(lines),
        env={
            **os.environ,
            "_ARGCOMPLETE_STDOUT_FILENAME": str(home / "candidates"),
            "_ARGCOMPLETE_SHELL": "bash",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [{one.strip() for one in json.loads(each) if one} for each in done.stdout.splitlines()]


def test_every_kind_of_value_is_completed(home: Path) -> None:
    assert dict(zip(OFFERED, _answers(home, *OFFERED), strict=True)) == OFFERED


def test_what_was_typed_of_an_id_is_completed(home: Path) -> None:
    ids = ":".join(Store().aliases.get(parse_alias("plain")).ids)
    assert _answers(home, f"conjoin show {ids[:6]}", f"conjoin show {ids[:45]}") == [{ids}, {ids}]


def test_every_command_is_offered(home: Path) -> None:
    assert _answers(home, "conjoin ", "conjoin help ") == [set(COMMANDS), set(COMMANDS)]


def _take_terminal() -> None:
    """Make standard input the terminal of this session: fish waits for that."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class _Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        pty = pytest.importorskip("pty")
        self._controller, terminal = pty.openpty()
        self.shown = ""
        self._process = subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", "PS1": "$ ", "COLUMNS": "200"},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - it takes no lock
        )
        os.close(terminal)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._controller, 65536)
            except OSError:
                return
            if not chunk:
                return
            self.shown += chunk.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        os.write(self._controller, text.encode())

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.shown and time.monotonic() < deadline:
            time.sleep(0.02)
        assert text in self.shown, self.shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._controller)


_INTERACTIVE = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(conjoin completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -U compinit; compinit -D -u; eval "$(conjoin completion zsh)"'),
    "fish": (["--no-config", "-i"], "conjoin completion fish | source"),
}


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, home: Path) -> Iterator[_Terminal]:
    options, switch_on = _INTERACTIVE[request.param]
    started = _Terminal([_shell(request.param), *options])
    started.type(f"{switch_on}; echo switched' 'on\r")
    started.wait_for("switched on")
    yield started
    started.close()


def test_tab_completes_the_line(terminal: _Terminal) -> None:
    """And the command that stands there is run."""
    terminal.type("conjoin vers\t")
    terminal.wait_for("version")
    terminal.type("\r")
    terminal.wait_for("conjoin 0.")
    terminal.type("conjoin show team/to\t")
    terminal.wait_for("team/torch:v1")


def test_nothing_but_candidates_is_said(home: Path) -> None:
    """They go where argcomplete's protocol says, to descriptor 8: nothing to stdout or stderr."""
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": "conjoin res", "COMP_POINT": "11"}
    file = home / "candidates"
    done = subprocess.run(
        [sys.executable, "-m", "conjoin"],
        env={**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert file.read_text().strip() == "resolve"


def test_completing_imports_neither_engine_nor_other_commands(home: Path) -> None:
    code = (
        "import sys; from conjoin.cli.main import main; main(); print(*sorted(sys.modules), file=sys.stderr)"
    )
    line = "conjoin show te"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(home / "candidates")},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "conjoin.cli.commands.show" in loaded
    never = {"rattler", "httpx", "obstore", "rich", "packaging", "asyncio", "ruamel", "conjoin.hydrate"}
    never |= {"conjoin.solve", "conjoin.index", "conjoin.cli.commands.resolve", "conjoin.cli.commands.config"}
    assert loaded & never == set()


def test_a_store_that_cannot_be_read_spoils_no_completion(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_STORE", "ftp://nowhere")
    assert _answers(home, "conjoin show --js", "conjoin show pl") == [{"--json"}, set()]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_on_stdout_in_each_way_it_is_asked_for(
    shell: str, called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    said = {called(*line).stdout for line in (["completion", shell], ["completion"], ["--show-completion"])}
    assert len(said) == 1
    assert "conjoin" in said.pop()


def test_without_a_known_shell_it_says_which_there_are(called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    done = called("completion")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected one of bash, zsh, fish" in done.stderr
