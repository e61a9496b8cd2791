"""Decorators without the environment they are for: ``@conda`` in a run without ``--environment=conda``."""

from __future__ import annotations

from typing import Any

from metaflow.metaflow_environment import InvalidEnvironmentException

from metaflow_extensions.conjoin.metaflow_internals import click_contexts

__all__ = ["ENVIRONMENT_TYPES", "refuse_other_environments"]

ENVIRONMENT_TYPES = ("conda", "pypi")
"""The environments that do what decorators ask for."""

# Environments of others that build upon Metaflow's conda decorators.
_ALSO = ("fast-bakery",)

# Commands that run or deploy steps. All others look on; schedulers call `dump` without --environment.
_RUNNING = frozenset({"run", "resume", "spin", "argo-workflows", "step-functions", "airflow"})


def refuse_other_environments(decorator: Any, environment: Any) -> None:
    """Refuse to run steps under an environment that ignores their decorators.

    :raises InvalidEnvironmentException: naming the decorator and the option.
    """
    if environment.TYPE in (*ENVIRONMENT_TYPES, *_ALSO) or decorator.ask().disabled or not _runs_steps():
        return
    wanted = " or --environment=".join(ENVIRONMENT_TYPES)
    raise InvalidEnvironmentException(
        f"@{decorator.name} requires --environment={wanted}; add it before the command, "
        f"e.g. flow.py --environment={ENVIRONMENT_TYPES[0]} run"
    )


def _runs_steps() -> bool:
    return any({one.info_name, one.invoked_subcommand} & _RUNNING for one in click_contexts())
