"""Before a task is sent elsewhere: what it needs is brought into the flow's own store, and into the package.

In the launcher alone: this calls the engine.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple

from metaflow_extensions.conjoin.config.settings import engine_settings
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.metaflow_internals import click_contexts, code_member, other_member
from metaflow_extensions.conjoin.plugins.environment.remote.bootstrap_command import (
    ENGINE_FOLDER,
    LOCK_FOLDER,
    lock_file,
)
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest
from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import target_platform
from metaflow_extensions.conjoin.plugins.environment.run.resolve import StepEnvironment

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Credential, Requirements
    from conjoin.store.store import Store
    from conjoin.toolkit.making import Made
    from conjoin.trust.policy import Rule

__all__ = ["deployed_workflow", "packaged", "send"]

_AT_ONCE = 4

# Schedulers' commands, and where Metaflow keeps what the workflow is called there.
_NAMES = {
    "argo-workflows": "workflow_name",
    "step-functions": "state_machine_name",
    "airflow": "dag_name",
}
_DEPLOYING = "create"
_NOT_PLAIN = re.compile(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_.+=@-]")


class _Sent(NamedTuple):
    """A lock, and where its steps run."""

    lock: Lock
    platforms: tuple[str, ...]
    credentials: tuple[Credential, ...]
    steps: tuple[str, ...]


def send(
    requests: Iterable[StepRequest],
    environments: dict[str, StepEnvironment],
    *,
    store: Store,
    say: Callable[[str], None],
) -> tuple[str, ...]:
    """Bring everything into the store that the remote steps of a flow need: packages, locks, toolkits.

    What is there already costs a request for each environment and one for each platform. What is deployed is
    noted there, which costs one more: it stays until it is deployed no more.

    :return: sha256 of what describes the toolkits there: containers are told, and trust nothing else.
    :raises EnvironmentProblem: where it cannot be brought there: no remote task could start.
    """
    remote = [request for request in requests if request.enabled and request.remote]
    if not remote:
        return ()
    _refuse_unverified(remote)
    from concurrent.futures import ThreadPoolExecutor

    configured = _configured()
    wanted = _grouped([environments[one.step] for one in remote if one.step in environments], configured)
    platforms = tuple(dict.fromkeys(target_platform(request) for request in remote))
    pushes = [partial(_push, store, each) for each in wanted]
    toolkits = [partial(_toolkit, store, each, wanted, configured) for each in platforms]
    with ThreadPoolExecutor(min(_AT_ONCE, len(pushes) + len(toolkits))) as pool:
        pushing = [pool.submit(work) for work in pushes]
        made = [one.result() for one in [pool.submit(work) for work in toolkits]]
        told = [one.result() for one in pushing]
    for each in (*told, *("; ".join(one.warnings) for one in made)):
        if each:
            say(each)
    workflow = deployed_workflow()
    if workflow:
        _note(store, workflow, wanted)
    return tuple(sorted({digest for one in made for digest in one.descriptions}))


def _refuse_unverified(requests: Iterable[StepRequest]) -> None:
    """Refuse names that must be signed and would be looked up where nobody can verify that.

    :raises EnvironmentProblem: naming the first step.
    """
    from conjoin.errors import ConjoinError, IntegrityError

    for request in requests:
        name = request.ask.named or ""
        try:
            rule = _rule_for(name) if request.fetched_at_exec else None
        except ConjoinError as error:
            raise EnvironmentProblem(str(error), error.exit_code) from None
        if rule is not None:
            signers = " or ".join(rule.principals)
            raise EnvironmentProblem(
                f"step {request.step}: {name} must be signed by {signers} ({rule.where}), and "
                "fetch_at_exec looks it up in a container, which cannot verify that; drop fetch_at_exec: "
                "then it is looked up and verified here, and the container is told its ids",
                IntegrityError.exit_code,
            )


def _rule_for(name: str) -> Rule | None:
    """Return who must have signed a name, in which ``@{VARIABLE}`` may stand for anything."""
    from conjoin.errors import UsageError
    from conjoin.store.aliases import parse_alias
    from conjoin.trust.policy import rule_for, rule_for_some

    start, variable, _ = name.partition("@{")
    if variable and not name.startswith("step:"):
        return rule_for_some(start.partition(":")[0])
    try:
        alias = parse_alias(name)
    except UsageError:
        return None  # of another kind: ids, or the step of a run
    return rule_for(alias.name)


def packaged(environments: Iterable[StepEnvironment]) -> list[tuple[str, str, Any]]:
    """Return what a code package takes along: hydrating, and the locks of the flow's remote steps."""
    from conjoin.bootstrap.archive import engine_files
    from conjoin.lock.format import encode
    from conjoin.writing import replace

    found = [code_member(path, f"{ENGINE_FOLDER}/{name}") for path, name in engine_files()]
    folder = Path(tempfile.mkdtemp(prefix="conjoin-locks-"))
    # The package is made by a thread that nobody waits for unless a task has to be sent.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for each in {one.id: one for one in environments if one.request.remote}.values():
        file = folder / lock_file(each.id)
        replace(file, encode(each.lock), durable=False)
        found.append(other_member(str(file), f"{LOCK_FOLDER}/{file.name}"))
    return found


