"""What a command deploys, by the name that the store knows it by."""

from __future__ import annotations

import re

from metaflow._vendor import click

__all__ = ["deployed_workflow"]

# Schedulers' commands, and where Metaflow keeps what the workflow is called there.
_NAMES = {
    "argo-workflows": "workflow_name",
    "step-functions": "state_machine_name",
    "airflow": "dag_name",
}
_DEPLOYING = "create"
_NOT_PLAIN = re.compile(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_.+=@-]")


def deployed_workflow() -> str:
    """Return ``scheduler/name`` of the workflow that this command deploys; empty where it deploys none."""
    context, command = click.get_current_context(silent=True), ""
    while context is not None:
        attribute = _NAMES.get(context.info_name or "")
        if attribute and command == _DEPLOYING:
            name = getattr(context.obj, attribute, None) or context.obj.flow.name
            return f"{context.info_name}/{_NOT_PLAIN.sub('_', str(name))}"
        context, command = context.parent, context.info_name or ""
    return ""
