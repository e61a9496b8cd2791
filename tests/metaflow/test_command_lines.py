"""The options that flows' and Metaflow's command lines promise, and those that documents show."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import metaflow  # noqa: F401 - it imports its extensions; the other way round is a circle
from metaflow_extensions.conjoin.cmd.environment import environment_cmd
from metaflow_extensions.conjoin.plugins.flow_cli import environment_cli

DOCUMENT = Path(__file__).parents[2] / "docs" / "metaflow.md"

FLOW: Any = environment_cli.environment
COMMAND: Any = environment_cmd.environment

# What the Netflix extension has; scripts that were written for it run.
PROMISED = {
    ("flow", "resolve"): "--alias --force --dry-run --arch --output",
    ("flow", "show"): "--local-only --output",
    ("command", ""): "--quiet --metadata --datastore --environment --conda-root --quiet-file-output",
    ("command", "create"): "--name --local-only --force --strict --no-strict --into-dir --install-notebook"
    " --pathspec",
    ("command", "resolve"): "--alias --force --local-only --dry-run --set-default --skip-metaflow-deps --arch"
    " --python -r --requirement -f --file -p --pyproject --using --using-pathspec --from --from-pathspec",
    ("command", "show"): "--local-only --arch --pathspec",
    ("command", "alias"): "--local-only --pathspec",
    ("command", "get"): "--default --arch --pathspec",
}


def options(where: str, name: str) -> set[str]:
    group = FLOW if where == "flow" else COMMAND
    command = group.commands[name] if name else group
    return {word for one in command.params for word in (*one.opts, *one.secondary_opts) if word[:1] == "-"}


@pytest.mark.parametrize(("where", "name"), sorted(PROMISED))
def test_options_that_are_promised(where: str, name: str) -> None:
    assert set(PROMISED[where, name].split()) <= options(where, name)


def test_every_command_is_promised_and_helps() -> None:
    for where, group in (("flow", FLOW), ("command", COMMAND)):
        assert set(group.commands) == {name for one, name in PROMISED if one == where and name}
        for command in group.commands.values():
            assert command.help
            assert all(one.help for one in command.params if hasattr(one, "help") and not one.hidden)


def shown() -> list[list[str]]:
    """Return the words of our commands in the document, from ``environment`` on."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    found = [
        shlex.split(line, comments=True) for line in lines if " environment " in line and "(" not in line
    ]
    return [words for words in found if words[0] in ("python", "metaflow")]


def test_the_document_shows_options_that_exist() -> None:
    commands = shown()
    assert len(commands) >= 10
    wrong = []
    for words in commands:
        where = "flow" if words[0] == "python" else "command"
        rest = words[words.index("environment") + 1 :]
        name = next(word for word in rest if not word.startswith("-"))
        known = options(where, "") | options(where, name)
        wrong += [(words, word) for word in rest if word.startswith("-") and word not in known]
    assert wrong == []


@pytest.mark.parametrize(
    "heading", ["Environments of a flow, without a run", "Environments outside of any flow"]
)
def test_the_document_names_options_that_exist(heading: str) -> None:
    section = DOCUMENT.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(--[a-z][a-z-]*)", section))
    assert len(named) > 5
    assert named <= {word for where, name in PROMISED for word in options(where, name)}