def deployed_workflow() -> str:
    """Return ``scheduler/name`` of the workflow that this command deploys; empty where it deploys none."""
    command = ""
    for context in click_contexts():
        attribute = _NAMES.get(context.info_name or "")
        if attribute and command == _DEPLOYING:
            name = getattr(context.obj, attribute, None) or context.obj.flow.name
            return f"{context.info_name}/{_NOT_PLAIN.sub('_', str(name))}"
        command = context.info_name or ""
    return ""


def _configured() -> Requirements:
    from conjoin.errors import ConjoinError
    from conjoin.spec.build import build_requirements

    try:
        return build_requirements(settings=engine_settings())
    except ConjoinError as error:
        raise EnvironmentProblem(str(error), error.exit_code) from None


def _grouped(environments: list[StepEnvironment], configured: Requirements) -> list[_Sent]:
    found: dict[str, _Sent] = {}
    for one in environments:
        same = found.get(one.id)
        found[one.id] = _Sent(
            one.lock,
            tuple(dict.fromkeys([*(same.platforms if same else ()), one.platform])),
            tuple(dict.fromkeys([*(same.credentials if same else configured.credentials), *one.credentials])),
            (*(same.steps if same else ()), one.request.step),
        )
    return list(found.values())


def _push(store: Store, wanted: _Sent) -> str:
    from conjoin.errors import ConjoinError
    from conjoin.store.transfer.push import push

    steps = ", ".join(wanted.steps)
    try:
        done = push(store, wanted.lock, wanted.platforms, credentials=wanted.credentials)
    except ConjoinError as error:
        raise EnvironmentProblem(
            f"the environment of {steps} cannot be brought to where its tasks run: {error}", error.exit_code
        ) from None
    if not done.sent:
        return ""
    megabytes = done.bytes_sent / 1e6
    return f"Cached the environment of {steps}: {done.sent} packages, {megabytes:.1f} MB"


def _note(store: Store, workflow: str, wanted: list[_Sent]) -> None:
    """Have the store keep what a deployed workflow needs: its tasks, which only read, cannot tell."""
    from conjoin.errors import ConjoinError

    try:
        store.deployments.note(
            workflow, {f"{one.lock.req_id}:{one.lock.full_id}": one.steps for one in wanted}
        )
    except ConjoinError as error:
        raise EnvironmentProblem(
            f"the store cannot note what {workflow} needs: {error}", error.exit_code
        ) from None


def _toolkit(store: Store, platform: str, wanted: list[_Sent], configured: Requirements) -> Made:
    from conjoin.errors import ConjoinError
    from conjoin.toolkit.making import make_toolkit

    lock = next((each.lock for each in wanted if platform in each.platforms), None)
    offline = engine_settings().flag("offline")
    try:
        return make_toolkit(store, platform, lock, configured=configured, offline=offline)
    except ConjoinError as error:
        raise EnvironmentProblem(
            f"what containers for {platform} need cannot be brought to the store: {error}", error.exit_code
        ) from None
