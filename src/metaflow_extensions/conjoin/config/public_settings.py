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

_BEHIND_A_HOST = re.compile(r"://(?:[^/?#\s]*@)?([^/?#\s]*)(?:/t/[^/\s]*)?([^?#\s]*)[^\s,]*")


def without_credentials(text: Any) -> str:
    """Return a setting's text without user names, passwords, tokens and secret parameters of its URLs."""
    try:
        from conjoin.redaction import redacted
    except ImportError:  # a task that has Metaflow's code alone: it hands on what nobody can call a secret
        return _BEHIND_A_HOST.sub(r"://\1\2", str(text))
    return redacted(str(text))


def public(name: str) -> Any:
    """Return a setting as :func:`metaflow.metaflow_config_funcs.from_conf` does; what is handed on is public.

    :param name: without ``METAFLOW_``.
    """
    value = metaflow_config_funcs.from_conf(name)
    serialize_setting("METAFLOW_" + name, without_credentials)
    return value
