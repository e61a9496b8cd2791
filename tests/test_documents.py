"""What the documents say of the repository is true: links lead somewhere, commands and options exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])

_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(conjoin [^`]+)`")


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(document: Path) -> list[list[str]]:
    """Return the words of every ``conjoin`` command that a document shows."""
    text = document.read_text("utf-8")
    lines = [line.strip().removeprefix("$ ") for block in _BLOCK.findall(text) for line in block.splitlines()]
    lines += [line.replace("\\|", "|") for line in _INLINE.findall(text)]
    found = []
    for line in lines:
        if line.startswith("conjoin "):
            words = shlex.split(line, comments=True)
            found.append(words[1 : words.index("--")] if "--" in words else words[1:])
    return found


@cache
def help_of(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "conjoin", *([command] if command else []), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_documents_with_commands() -> None:
    assert len(DOCUMENTS) > 8
    assert sum(len(commands(document)) for document in DOCUMENTS) > 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_links_lead_somewhere(document: Path) -> None:
    targets = [target for target in _LINK.findall(document.read_text("utf-8")) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_id)
def test_commands_and_options_exist(document: Path) -> None:
    wrong = []
    for words in commands(document):
        command = "" if words[0].startswith("-") else words[0]
        if command and not re.search(rf"^  {re.escape(command)}\s", help_of(""), re.MULTILINE):
            wrong.append(command)
            continue
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_of(command)))
        wrong += [f"{command} {word}" for word in words if word.startswith("-") and word not in known]
    assert wrong == []


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        word
        for document in DOCUMENTS
        for word in re.findall(r"(?:^\$ |`)make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= targets
