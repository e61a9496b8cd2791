"""Settings that may hold credentials: their URLs are handed to remote tasks without them.

Metaflow writes ``METAFLOW_CONDA_*`` into jobs and workflow templates, in clear text. Standard library and
Metaflow's reader of settings alone: Metaflow's configuration is being read when this is imported.
"""

from __future__ import annotations

import re
from typing import Any

from metaflow import metaflow_config_funcs
from metaflow_extensions.conjoin.metaflow_internals import serialize_setting

__all__ = ["public", "without_credentials"]

# As conjoin.spec.credentials, which is not everywhere where Metaflow is configured.
# From "://" on: to look for the scheme in front of it would take the square of a long text.
_USERINFO = re.compile(r"(://)[^/?#\s]*@")
_TOKEN = re.compile(r"(://[^/?#\s]+)/t/[A-Za-z0-9_.~%-]+(?=/)")


def without_credentials(text: Any) -> str:
    """Return a setting's text without user names, passwords and tokens of the URLs in it."""
    return _TOKEN.sub(r"\1", _USERINFO.sub(r"\1", str(text)))


def public(name: str) -> Any:
    """Return a setting as :func:`metaflow.metaflow_config_funcs.from_conf` does; what is handed on is public.

    :param name: without ``METAFLOW_``.
    """
    value = metaflow_config_funcs.from_conf(name)
    serialize_setting("METAFLOW_" + name, without_credentials)
    return value
