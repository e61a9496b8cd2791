"""From the launcher to the task: the Python it runs with, what it sees, and that it is the right one."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, ClassVar

from metaflow.decorators import StepDecorator
from metaflow.metadata_provider import MetaDatum

from metaflow_extensions.conjoin.errors import EnvironmentProblem, told_by_metaflow
from metaflow_extensions.conjoin.plugins.environment.request.environment_types import ENVIRONMENT_TYPES
from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import (
    ENVIRONMENT_VARIABLE,
    NO_ENVIRONMENT,
    TOOLKIT_VARIABLE,
    needs_activation,
    prefix_id,
    python_of,
    task_variables,
)

__all__ = ["EnvironmentInternalDecorator"]

# Commands of tasks that run on this machine; others are trampolines to somewhere else.
_HERE = (["step"], ["spin-step"])


class EnvironmentInternalDecorator(StepDecorator):
    """Puts every task into its step's environment; attached to all steps by ``--environment``.

    Metaflow knows it by this name: among decorators of extensions, ``spin`` admits no other.
    """

    name = "conda_env_internal"
    defaults: ClassVar[dict[str, Any]] = {}

    def step_init(
        self,
        flow: Any,
        graph: Any,
        step_name: str,
        decorators: Any,
        environment: Any,
        flow_datastore: Any,
        logger: Any,
    ) -> None:
        """Remember what the other hooks need."""
        self._step = step_name
        self._flow = flow
        self._environment = environment
        self._datastore = flow_datastore
        if environment.TYPE in ENVIRONMENT_TYPES:
            environment.use_datastore(flow_datastore.datastore_root)

    def runtime_init(self, flow: Any, graph: Any, package: Any, run_id: Any) -> None:
        """Tell the environment of the code package, from which tasks import Metaflow."""
        if self._environment.TYPE in ENVIRONMENT_TYPES:
            self._environment.run_begins(package)

    def runtime_step_cli(
        self, cli_args: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any
    ) -> None:
        """Say which Python a task runs with. In the scheduler's loop: nothing here may wait."""
        if self._environment.TYPE not in ENVIRONMENT_TYPES:
            return
        request = self._environment.request_of(self._step)
        if not request.enabled:
            # Said explicitly: the launcher may be a task of another run itself.
            cli_args.env[ENVIRONMENT_VARIABLE] = NO_ENVIRONMENT
            return
        environment = self._environment.environments.get(self._step)
        if cli_args.commands not in _HERE:
            cli_args.env[ENVIRONMENT_VARIABLE] = environment.pinned if environment else ""
            cli_args.env[TOOLKIT_VARIABLE] = ",".join(self._environment.toolkit)
            return
        fallback = retry_count > max_user_code_retries
        if fallback and request.remote and not self._environment.is_for_this_machine(environment):
            cli_args.env[ENVIRONMENT_VARIABLE] = NO_ENVIRONMENT
            return
        home = self._environment.code_variables(environment.python if environment else "")
        task: dict[str, Any] = {"home": home, "fallback": fallback, "attempt": retry_count}
        if environment is None:
            task.update(self._to_fetch(request, cli_args))
        else:
            with told_by_metaflow():
                plan = self._environment.hydrations.begin(environment)
            if plan.is_done() and not needs_activation(plan.prefix):
                cli_args.env.update(task_variables(plan.prefix, plan.id, home))
                cli_args.entrypoint[0] = python_of(plan.prefix)
                return
            task.update(id=plan.id, prefix=plan.prefix, plan=plan.file, log=plan.log)
        self._launch(cli_args, task)

    def runtime_finished(self, exception: Any) -> None:
        """Leave nothing behind."""
        if self._environment.TYPE in ENVIRONMENT_TYPES:
            self._environment.run_finished()

    def task_pre_step(
        self,
        step_name: str,
        task_datastore: Any,
        metadata: Any,
        run_id: Any,
        task_id: Any,
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: Any,
        inputs: Any,
    ) -> None:
        """Verify that this is the environment the task was meant for, and note it in the task's metadata.

        :raises EnvironmentProblem: where it is another one.
        """
        expected = os.environ.get(ENVIRONMENT_VARIABLE, "")
        if self._environment.TYPE not in ENVIRONMENT_TYPES or expected == NO_ENVIRONMENT:
            return
        if not expected and not self._environment.request_of(step_name).enabled:
            return  # sent elsewhere: no command there says that there is none
        found = prefix_id(sys.prefix)
        if found is None or str(found) != expected:
            held = f"environment {found}" if found else "none of ours"
            raise EnvironmentProblem(
                f"step {step_name} runs with {sys.executable}, which holds {held}, not its environment "
                f"{expected or '(nobody named one)'}; run the flow again, and report this if it stays"
            )
        metadata.register_metadata(
            run_id,
            step_name,
            task_id,
            [
                MetaDatum(
                    field="conda_env_id",
                    value=json.dumps(list(found)),
                    type="conda_env_id",
                    tags=[f"attempt_id:{retry_count}"],
                )
            ],
        )

    def _launch(self, cli_args: Any, task: dict[str, Any]) -> None:
        from metaflow_extensions.conjoin.plugins.environment.run.background_hydration import program

        words: list[str] = [sys.executable, program("launch"), json.dumps(task)]
        cli_args.entrypoint[0:1] = words

    def _to_fetch(self, request: Any, cli_args: Any) -> dict[str, Any]:
        """Return what ``programs/launch.py`` needs to find the environment when the task starts."""
        return {
            "fetch": request.ask.named,
            "flow": self._flow.name,
            "step": self._step,
            "run_id": str(cli_args.command_options["run-id"]),
            "task_id": str(cli_args.command_options["task-id"]),
            "datastore": self._environment.datastore_type,
            "datastore_root": self._datastore.datastore_root,
            "folder": self._environment.hydrations.folder,
            "offline": self._environment.hydrations.offline,
        }
