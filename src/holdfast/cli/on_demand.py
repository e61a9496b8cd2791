"""Commands that are imported and built when they are used: of twenty, a call uses one.

Reading a command's options takes milliseconds, and ``holdfast --help`` needs of each command no more than
its first sentence.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
import typer.core
import typer.main

from holdfast.cli.command import takes_groups

__all__ = ["Home", "group_of"]


@dataclass(frozen=True)
class Home:
    """Where a command is.

    :ivar module: within ``holdfast.cli``.
    :ivar function: the command, or what makes its group.
    :ivar is_group: whether it makes a group of commands.
    :ivar context_settings: as typer takes them.
    """

    module: str
    function: str
    is_group: bool = False
    context_settings: Mapping[str, Any] = field(default_factory=dict)

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

    def register(self, app: typer.Typer, name: str) -> None:
        """Make the command part of an application."""
        if self.is_group:
            app.add_typer(self.load()(), name=name)
        else:
            app.command(name, context_settings=dict(self.context_settings))(takes_groups(self.load()))


def group_of(homes: Mapping[str, Home]) -> type[typer.core.TyperGroup]:
    """Return the class of a group whose commands are built when they are used.

    :param homes: by name, in the order in which help lists them.
    """

    class OnDemand(typer.core.TyperGroup):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # Their names alone: what typer completes, and suggests where somebody mistypes.
            self.commands = {name: typer.core.TyperCommand(name) for name in homes}

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """Return a command with nothing but its help: what lists of commands show."""
            home = homes.get(cmd_name)
            return typer.core.TyperCommand(cmd_name, help=home.help()) if home else None

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Return the whole command that a command line names."""
            name, found, rest = super().resolve_command(ctx, args)
            if name is None or found is None:
                return name, found, rest
            app = typer.Typer(
                add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=self.rich_markup_mode
            )
            homes[name].register(app, name)
            return name, typer.main.get_group(app).commands[name], rest

    return OnDemand
