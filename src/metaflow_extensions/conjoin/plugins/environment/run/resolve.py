"""From what steps ask for to locked environments: once for each requirement, all of a flow at the same time.

In the launcher and in commands alone: this calls the engine.
"""

from __future__ import annotations

import os
import re
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterable,
    Mapping,
    NamedTuple,
    Sequence,
)

from metaflow_extensions.conjoin.config.settings import engine_settings
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest
from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import (
    requirements_of,
    target_platform,
)

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Credential, Requirements
    from conjoin.store.store import Store

__all__ = ["StepEnvironment", "named_lock", "resolve_steps", "substituted"]

_AT_ONCE = 8

_VARIABLE = re.compile(r"@\{(\w+)\}")


class StepEnvironment(NamedTuple):
    """The environment of a step.

    :ivar request: what the step asks for.
    :ivar lock: what was decided.
    :ivar platform: which of the lock's platforms the step runs on.
    :ivar newly_resolved: whether anything had to be solved.
    :ivar seconds: what that took.
    :ivar warnings: a sentence each.
    :ivar credentials: for the origins of packages.
    """

    request: StepRequest
    lock: Lock
    platform: str
    newly_resolved: bool = False
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()

    @property
    def id(self) -> str:
        """The environment as everybody names it: ``req_id:full_id``."""
        return f"{self.lock.req_id}:{self.lock.full_id}"

    @property
    def pinned(self) -> str:
        """``req_id:full_id@sha256:DIGEST``, which is passed on: this lock, or an error."""
        from conjoin.lock.identity import lock_digest

        return f"{self.id}@sha256:{lock_digest(self.lock)}"

    @property
    def python(self) -> str:
        """The minor version of its Python, e.g. ``3.11``; empty where it has none."""
        for package in self.lock.platforms[self.platform].packages:
            if package.name == "python" and package.kind != "pypi":
                return ".".join(package.version.split(".")[:2])
        return ""


class _SharedRequest(NamedTuple):
    """What several steps ask for alike."""

    requirements: Requirements
    base: Lock | None
    base_name: str
    platforms: tuple[str, ...]
    steps: tuple[str, ...]


def resolve_steps(
    requests: Iterable[StepRequest],
    *,
    store: Store,
    platforms: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, StepEnvironment]:
    """Return the environment of every step that has one and whose environment is known before it runs.

    Steps that are disabled, and those whose environment is fetched when they start, are left out. Steps that
    ask for the same thing share one environment; what was resolved before is taken as it is.

    :param store: where locks and aliases are.
    :param platforms: targets instead of those that the steps run on; a step's environment is for the first.
    :param force: solve again, although there are locks.
    :param dry_run: keep nothing.
    :param offline: use caches alone.
    :param say: told what is being done, from any thread.
    :raises EnvironmentProblem: naming every step whose environment cannot be resolved, and why.
    """
    found: dict[str, StepEnvironment] = {}
    wanted: dict[str, _SharedRequest] = {}
    known = [request for request in requests if request.enabled and not request.fetched_at_exec]
    targets = {request.step: tuple(platforms) or (target_platform(request),) for request in known}
    problems: list[EnvironmentProblem] = []
    for request in known:
        try:
            base = _base(request, store)
            if base is not None and request.as_named:
                found[request.step] = _as_it_is(request, base, targets[request.step][0])
                continue
            requirements = requirements_of(request, base)
        except EnvironmentProblem as problem:
            problems.append(problem)
            continue
        key = _key(requirements)
        same = wanted.get(key)
        wanted[key] = _SharedRequest(
            requirements,
            base,
            request.ask.named or "",
            tuple(dict.fromkeys([*(same.platforms if same else ()), *targets[request.step]])),
            (*(same.steps if same else ()), request.step),
        )
    _refuse(problems)
    outcomes = _all(
        list(wanted.values()), store=store, force=force, dry_run=dry_run, offline=offline, say=say
    )
    by_step = {step: (want, outcome) for want, outcome in outcomes for step in want.steps}
    for request in known:
        if request.step in by_step:
            want, outcome = by_step[request.step]
            found[request.step] = StepEnvironment(
                request=request,
                lock=outcome.lock,
                platform=targets[request.step][0],
                newly_resolved=outcome.newly_resolved,
                seconds=outcome.seconds,
                warnings=tuple(outcome.warnings),
                credentials=(*want.requirements.credentials, *outcome.credentials),
            )
    return {request.step: found[request.step] for request in known}


