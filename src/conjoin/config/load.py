"""Everything that is configured, put together: variables over the project's table over the user's file.

The variables are closest to the one command that is run, so they are the strongest; a project knows better
than a user's file what its work needs. What is typed, and what the files of a request say, is stronger than
all of these: it is the request itself, see :mod:`conjoin.spec.configured.request`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from conjoin.config.files import project_file, project_layer, signature, user_file, user_layer
from conjoin.config.settings import Layer, Settings
from conjoin.config.table import SETTINGS
from conjoin.config.values import Value, of_text
from conjoin.errors import UsageError

__all__ = ["load_settings"]


def load_settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Return what is configured, now: files are read again where they changed.

    :param environ: environment variables, those of this process if None.
    :param folder: where the search for a project begins, the current directory if None.
    :raises UsageError: for a file or variable that is not what it should be, with its place.
    """
    environ = os.environ if environ is None else environ
    layers = [_variables(environ)]
    project = project_file(folder or _here(), environ)
    if project is not None:
        layers.append(project_layer(project))
    user = signature(user_file(environ))
    if user is not None:
        layers.append(user_layer(user))
    return Settings(layers)


def _variables(environ: Mapping[str, str]) -> Layer:
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        text = environ.get(setting.variable, "")
        if not text.strip():
            continue
        try:
            values[setting.name] = of_text(setting, text)
        except UsageError as error:
            error.add_place(setting.variable)
            raise
    return Layer("variables", values, {one.name: one.variable for one in SETTINGS if one.name in values})


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # somebody removed it
        return Path(os.sep)
