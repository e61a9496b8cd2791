"""``--environment=conda`` and ``--environment=pypi``: every step in an environment that is locked."""

from __future__ import annotations

from threading import Lock
from typing import Any

from metaflow._vendor import click
from metaflow.metaflow_environment import MetaflowEnvironment

from metaflow_extensions.holdfast.plugins.environment.asking import EnvironmentProblem, told_by_metaflow
from metaflow_extensions.holdfast.plugins.environment.step_requests import StepRequest, flow_requests

__all__ = ["CondaEnvironment", "PypiEnvironment"]


class CondaEnvironment(MetaflowEnvironment):
    """Steps run in environments of conda and PyPI packages, solved together.

    :ivar base_env: does what is not about environments; Metaflow asks it for the Python of local workers.
    :ivar datastore_type: of the flow, once Metaflow has said it.
    :ivar environments: by step, after :meth:`init_environment`.
    """

    TYPE = "conda"

    def __init__(self, flow: Any) -> None:
        super().__init__(flow)
        self.base_env = MetaflowEnvironment(flow)
        self.datastore_type = "local"
        self.environments: dict[str, Any] = {}
        self._flow = flow
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
            from metaflow_extensions.holdfast.plugins.environment.resolution import resolve_steps
            from metaflow_extensions.holdfast.plugins.environment.stores import open_store

            store = open_store(self.datastore_type)
        except ImportError as error:
            raise EnvironmentProblem(
                f"Holdfast is not installed where this flow is started ({error}); "
                "pip install 'holdfast[metaflow]'"
            ) from None
        requests = flow_requests(self._flow, self.datastore_type)
        self._requests = {request.step: request for request in requests}
        for note in dict.fromkeys(note for request in requests for note in request.ask.notes):
            echo(note, fg="yellow")
        with told_by_metaflow():
            self.environments = resolve_steps(requests, store=store, say=_Saying(echo))
            for warning in dict.fromkeys(w for one in self.environments.values() for w in one.warnings):
                echo(warning, fg="yellow")
            if _is_run():
                for step, environment in self.environments.items():
                    if not self._requests[step].remote:
                        self.hydrations.begin(environment)

    @property
    def hydrations(self) -> Any:
        """The environments being made for this run."""
        if self._hydrations is None:
            from metaflow_extensions.holdfast.plugins.environment.hydration import Hydrations
            from metaflow_extensions.holdfast.plugins.environment.settings import engine_settings
            from metaflow_extensions.holdfast.plugins.environment.stores import open_store

            self._hydrations = Hydrations(
                open_store(self.datastore_type), self.datastore_type, engine_settings().flag("offline")
            )
        return self._hydrations

    def run_finished(self) -> None:
        """Leave nothing of a run behind."""
        if self._hydrations is not None:
            self._hydrations.end()

    def request_of(self, step: str) -> StepRequest:
        """Return what a step asks for, by the decorators it has now."""
        if self._requests is None or step not in self._requests:
            self._requests = {one.step: one for one in flow_requests(self._flow, self.datastore_type)}
        return self._requests[step]

    def is_for_this_machine(self, environment: Any) -> bool:
        """Return whether a step's environment can be made here."""
        from holdfast.spec.platform import host_platform

        return environment is not None and environment.platform == host_platform()

    def executable(self, step_name: str, default: str | None = None) -> str:
        """Return the Python that a step's commands are written with."""
        return str(self.base_env.executable(step_name, default))

    def bootstrap_commands(self, step_name: str, datastore_type: str) -> list[str]:
        """Return the commands that make the environment where a step is sent."""
        return list(self.base_env.bootstrap_commands(step_name, datastore_type))

    def pylint_config(self) -> list[str]:
        """Return how pylint is told that imports need not be there in the launcher."""
        return [*super().pylint_config(), "--disable=F0401"]

    @classmethod
    def get_client_info(cls, flow_name: str, metadata: dict[str, str]) -> dict[str, Any]:
        """Return what the client tells about a task's environment."""
        from metaflow_extensions.holdfast.plugins.environment.past_tasks import environment_information

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


def _is_run() -> bool:
    """Return whether all steps are about to run: not those that ``resume`` clones or ``spin`` leaves out."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "run"
