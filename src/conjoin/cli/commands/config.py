"""``conjoin config``: what is configured, where it was said, and changing it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjoin.cli.options import OUTPUT, Argument, Command, Example, Option, OutputOptions
from conjoin.cli.output.reporter import Reporter, presentable
from conjoin.errors import NotFound, UsageError

if TYPE_CHECKING:
    from conjoin.cli.commands.effective import Effective
    from conjoin.config.table import Setting
    from conjoin.config.values import Value

__all__ = ["COMMAND", "config"]


def config(*, json: bool = False) -> None:
    """Show what is configured and where it was said; change it."""
    from conjoin.cli.commands.effective import effective, unknown_variables

    shown = effective()
    if json:
        from conjoin.cli.output.documents import write_json
        from conjoin.config.files import user_file

        project = _project_file()
        write_json(
            {
                "user_file": str(user_file()),
                "project_file": str(project) if project else None,
                "settings": {one.setting.name: _document(one) for one in shown},
            }
        )
    else:
        from conjoin.cli.output.table import Column, print_table

        rows = [(one.setting.name, ", ".join(one.shown), ", ".join(one.where) or "default") for one in shown]
        print_table(
            [Column("setting", "bold"), Column("value", long=True), Column("from", "dim", long=True)], rows
        )
    for warning in unknown_variables():
        Reporter().warn(warning)


def get(output: OutputOptions, key: str) -> None:
    """Print what a setting is: a list's texts, or a table's entries, one a line."""
    from conjoin.cli.commands.effective import effective

    setting = _setting(key)
    [one] = effective([setting])
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json({"name": setting.name, **_document(one)})
        return
    for line in one.shown:
        print(presentable(line))
    sys.stdout.flush()


def set_(key: str, value: Sequence[str], project: bool = False) -> None:
    """Write a setting into your configuration file, which keeps its comments and order.

    Lists and tables take several values; a table's are NAME=VALUE, and entries it has stay.
    """
    from conjoin.config.edit import set_key
    from conjoin.config.files import key_of
    from conjoin.spec.configured.request import read_words

    setting = key_of(key, project=project)
    if setting is None:
        raise UsageError(
            f"{key} asks for packages, it is no setting", advice="write it into the file yourself"
        )
    with _file(project) as file:
        read = read_words(setting, value, folder=file.parent, portable=project)
        _refuse_bad_store(setting, read)
        set_key(file, setting, read, project=project)
    _warn_of_stronger(setting, "project" if project else "user")


def unset(key: str, project: bool = False) -> None:
    """Take a setting out of your configuration file; of a table, an entry with KEY.ENTRY."""
    from conjoin.config.edit import unset_key

    with _file(project) as file:
        if not unset_key(file, key, project=project):
            raise NotFound(f"{key} is not set there", where=str(file))


def path(project: bool = False) -> None:
    """Print the path of your configuration file, whether it exists or not."""
    print(_path(project), flush=True)


_KEY = Argument("key", "a setting's name, as `conjoin config` lists them", "KEY", completes="setting")
_PROJECT = Option("project", "the nearest pyproject.toml's [tool.conjoin], not your own file")
_MORE = ("docs/configuration.md",)

COMMAND = Command(
    config,
    (Option("json", "as JSON, on stdout"),),
    # No words: what is not a command below is none.
    (Argument("words", "what to do", "[COMMAND ...]", required=False, repeats=True),),
    examples=(
        Example("conjoin config", "Everything, and who said so"),
        Example("conjoin config set channels conda-forge bioconda", "Into your own file"),
    ),
    more=_MORE,
    interspersed=False,
    commands={
        "get": Command(
            get, (OUTPUT,), (_KEY,), (Example("conjoin config get channels", "What counts"),), _MORE
        ),
        "set": Command(
            set_,
            (_PROJECT,),
            (
                _KEY,
                Argument(
                    "value", "its value; several for a list", "VALUE...", repeats=True, completes="value"
                ),
            ),
            (
                Example("conjoin config set store s3://bucket/envs", "A text"),
                Example("conjoin config set --project channels conda-forge ./ours", "A list, of the project"),
                Example(
                    "conjoin config set channel-aliases defaults=https://mirror.example/main", "An entry"
                ),
            ),
            _MORE,
        ),
        "unset": Command(
            unset,
            (_PROJECT,),
            (_KEY,),
            (Example("conjoin config unset channel-aliases.defaults", "An entry of a table"),),
            _MORE,
        ),
        "path": Command(
            path, (_PROJECT,), examples=(Example("conjoin config path", "Where your file is"),), more=_MORE
        ),
    },
)


def _setting(key: str) -> Setting:
    from conjoin.config.table import setting_named, unknown_key

    setting = setting_named(key)
    if setting is None:
        raise unknown_key(key)
    return setting


def _document(one: Effective) -> dict[str, Any]:
    from conjoin.config.values import to_toml

    return {
        "value": _public(to_toml(one.setting, one.value)),
        "layer": one.layer,
        "where": list(one.where),
        "variable": one.setting.variable,
    }


def _public(value: Any) -> Any:
    """Return JSON without credentials."""
    from conjoin.spec.credentials import without_credentials

    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, list):
        return [_public(one) for one in value]
    if isinstance(value, dict):
        return {name: _public(one) for name, one in value.items()}
    return value


def _project_file() -> Path | None:
    from conjoin.config.files import project_file

    found = project_file(Path.cwd())
    return Path(found[0]) if found else None


def _path(project: bool) -> Path:
    from conjoin.config.files import nearest_project, user_file

    if not project:
        return user_file()
    found = _project_file() or nearest_project(Path.cwd())
    if found is None:
        raise NotFound("there is no pyproject.toml here or above", where=str(Path.cwd()))
    return found


@contextmanager
def _file(project: bool) -> Iterator[Path]:
    """Yield the file to change, which nobody else changes meanwhile."""
    from conjoin.store.backend.filelock import locked

    file = _path(project)
    if file.exists() and not file.is_file():
        raise UsageError("this is no file", where=str(file), advice="check CONJOIN_CONFIG")
    # A file that is linked to has one lock, whatever it is called.
    target = file.resolve()
    try:
        with locked(target.with_name(f".{target.name}.lock")):
            yield file
    except OSError as error:
        raise UsageError(f"the file cannot be written: {error.strerror or error}", where=str(file)) from None


def _refuse_bad_store(setting: Setting, value: Value) -> None:
    if setting.name == "store":
        from conjoin.store.backend.address import parse_address

        parse_address(str(value))


def _warn_of_stronger(setting: Setting, layer: str) -> None:
    """Say what will count instead of what was just written."""
    from conjoin.config.load import load_settings

    reporter = Reporter()
    try:
        said = load_settings().said(setting.name)
    except UsageError as error:
        reporter.warn(str(error))
        return
    if said and said[0].layer != layer:
        reporter.warn(f"{said[0].where} is stronger")
