"""Where the commands are: of twenty, a call imports one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["HOMES", "Home"]


class Home(NamedTuple):
    """Where a command is.

    :ivar module: within ``conjoin.cli``.
    :ivar function: the command, or what makes its group.
    :ivar help: the first sentence of its own help: lists of commands are shown without importing any.
    :ivar is_group: whether it makes a group of commands.
    :ivar context_settings: as typer takes them.
    """

    module: str
    function: str
    help: str
    is_group: bool = False
    context_settings: Mapping[str, Any] = MappingProxyType({})

    def load(self) -> Callable[..., Any]:
        """Import the command, or what makes its group."""
        found: Callable[..., Any] = getattr(
            importlib.import_module(f"conjoin.cli.{self.module}"), self.function
        )
        return found


HOMES = {
    "resolve": Home(
        "resolve",
        "resolve",
        "Find the one exact environment that satisfies a request, over conda and PyPI together.",
    ),
    "create": Home(
        "create",
        "create",
        "Make a prefix of an environment, or of what a request asks for, and print its path.",
    ),
    # The command's own options are not ours: the first word that is no option ends them.
    "run": Home(
        "run",
        "run",
        "Run a command in an environment, or in what a request asks for; the exit code is the command's.",
        context_settings={"allow_interspersed_args": False},
    ),
    "show": Home("show", "show", "Show the packages of an environment, for each platform."),
    "tree": Home("tree", "tree", "Draw who asks for what in an environment, over both sides."),
    "why": Home(
        "why",
        "why",
        "Tell who brought a package in: the chains from what was asked for down to it, over both sides.",
    ),
    "diff": Home(
        "diff", "diff", "Show what came, went or moved between two environments, platform by platform."
    ),
    "alias": Home("alias", "alias", "Name an environment, list names, or show what a name meant before."),
    "get": Home(
        "get",
        "get",
        "Fetch an environment's definition, and its name, into the local store and print its id.",
    ),
    "push": Home(
        "push", "push", "Bring an environment and all its packages to a store, for everybody who can read it."
    ),
    "toolkit": Home(
        "toolkit",
        "toolkit",
        "Keep in a store what bare containers need: `python bootstrap.pyz STORE ENV` does the rest.",
    ),
    "list": Home(
        "list", "list_", "List the environments that are known here, or in a store; last used first."
    ),
    "gc": Home(
        "gc",
        "gc",
        "Drop what no name, no deployed workflow, no default, no recent use and no prefix refers to.",
    ),
    "export": Home("export", "export", "Write an environment in another form."),
    "import": Home(
        "import_bundle",
        "import_bundle",
        "Bring the environment and the packages of an offline bundle into a store, and print its id.",
    ),
    "forge": Home(
        "forge", "forge", "Make real conda packages and an indexed channel, for use without any public one."
    ),
    "demo": Home(
        "demo",
        "demo",
        "Show what this is about: one environment out of conda and PyPI that conda-first tools cannot find.",
    ),
    "config": Home(
        "config", "make_config", "Show what is configured and where it was said; change it.", is_group=True
    ),
}
"""The commands, in the order in which help lists them."""