def named_lock(name: str, store: Store, variables: Mapping[str, str] = os.environ) -> Lock:
    """Return the lock that a named environment is: an alias, an id, ``step:Flow/run/step`` or a lock file.

    :param variables: what ``@{NAME}`` stands for.
    :raises EnvironmentProblem: where a variable is not set.
    :raises conjoin.errors.ConjoinError: where there is no such environment.
    """
    from conjoin.store.lookup.reference import find_lock

    return find_lock(substituted(name, variables), store)


def substituted(name: str, variables: Mapping[str, str] = os.environ) -> str:
    """Return a name with every ``@{VARIABLE}`` replaced.

    :raises EnvironmentProblem: where one is not set.
    """
    missing = sorted({one for one in _VARIABLE.findall(name) if one not in variables})
    if missing:
        raise EnvironmentProblem(f"the environment {name} needs {' and '.join(missing)}, which is not set")
    return _VARIABLE.sub(lambda match: variables[match.group(1)], name)


def _base(request: StepRequest, store: Store) -> Lock | None:
    if not request.ask.named:
        return None
    from conjoin.errors import ConjoinError

    try:
        return named_lock(request.ask.named, store)
    except (ConjoinError, EnvironmentProblem) as error:
        raise EnvironmentProblem(f"step {request.step}: {error}", error.exit_code) from None


def _as_it_is(request: StepRequest, lock: Lock, platform: str) -> StepEnvironment:
    name = request.ask.named
    if platform not in lock.platforms:
        raise EnvironmentProblem(
            f"step {request.step}: {name} is locked for {', '.join(lock.platforms)} and not for {platform}; "
            f"resolve it with --platform {platform} too"
        )
    names = {package.name for package in lock.platforms[platform].packages}
    if "requests" not in names:
        raise EnvironmentProblem(
            f"step {request.step}: {name} lacks requests, which Metaflow needs in every step; "
            "resolve it with metaflow environment resolve, or ask for requests"
        )
    return StepEnvironment(request=request, lock=lock, platform=platform)


def _key(requirements: Requirements) -> str:
    from conjoin.spec.canonical import req_id

    return req_id(requirements)


def _all(
    wanted: list[_SharedRequest],
    *,
    store: Store,
    force: bool,
    dry_run: bool,
    offline: bool,
    say: Callable[[str], None],
) -> list[tuple[_SharedRequest, Any]]:
    from concurrent.futures import ThreadPoolExecutor

    from conjoin.errors import ConjoinError
    from conjoin.resolving import ResolveOptions, resolve_request

    settings = engine_settings()
    offline = offline or settings.flag("offline")

    def one(want: _SharedRequest) -> Any:
        steps = ", ".join(want.steps)
        try:
            return resolve_request(
                want.requirements,
                want.platforms,
                ResolveOptions(
                    using=want.base,
                    using_name=want.base_name,
                    use_latest=settings.text("use-remote-latest") or None,
                    force=force,
                    dry_run=dry_run,
                    offline=offline,
                    progress=lambda text: say(f"{steps}: {text}"),
                ),
                store=store,
            )
        except ConjoinError as error:
            return EnvironmentProblem(f"step {steps}: {error}", error.exit_code)

    if len(wanted) < 2:
        outcomes = [one(want) for want in wanted]
    else:
        with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
            outcomes = list(pool.map(one, wanted))
    _refuse([outcome for outcome in outcomes if isinstance(outcome, EnvironmentProblem)])
    return list(zip(wanted, outcomes))


def _refuse(problems: list[EnvironmentProblem]) -> None:
    """Tell about everything that is wrong at once, a line each."""
    if problems:
        raise EnvironmentProblem("\n".join(map(str, problems)), problems[0].exit_code)
