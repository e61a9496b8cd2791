"""Where the commands are: of twenty, a call imports one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["HOMES", "Home"]


class Home(NamedTuple):
    """Where a command is.

    :ivar module: within ``holdfast.cli``.
    :ivar function: the command, or what makes its group.
    :ivar is_group: whether it makes a group of commands.
    :ivar context_settings: as typer takes them.
    """

    module: str
    function: str
    is_group: bool = False
    context_settings: Mapping[str, Any] = MappingProxyType({})

    def load(self) -> Callable[..., Any]:
        """Import the command, or what makes its group."""
        found: Callable[..., Any] = getattr(
            importlib.import_module(f"holdfast.cli.{self.module}"), self.function
        )
        return found

    def help(self) -> str:
        """Return what the command is for, in its own words."""
        found = self.load()
        return inspect.cleandoc((found().info.help if self.is_group else found.__doc__) or "")


HOMES = {
    "resolve": Home("resolve", "resolve"),
    "create": Home("create", "create"),
    # The command's own options are not ours: the first word that is no option ends them.
    "run": Home("run", "run", context_settings={"allow_interspersed_args": False}),
    "show": Home("show", "show"),
    "tree": Home("tree", "tree"),
    "why": Home("why", "why"),
    "diff": Home("diff", "diff"),
    "alias": Home("alias", "alias"),
    "get": Home("get", "get"),
    "push": Home("push", "push"),
    "toolkit": Home("toolkit", "toolkit"),
    "list": Home("list", "list_"),
    "gc": Home("gc", "gc"),
    "export": Home("export", "export"),
    "import": Home("import_bundle", "import_bundle"),
    "forge": Home("forge", "forge"),
    "demo": Home("demo", "demo"),
    "config": Home("config", "make_config", is_group=True),
}
"""The commands, in the order in which help lists them."""
