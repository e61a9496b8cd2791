"""``flow.py --environment=conda environment resolve|show``: a flow's environments without a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Sequence

from metaflow_extensions.conjoin.errors import EnvironmentProblem, reported
from metaflow_extensions.conjoin.metaflow_internals import metaflow_click
from metaflow_extensions.conjoin.plugins.environment.request.environment_types import ENVIRONMENT_TYPES
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest, flow_requests

if TYPE_CHECKING:
    from conjoin.store.aliases import Alias
    from conjoin.store.store import Store
    from metaflow_extensions.conjoin.plugins.environment.run.resolve import StepEnvironment

__all__ = ["cli"]

click = metaflow_click()


@click.group()
def cli() -> None:
    """Give Metaflow the group it takes commands from."""


@cli.group(help="Resolve the environments of a flow's steps, or show how it stands with them.")
@click.pass_obj
def environment(obj: Any) -> None:
    """Refuse to work where steps would have no environments."""
    if obj.environment.TYPE not in ENVIRONMENT_TYPES:
        with reported():
            raise EnvironmentProblem(
                f"steps have no environments under --environment={obj.environment.TYPE}; "
                f"write flow.py --environment={ENVIRONMENT_TYPES[0]} environment ..."
            )


@environment.command(help="Resolve the environments of the flow's steps, or of some of them.")
@click.option("--alias", multiple=True, help="Name the environment, e.g. team/torch:v1.")
@click.option("--force/--no-force", default=False, help="Solve again what was solved before.")
@click.option("--dry-run/--no-dry-run", default=False, help="Keep nothing.")
@click.option("--arch", multiple=True, help="Platform, e.g. linux-64; default: that the step runs on.")
@click.option("--output", default=None, help="Write the environments to this file as JSON; - is stdout.")
@click.argument("steps-to-resolve", required=False, nargs=-1)
@click.pass_obj
def resolve(
    obj: Any,
    steps_to_resolve: Sequence[str],
    alias: Sequence[str],
    force: bool,
    dry_run: bool,
    arch: Sequence[str],
    output: str | None,
) -> None:
    """Resolve the environments of steps as a run does before its first one, keep them and print them."""
    with reported():
        from conjoin.spec.platform import platform_name
        from metaflow_extensions.conjoin.config.flow_store import open_store
        from metaflow_extensions.conjoin.plugins.environment.run.resolve import resolve_steps
        from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import (
            aliases_of,
            give_names,
            keep_in_store,
        )

        store = open_store(obj.flow_datastore.TYPE)
        requests = _chosen(obj, steps_to_resolve)
        platforms = [platform_name(name) for name in arch]
        aliases = aliases_of(alias, dry_run=dry_run)
        _refuse_names(aliases, requests, store, force)
        _say_notes(obj, requests)
        found = resolve_steps(
            requests, store=store, platforms=platforms, force=force, dry_run=dry_run, say=obj.echo
        )
        for one in found.values():
            for warning in one.warnings:
                obj.echo(warning, fg="yellow")
        for one in {one.id: one for one in found.values()}.values():
            if not dry_run:
                keep_in_store(one.lock, store, one.credentials)
            give_names(aliases, one.lock, store, one.credentials)
        _tell(obj, found, platforms, output, store)


@environment.command(help="Show how it stands with the environments of the flow's steps.")
@click.option("--local-only/--no-local-only", default=False, help="As far as this machine knows.")
@click.option("--output", default=None, help="Write it to this file as JSON; - is stdout.")
@click.argument("steps-to-show", required=False, nargs=-1)
@click.pass_obj
def show(obj: Any, steps_to_show: Sequence[str], local_only: bool, output: str | None) -> None:
    """Print how it stands with the environments of steps, and resolve nothing."""
    with reported():
        from metaflow_extensions.conjoin.config.flow_store import open_store
        from metaflow_extensions.conjoin.plugins.flow_cli.output import (
            machine_line,
            print_environment,
            write_document,
        )
        from metaflow_extensions.conjoin.plugins.flow_cli.step_status import step_states

        store = open_store(obj.flow_datastore.TYPE)
        states = step_states(_chosen(obj, steps_to_show), store, local_only=local_only)
        if output is not None:
            write_document({one.request.step: one.document(store) for one in states}, output)
        if output == "-":
            return
        if obj.is_quiet:
            for one in states:
                line = machine_line(one.lock, one.platform, store) if one.lock else one.words[-1]
                print(one.request.step, line, flush=True)
            return
        from conjoin.cli.output.table import Column, print_table

        print_table(
            (Column("step", "bold"), Column("environment", "cyan", long=True), Column("state", long=True)),
            [
                (
                    one.request.step,
                    f"{one.lock.req_id}:{one.lock.full_id}" if one.lock else "",
                    ", ".join(one.words) + (f": {one.error}" if one.error else ""),
                )
                for one in states
            ],
        )
        print()
        for steps, lock, platform in _shared(
            [(one.request.step, one.lock, one.platform) for one in states if one.lock]
        ):
            print_environment(lock, platform, steps, store)


def _chosen(obj: Any, names: Sequence[str]) -> list[StepRequest]:
    """Return what the steps of these names, or all, ask for.

    :raises EnvironmentProblem: where the flow has no such step.
    """
    requests = flow_requests(obj.flow, obj.flow_datastore.TYPE)
    unknown = [name for name in names if name not in {request.step for request in requests}]
    if unknown:
        raise EnvironmentProblem(
            "the flow {} has no step {}; it has {}".format(
                obj.flow.name, unknown[0], ", ".join(sorted(request.step for request in requests))
            )
        )
    return [request for request in requests if not names or request.step in names]


def _say_notes(obj: Any, requests: list[StepRequest]) -> None:
    for note in dict.fromkeys(note for request in requests for note in request.ask.notes):
        obj.echo(note, fg="yellow")
    for request in requests:
        if not request.enabled:
            obj.echo(f"{request.step}: disabled, it has no environment")
        elif request.fetched_at_exec:
            obj.echo(f"{request.step}: {request.ask.named} is looked up when a task starts")


def _refuse_names(aliases: list[Alias], requests: list[StepRequest], store: Store, force: bool) -> None:
    """Refuse names for several environments, and such as are taken, before any work."""
    if not aliases:
        return
    from conjoin.errors import UsageError
    from conjoin.spec.canonical import req_id
    from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import refuse_taken
    from metaflow_extensions.conjoin.plugins.flow_cli.step_status import requirements_and_base

    asked: dict[str, Any] = {}
    for request in requests:
        if request.enabled and not request.fetched_at_exec:
            requirements, base = requirements_and_base(request, store)
            key = f"{base.req_id}:{base.full_id}" if base and request.as_named else req_id(requirements)
            asked.setdefault(key, (request.step, requirements, base))
    if len(asked) != 1:
        steps = ", ".join(step for step, _, _ in asked.values()) or "none of these steps has one"
        raise UsageError(
            f"--alias is for one environment, and there are {len(asked)} ({steps})", advice="name one step"
        )
    [(_, requirements, base)] = asked.values()
    refuse_taken(aliases, requirements, base, store, force=force)


def _tell(
    obj: Any,
    found: dict[str, StepEnvironment],
    platforms: Sequence[str],
    output: str | None,
    store: Store,
) -> None:
    from metaflow_extensions.conjoin.plugins.flow_cli.output import (
        environment_document,
        machine_line,
        print_environment,
        write_document,
    )

    rows = [(step, one, platform) for step, one in found.items() for platform in platforms or [one.platform]]
    if output is not None:
        document: dict[str, dict[str, Any]] = {}
        for step, one, platform in rows:
            document.setdefault(step, {})[platform] = {
                "req_id": one.lock.req_id,
                "full_id": one.lock.full_id,
                "newly_resolved": one.newly_resolved,
                "env": environment_document(one.lock, platform, store),
            }
        write_document(document, output)
    if output == "-":
        return
    if obj.is_quiet:
        for step, one, platform in rows:
            print(step, machine_line(one.lock, platform, store), flush=True)
        return
    new = {one.id for one in found.values() if one.newly_resolved}
    for steps, lock, platform in _shared([(step, one.lock, platform) for step, one, platform in rows]):
        how = "resolved" if f"{lock.req_id}:{lock.full_id}" in new else "resolved before"
        print_environment(lock, platform, f"{steps}: {how}", store)
    if not found:
        print("no step has an environment to resolve", file=sys.stderr)


def _shared(rows: Sequence[tuple[str, Any, str]]) -> list[tuple[str, Any, str]]:
    """Return each environment once, with the names of all steps that have it."""
    steps: dict[tuple[str, str, str], list[str]] = {}
    locks: dict[tuple[str, str, str], Any] = {}
    for step, lock, platform in rows:
        key = (lock.req_id, lock.full_id, platform)
        steps.setdefault(key, []).append(step)
        locks[key] = lock
    return [(", ".join(names), locks[key], key[2]) for key, names in steps.items()]
