"""On a terminal: spinners, bars and colours on stderr, and still nothing but the result on stdout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
OnTerminal = Callable[..., "tuple[subprocess.CompletedProcess[str], str]"]


@pytest.fixture
def on_terminal() -> OnTerminal:
    """Run the program with stderr (or both streams) on a terminal; return the process and what that shows."""

    def run(*arguments: object, both: bool = False, **environment: str):
        controller, terminal = pty.openpty()
        shown: list[bytes] = []

        def read() -> None:
            while True:
                try:
                    chunk = os.read(controller, 65536)
                except OSError:  # Linux's way to say that the last writer is gone
                    return
                if not chunk:
                    return
                shown.append(chunk)

        reader = threading.Thread(target=read)
        reader.start()
        done = subprocess.run(
            [sys.executable, "-m", "conjoin", *map(str, arguments)],
            stderr=terminal,
            stdout=terminal if both else subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment},
            text=True,
            check=False,
        )
        os.close(terminal)
        reader.join()
        os.close(controller)
        return done, b"".join(shown).decode()

    return run


def test_create_shows_progress_there_and_the_prefix_alone_on_stdout(
    on_terminal, world, tmp_path: Path
) -> None:
    done, shown = on_terminal("create", "-f", world.environment_yml(), "--prefix", tmp_path / "env")
    assert done.returncode == 0, shown
    assert done.stdout == f"{tmp_path / 'env'}\n"
    words = _ESCAPES.sub("", shown)
    assert "solving conda and PyPI together" in words
    assert "linking" in words
    assert "ready in" in words


def test_quiet_means_it_there_too(on_terminal, world, tmp_path: Path) -> None:
    done, shown = on_terminal("create", "-q", "-f", world.environment_yml(), "--prefix", tmp_path / "env")
    assert (done.returncode, shown) == (0, "")


def test_a_narrow_terminal_cuts_builds_and_sources_but_no_name_or_version(on_terminal, called, world) -> None:
    assert called("resolve", *world.asked, "--alias", "mine").returncode == 0
    _, shown = on_terminal("show", "mine", both=True, COLUMNS="60")
    words = _ESCAPES.sub("", shown).replace("\r", "")
    assert max(map(len, words.split("platform", 1)[1].splitlines()[3:])) <= 60
    for text in ("tinylib", "reader", "conda", "pypi"):
        assert text in words.split()


@pytest.mark.parametrize("plain", [False, True])
def test_colours_are_for_terminals_that_want_them(on_terminal, plain: bool) -> None:
    done, shown = on_terminal("show", "none", **({"NO_COLOR": "1"} if plain else {}))
    assert done.returncode == 6
    assert ("\x1b[" in shown) is not plain
    assert "no alias none:latest" in shown


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_help_has_colours_on_a_terminal_alone_and_the_same_words(
    on_terminal, conjoin, variables: dict[str, str]
) -> None:
    _, shown = on_terminal("resolve", "--help", both=True, **variables)
    assert ("\x1b[" in shown) is not bool(variables)
    plain = conjoin("resolve", "--help", env={**os.environ, "COLUMNS": "100"}).stdout
    assert _ESCAPES.sub("", shown).replace("\r", "") == plain
    assert "\x1b" not in plain


def test_a_push_shows_how_much_went_out(on_terminal, called, world, tmp_path: Path) -> None:
    assert called("resolve", *world.asked, "--alias", "mine").returncode == 0
    done, shown = on_terminal("push", "mine", "--store", str(tmp_path / "team"))
    assert done.returncode == 0, shown
    plain = _ESCAPES.sub("", shown)
    assert re.search(r"pushing to\s+\S+team: [\d.]+ [kM]?B", plain), plain
    assert re.search(r"sent \d+ packages", plain), plain
    assert done.stdout == ""


def test_export_and_import_show_a_bar_and_the_id_alone_on_stdout(
    on_terminal, called, world, tmp_path: Path
) -> None:
    ids = json.loads(called("resolve", *world.asked, "--alias", "x", "--json").stdout)
    bundle = tmp_path / "x.bundle"
    done, shown = on_terminal("export", "x", "--offline-bundle", bundle)
    assert (done.returncode, done.stdout) == (0, "")
    assert "━" in shown
    assert "wrote" in shown
    done, shown = on_terminal("import", bundle)
    assert (done.returncode, done.stdout) == (0, f"{ids['req_id']}:{ids['full_id']}\n")
    assert "━" in shown
    done, shown = on_terminal("import", bundle, "--quiet")
    assert (done.returncode, shown) == (0, "")
