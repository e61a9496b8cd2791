"""The words of errors that people meet every day: messages are part of the product."""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.cli.main import main

CASES = {
    "nothing asked for": ["resolve"],
    "a file that is not there": ["resolve", "-f", "environment.yml"],
    "an empty file": ["resolve", "-f", "empty.yml"],
    "a bad conda spec": ["resolve", "--conda", "numpy>>1"],
    "a bad PyPI requirement": ["resolve", "--pypi", "requests >> 2"],
    "a bad line in requirements.txt": ["resolve", "-r", "bad.txt"],
    "an unknown key in environment.yml": ["resolve", "-f", "odd.yml"],
    "a script without a block": ["run", "--script", "plain.py"],
    "an extra without pyproject": ["resolve", "--pypi", "x", "--extra", "docs"],
    "an unknown platform": ["resolve", "--pypi", "x", "--platform", "linux"],
    "a bad channel priority": ["resolve", "--pypi", "x", "--channel-priority", "loose"],
    "a bad alias": ["resolve", "--pypi", "x", "--alias", "Team X"],
    "alias and dry run": ["resolve", "--pypi", "x", "--alias", "x", "--dry-run"],
    "output into no folder": ["resolve", "--pypi", "x", "-o", "none/lock"],
    "a store that is none": ["resolve", "--pypi", "x", "--store", "ftp://host/folder"],
    "create without anything": ["create"],
    "create with both": ["create", "mine", "--pypi", "x"],
    "create in two places": ["create", "mine", "--prefix", "p", "--name", "n"],
    "run without anything": ["run"],
    "run without a command": ["run", "mine"],
    "run with a late option": ["run", "mine", "--offline", "--", "python"],
    "show of no lock": ["show", "empty.yml"],
    "show of a missing lock file": ["show", "locks/my.lock"],
    "show of an unknown alias": ["show", "team/none"],
    "an impossible prefix": ["create", "good.lock", "--prefix", "a:b"],
    "forge in a strange format": ["forge", "channel", "--format", "rpm"],
    "forge with a missing Python": ["forge", "channel", "--python", "two", "-q"],
}

LINES = {
    "an unknown option": ["resolve", "--frob"],
    "an unknown command": ["resolv"],
    "an option without its value": ["resolve", "--conda"],
}
"""Lines that cannot be read; their words are in test_parser.py."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yml").write_text("channels: [conda-forge]\n")
    (tmp_path / "bad.txt").write_text("requests\n# a comment\nnumpy=1.26\n")
    (tmp_path / "odd.yml").write_text("dependencies: [numpy]\nchanels: [conda-forge]\n")
    (tmp_path / "plain.py").write_text("print('hello')\n")
    from conjoin.lock.format import write_lock
    from conjoin.lock.identity import make_lock, requirements_id
    from conjoin.lock.model import LockedPlatform
    from conjoin.spec.platform import host_platform

    platforms = {host_platform(): LockedPlatform(virtual_packages={}, packages=())}
    write_lock(tmp_path / "good.lock", make_lock({}, requirements_id({}), platforms))
    return tmp_path


def test_errors_read_as_they_should(folder: Path, capsys, isolated_home: Path, snapshot) -> None:
    said = []
    for title, command in CASES.items():
        code = main(command)
        out, err = capsys.readouterr()
        assert out == "", title
        shown = err.replace(str(folder), "FOLDER").replace(str(isolated_home), "HOME")
        said.append(f"# {title}\n$ conjoin {' '.join(command)}\n{shown}exit code {code}\n")
    assert "\n".join(said) == snapshot


@pytest.mark.parametrize("command", [*CASES.values(), *LINES.values()], ids=[*CASES, *LINES])
def test_every_error_is_one_line_that_says_what(command: list[str], folder: Path, capsys) -> None:
    assert main(command) in {2, 6}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert len(line) > 20
