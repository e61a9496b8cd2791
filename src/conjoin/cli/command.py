"""A group of options, once: a dataclass whose fields are options, for every command that takes them.

::

    @dataclass(frozen=True, kw_only=True)
    class Output:
        json: Annotated[bool, typer.Option("--json", help="...")] = False

    @app.command()
    @takes_groups
    def show(env: str, output: Output) -> None: ...
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, NamedTuple

__all__ = ["OutputClosed", "Parameters", "parameters_of", "takes_groups"]


class OutputClosed(Exception):
    """Whoever read our output has seen enough."""


class Parameters(NamedTuple):
    """What a command takes, its groups taken apart.

    :ivar groups: parameters that are dataclasses.
    :ivar parameters: all others, and the fields of groups, in order; annotations are evaluated.
    """

    groups: dict[str, Any]
    parameters: list[inspect.Parameter]

    def grouped(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the command, groups made of their fields."""
        left = dict(values)
        made = {
            name: group(**{field.name: left.pop(field.name) for field in fields(group)})
            for name, group in self.groups.items()
        }
        return {**left, **made}


def parameters_of(function: Callable[..., None], typer: Any) -> Parameters:
    """Return what a command takes.

    :param typer: what annotations mean by ``typer``. Commands import it for type checkers alone: where their
        command line is plain, nobody needs it.
    """
    # Not get_type_hints(): before Python 3.11 it hides Annotated inside Optional where a default is None.
    signature = inspect.signature(function, eval_str=True, locals={"typer": typer})
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if is_dataclass(parameter.annotation):
            groups[name] = parameter.annotation
            parameters += _fields(parameter.annotation, typer)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in parameters]
    assert len(names) == len(set(names)), f"{function.__name__}: an option occurs twice in {names}"
    return Parameters(groups, parameters)


def takes_groups(function: Callable[..., None]) -> Callable[..., None]:
    """Return ``function`` with each parameter that is a dataclass replaced by that dataclass's fields."""
    import typer

    taken = parameters_of(function, typer)

    @functools.wraps(function)
    def wrapper(**values: Any) -> None:
        try:
            function(**taken.grouped(values))
        except BrokenPipeError as error:
            # typer would end the program with exit code 1, as if it were a bug.
            raise OutputClosed from error

    wrapper.__signature__ = inspect.Signature(taken.parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in taken.parameters}
    return wrapper


def _fields(group: Any, typer: Any) -> list[inspect.Parameter]:
    annotations = inspect.get_annotations(group, eval_str=True, locals={"typer": typer})
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=annotations[field.name],
        )
        for field in fields(group)
    ]


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default
