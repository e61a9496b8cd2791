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
from typing import Any, get_type_hints

__all__ = ["OutputClosed", "takes_groups"]


class OutputClosed(Exception):
    """Whoever read our output has seen enough."""


def takes_groups(function: Callable[..., None]) -> Callable[..., None]:
    """Return ``function`` with each parameter that is a dataclass replaced by that dataclass's fields."""
    # Not get_type_hints(): before Python 3.11 it hides Annotated inside Optional where a default is None.
    signature = inspect.signature(function, eval_str=True)
    hints = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
    names = [parameter.name for parameter in parameters]
    assert len(names) == len(set(names)), f"{function.__name__}: an option occurs twice in {names}"

    @functools.wraps(function)
    def wrapper(**values: Any) -> None:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        try:
            function(**values, **made)
        except BrokenPipeError as error:
            # typer would end the program with exit code 1, as if it were a bug.
            raise OutputClosed from error

    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
