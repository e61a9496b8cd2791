"""How it stands with the environments of a flow's steps, without resolving anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, NamedTuple

from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Requirements
    from conjoin.store.store import Store

__all__ = ["StepState", "requirements_and_base", "step_states"]


class StepState(NamedTuple):
    """What is known of a step's environment.

    :ivar platform: that the step runs on.
    :ivar words: how it stands, for people.
    :ivar req_id: of what it asks for; None where that is not known yet.
    :ivar lock: None where nobody resolved it for the platform.
    :ivar prefix: where it is on this machine.
    :ivar error: why what it asks for cannot be had.
    """

    request: StepRequest
    platform: str
    words: tuple[str, ...]
    req_id: str | None = None
    lock: Lock | None = None
    prefix: str | None = None
    error: str | None = None

    def document(self, store: Store) -> dict[str, Any]:
        """Return what programs are told."""
        from metaflow_extensions.conjoin.plugins.flow_cli.output import environment_document

        ask = self.request.ask
        return {
            "state": list(self.words),
            "is_disabled": not self.request.enabled,
            "error": self.error,
            "requested_hash": self.req_id,
            "requested_packages": {"conda": ask.conda, "pypi": ask.pypi, "sys": ask.system},
            "requested_sources": {"conda": list(ask.channels), "pypi": list(ask.indexes)},
            "from_env_name": ask.named,
            "is_fetch_at_exec": self.request.fetched_at_exec,
            "prefix": self.prefix,
            "env": environment_document(self.lock, self.platform, store) if self.lock else None,
        }


def step_states(requests: Iterable[StepRequest], store: Store, *, local_only: bool) -> list[StepState]:
    """Return how it stands with each step's environment.

    :param local_only: what this machine knows, without asking an object store.
    """
    asked = store.local if local_only else store
    return [_state(request, asked, local_only) for request in requests]


def requirements_and_base(request: StepRequest, store: Store) -> tuple[Requirements, Lock | None]:
    """Return what a step asks for, as a run resolves it, and the environment that it extends.

    :raises conjoin.errors.ConjoinError: where there is no such environment.
    :raises EnvironmentProblem: where it cannot be understood.
    """
    from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import requirements_of
    from metaflow_extensions.conjoin.plugins.environment.run.resolve import named_lock

    base = named_lock(request.ask.named, store) if request.ask.named else None
    return requirements_of(request, base), base


def _state(request: StepRequest, store: Store, local_only: bool) -> StepState:
    from metaflow.exception import MetaflowException

    from conjoin.errors import ConjoinError
    from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import target_platform

    platform = target_platform(request)
    if not request.enabled:
        return StepState(request, platform, ("disabled",))
    named = request.ask.named
    if request.fetched_at_exec:
        return StepState(request, platform, (f"{named}, fetched when a task starts",))
    how = () if not named else (f"is {named}" if request.as_named else f"extends {named}",)
    try:
        req_id, lock = _resolved(request, store, local_only)
    except (ConjoinError, MetaflowException) as error:
        return StepState(request, platform, (*how, "impossible"), error=" ".join(str(error).split()))
    if lock is None or platform not in lock.platforms:
        return StepState(request, platform, (*how, "unresolved"), req_id)
    from metaflow_extensions.conjoin.plugins.flow_cli.output import made_prefix

    words = [*how, "resolved"]
    if store.shared is not None and store.locks.has(lock.req_id, lock.full_id):
        words.append("in the datastore's store")
    prefix = made_prefix(lock)
    if prefix:
        words.append("hydrated here")
    return StepState(request, platform, tuple(words), req_id, lock, prefix)


def _resolved(request: StepRequest, store: Store, local_only: bool) -> tuple[str, Lock | None]:
    from conjoin.resolving import resolved_before
    from conjoin.spec.canonical import req_id
    from metaflow_extensions.conjoin.config.settings import engine_settings

    requirements, base = requirements_and_base(request, store)
    if base is not None:
        if request.as_named:
            return base.req_id, base
        from conjoin.lock.extend import extended

        requirements = extended(requirements, base)
    whose = "none" if local_only else engine_settings().text("use-remote-latest") or None
    taken = resolved_before(requirements, store, whose)
    return req_id(requirements), taken.lock if taken else None
