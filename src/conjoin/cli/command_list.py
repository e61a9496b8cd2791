"""Which commands there are: of twenty, a call imports one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from conjoin.cli.options import Command

__all__ = ["COMMANDS", "Entry"]

_MAKE = "Make environments"
_LOOK = "Look at environments"
_SHARE = "Share environments"
_TIDY = "This machine"
_MORE = "Help and more"


class Entry(NamedTuple):
    """A command that is not imported yet.

    :ivar module: within ``conjoin.cli``.
    :ivar help: the first sentence of the command's own help.
    :ivar group: the heading in lists.
    :ivar variable: the module's, which holds the command.
    """

    module: str
    help: str
    group: str
    variable: str = "COMMAND"

    def load(self) -> Command:
        """Import the command."""
        command: Command = getattr(importlib.import_module(f"conjoin.cli.{self.module}"), self.variable)
        return command


COMMANDS = {
    "resolve": Entry(
        "commands.resolve",
        "Find the one exact environment that satisfies a request, over conda and PyPI together.",
        _MAKE,
    ),
    "create": Entry(
        "commands.create",
        "Make a prefix of an environment, or of what a request asks for, and print its path.",
        _MAKE,
    ),
    "run": Entry(
        "commands.run",
        "Run a command in an environment, or in what a request asks for; the exit code is the command's.",
        _MAKE,
    ),
    "show": Entry("commands.show", "Show the packages of an environment, for each platform.", _LOOK),
    "tree": Entry("commands.tree", "Draw who asks for what in an environment, over both sides.", _LOOK),
    "why": Entry(
        "commands.why",
        "Tell who brought a package in: the chains from what was asked for down to it, over both sides.",
        _LOOK,
    ),
    "diff": Entry(
        "commands.diff",
        "Show what came, went or moved between two environments, platform by platform.",
        _LOOK,
    ),
    "list": Entry(
        "commands.list", "List the environments that are known here, or in a store; last used first.", _LOOK
    ),
    "verify": Entry(
        "commands.verify",
        "Check every file of a prefix, and every object of a store, against what is locked.",
        _LOOK,
    ),
    "alias": Entry(
        "commands.alias", "Name an environment, list names, or show what a name meant before.", _SHARE
    ),
    "get": Entry(
        "commands.get",
        "Fetch an environment's definition, and its name, into the local store and print its id.",
        _SHARE,
    ),
    "push": Entry(
        "commands.push",
        "Bring an environment and all its packages to a store, for everybody who can read it.",
        _SHARE,
    ),
    "toolkit": Entry(
        "commands.toolkit",
        "Keep in a store what bare containers need: `python bootstrap.pyz STORE ENV` does the rest.",
        _SHARE,
    ),
    "export": Entry("commands.export", "Write an environment in another form.", _SHARE),
    "import": Entry(
        "commands.import_bundle",
        "Bring the environment and the packages of an offline bundle into a store, and print its id.",
        _SHARE,
    ),
    "log": Entry(
        "commands.log",
        "Show who pushed, named, collected or deleted what in a store, newest first.",
        _SHARE,
    ),
    "gc": Entry(
        "commands.gc",
        "Drop what no name, no deployed workflow, no default, no recent use and no prefix refers to.",
        _TIDY,
    ),
    "config": Entry("commands.config", "Show what is configured and where it was said; change it.", _TIDY),
    "forge": Entry(
        "commands.forge",
        "Make real conda packages and an indexed channel, for use without any public one.",
        _TIDY,
    ),
    "demo": Entry(
        "commands.demo",
        "Show what this is about: one environment out of conda and PyPI that conda-first tools cannot find.",
        _MORE,
    ),
    "completion": Entry("completion", "Print what makes a shell complete command lines.", _MORE),
    "help": Entry("root", "Show the help of a command.", _MORE, "HELP"),
    "version": Entry("root", "Print the version.", _MORE, "VERSION"),
}
"""The commands, in the order in which help lists them, a group after the other."""
