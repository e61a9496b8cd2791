"""``--environment=conda`` and ``--environment=pypi``: every step in an environment that is locked."""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

from metaflow.metaflow_environment import MetaflowEnvironment

from metaflow_extensions.conjoin.config.flow_store import store_address
from metaflow_extensions.conjoin.errors import EnvironmentProblem, told_by_metaflow
from metaflow_extensions.conjoin.metaflow_internals import click_contexts
from metaflow_extensions.conjoin.plugins.environment.remote.bootstrap_command import EXECUTABLE, RemoteTask
from metaflow_extensions.conjoin.plugins.environment.request.step_request import (
    REMOTE_PLATFORM,
    StepRequest,
    flow_requests,
)
from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import (
    ENVIRONMENT_VARIABLE,
    NO_ENVIRONMENT,
    TOOLKIT_VARIABLE,
)

__all__ = ["CondaEnvironment", "PypiEnvironment"]


class CondaEnvironment(MetaflowEnvironment):
    """Steps run in environments of conda and PyPI packages, solved together.

    :ivar base_env: does what is not about environments; Metaflow asks it for the Python of local workers.
    :ivar datastore_type: of the flow, once Metaflow has said it.
    :ivar datastore_root: of the flow, once Metaflow has opened it.
    :ivar environments: by step, after :meth:`init_environment`.
    """

    TYPE = "conda"

    def __init__(self, flow: Any) -> None:
        super().__init__(flow)
        self.base_env = MetaflowEnvironment(flow)
        self.datastore_type = "local"
        self.datastore_root = ""
        self.environments: dict[str, Any] = {}
        self.toolkit: tuple[str, ...] = ()
        self._flow = flow
        self._code_home: Any = None
        self._hydrations: Any = None
        self._requests: dict[str, StepRequest] | None = None

    def validate_environment(self, echo: Any, datastore_type: str) -> None:
        """Remember the type of the datastore; every command and every task comes here, so nothing else."""
        self.datastore_type = datastore_type
        self.base_env.validate_environment(echo, datastore_type)

    def decospecs(self) -> tuple[str, ...]:
        """Return the decorator that puts tasks into environments."""
        return ("conda_env_internal", *self.base_env.decospecs())

    def init_environment(self, echo: Any) -> None:
        """Resolve what the flow's steps ask for, and begin to make what a run will need.

        :raises EnvironmentProblem: where it cannot be resolved.
        """
        self.base_env.init_environment(echo)
        try:
            from metaflow_extensions.conjoin.config.flow_store import open_store
            from metaflow_extensions.conjoin.plugins.environment.run.resolve import resolve_steps

            store = open_store(self.datastore_type)
        except ImportError as error:
            raise EnvironmentProblem(
                f"Conjoin is not installed where this flow is started ({error}); "
                "pip install 'conjoin[metaflow]'"
            ) from None
        requests = flow_requests(self._flow, self.datastore_type)
        self._requests = {request.step: request for request in requests}
        for note in dict.fromkeys(note for request in requests for note in request.ask.notes):
            echo(note, fg="yellow")
        with told_by_metaflow():
            self.environments = resolve_steps(requests, store=store, say=_Saying(echo))
            for warning in dict.fromkeys(w for one in self.environments.values() for w in one.warnings):
                echo(warning, fg="yellow")
            if _command_is("run"):
                for step, environment in self.environments.items():
                    if not self._requests[step].remote:
                        self.hydrations.begin(environment)
            if not _command_is("package"):
                from metaflow_extensions.conjoin.plugins.environment.remote.send import send

                self.toolkit = send(requests, self.environments, store=store, say=echo)

    @property
    def hydrations(self) -> Any:
        """The environments being made for this run."""
        if self._hydrations is None:
            from metaflow_extensions.conjoin.config.flow_store import open_store
            from metaflow_extensions.conjoin.config.settings import engine_settings
            from metaflow_extensions.conjoin.plugins.environment.run.background_hydration import Hydrations

            self._hydrations = Hydrations(
                open_store(self.datastore_type), self.datastore_type, engine_settings().flag("offline")
            )
        return self._hydrations

    def use_datastore(self, datastore_root: str) -> None:
        """Remember where the flow's datastore is; every step says the same."""
        self.datastore_root = datastore_root

    def run_begins(self, package: Any) -> None:
        """Remember the code package, from which tasks import Metaflow; every step says the same."""
        if self._code_home is None:
            from metaflow_extensions.conjoin.plugins.environment.run.code_home import CodeHome

            self._code_home = CodeHome(package)

    def code_variables(self, python: str) -> dict[str, str]:
        """Return what makes Metaflow importable in a task, ``PYTHONPATH`` above all.

        :param python: the task's Python, e.g. ``3.11``; empty where it is not known yet.
        """
        found: dict[str, str] = self._code_home.variables(python)
        return found

    def run_finished(self) -> None:
        """Leave nothing of a run behind."""
        if self._code_home is not None:
            self._code_home.remove()
            self._code_home = None
        if self._hydrations is not None:
            self._hydrations.end()

    def request_of(self, step: str) -> StepRequest:
        """Return what a step asks for, by the decorators it has now."""
        if self._requests is None or step not in self._requests:
            self._requests = {one.step: one for one in flow_requests(self._flow, self.datastore_type)}
        return self._requests[step]

    def is_for_this_machine(self, environment: Any) -> bool:
        """Return whether a step's environment can be made here."""
        from conjoin.spec.platform import host_platform

        return environment is not None and environment.platform == host_platform()

    def executable(self, step_name: str, default: str | None = None) -> str:
        """Return the Python that the commands of a step which is sent elsewhere are written with.

        Metaflow asks for what is no step as well: ``_parameters`` stands for its own hooks.
        """
        if self._is_hydrated_there(step_name):
            return EXECUTABLE
        return str(self.base_env.executable(step_name, default))

    def bootstrap_commands(self, step_name: str, datastore_type: str) -> list[str]:
        """Return the commands that make the environment where a step is sent.

        :raises EnvironmentProblem: where a command line cannot say which, or out of which store.
        """
        commands = list(self.base_env.bootstrap_commands(step_name, datastore_type))
        if self._is_hydrated_there(step_name):
            commands.append(self._remote_task(step_name, datastore_type).command)
        return commands

    def add_to_package(self) -> list[tuple[Any, ...]]:
        """Return what the code package takes along: where steps are sent elsewhere, what hydrates there."""
        own = list(self.base_env.add_to_package())
        if any(request.remote and request.enabled for request in (self._requests or {}).values()):
            from metaflow_extensions.conjoin.plugins.environment.remote.send import packaged

            own += packaged(self.environments.values())
        return own

    def _is_hydrated_there(self, step_name: str) -> bool:
        try:
            return self.request_of(step_name).enabled
        except KeyError:
            return False

    def _remote_task(self, step_name: str, datastore_type: str) -> RemoteTask:
        request = self.request_of(step_name)
        store = store_address(datastore_type)
        if store is None:
            raise EnvironmentProblem(
                f"step {step_name} cannot be sent elsewhere: its environment would come from a store in the "
                "cloud; set --datastore and METAFLOW_DATASTORE_SYSROOT_S3, _AZURE or _GS"
            )
        name = request.ask.named or "" if request.fetched_at_exec else ""
        # Whoever deploys has resolved; a process between the run and its task was told.
        environment = self.environments.get(step_name)
        name = name or (environment.pinned if environment else os.environ.get(ENVIRONMENT_VARIABLE, ""))
        if not name or name == NO_ENVIRONMENT:
            raise EnvironmentProblem(f"nobody says which environment step {step_name} has; start it by a run")
        task = RemoteTask(
            store,
            request.remote_platform or REMOTE_PLATFORM,
            name,
            request.fetched_at_exec,
            self.datastore_root if request.fetched_at_exec else "",
            self.toolkit or tuple(filter(None, os.environ.get(TOOLKIT_VARIABLE, "").split(","))),
        )
        try:
            _ = task.command
        except ValueError as error:
            raise EnvironmentProblem(
                f"step {step_name}: {error} cannot stand on the command line of a task elsewhere; "
                "use letters, digits and ./:_-=+"
            ) from None
        return task

    def pylint_config(self) -> list[str]:
        """Return how pylint is told that imports need not be there in the launcher."""
        return [*super().pylint_config(), "--disable=F0401"]

    @classmethod
    def get_client_info(cls, flow_name: str, metadata: dict[str, str]) -> dict[str, Any]:
        """Return what the client tells about a task's environment."""
        from metaflow_extensions.conjoin.plugins.environment.run.past_tasks import environment_information

        return environment_information(metadata)


class PypiEnvironment(CondaEnvironment):
    """The same under its other name: one implementation serves both."""

    TYPE = "pypi"


class _Saying:
    """Says once for each group of steps that their environment is being resolved."""

    def __init__(self, echo: Any) -> None:
        self._echo = echo
        self._said: set[str] = set()
        self._one_at_a_time = Lock()

    def __call__(self, text: str) -> None:
        steps = text.partition(":")[0]
        with self._one_at_a_time:
            if steps in self._said:
                return
            self._said.add(steps)
            self._echo(f"Resolving the environment of {steps} ...")


def _command_is(*names: str) -> bool:
    """Return whether the command is one of these, or of a group of that name.

    ``run`` alone is about to run all steps: ``resume`` clones some, and ``spin`` leaves some out.
    """
    return any(context.info_name in names for context in click_contexts())
