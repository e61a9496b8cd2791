"""Hydrating in the background while the scheduler runs: a process for each environment that is not here yet.

A process holds a lock on its log for as long as it lives, however it ends: whoever wants the environment
waits for that lock in the task's own process (``programs/launch.py``), and nobody else waits at all.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from metaflow_extensions.conjoin.config.flow_store import endpoint_variables, store_address
from metaflow_extensions.conjoin.plugins.environment.run.resolve import StepEnvironment
from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import is_complete, prefix_id

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Credential
    from conjoin.store.store import Store

__all__ = ["Hydrations", "Plan", "program"]


def program(name: str) -> str:
    """Return the path of one of our programs."""
    return str(Path(__file__).absolute().parent / "programs" / f"{name}.py")


class Plan:
    """What it takes to make one environment on this machine, and where it will be.

    :ivar id: ``req_id:full_id``.
    :ivar prefix: where the environment will be.
    :ivar file: the plan as JSON, for ``programs/hydrate.py``.
    :ivar log: what hydrating in the background says.
    """

    def __init__(
        self,
        lock: Lock,
        platform: str,
        folder: str,
        datastore_type: str,
        *,
        offline: bool = False,
        credentials: Sequence[Credential] = (),
    ) -> None:
        from conjoin.lock.identity import lock_digest
        from conjoin.prefix.prefix import prefix_path

        ids = f"{lock.req_id}:{lock.full_id}"
        self.prefix = str(prefix_path(lock, platform=platform))
        # One that an earlier lock made, of the same packages, goes on to say that it is of that lock.
        self.id = str(prefix_id(self.prefix) or ids)
        stem = str(Path(folder, f"{ids.replace(':', '_')}-{platform}"))
        self.file = stem + ".json"
        self.log = stem + ".log"
        document = {
            "id": f"{ids}@sha256:{lock_digest(lock)}",
            "platform": platform,
            "store": store_address(datastore_type),
            "offline": offline,
            "credentials": [
                {"url_prefix": one.url_prefix, "username": one.username, "password": one.password}
                for one in credentials
            ],
        }
        # mkdtemp's folder is the user's alone, and so are the credentials in it. Several tasks may write the
        # same plan at the same time.
        from conjoin.writing import replace

        replace(Path(self.file), json.dumps(document).encode(), durable=False, mode=0o600)

    def is_done(self) -> bool:
        """Return whether the environment is here."""
        return is_complete(self.prefix, self.id)


class Hydrations:
    """The environments of one run, made as they are needed.

    :param store: the flow's.
    :param datastore_type: of the flow, which decides on the store.
    :ivar offline: fetch nothing.
    """

    def __init__(self, store: Store, datastore_type: str, offline: bool = False) -> None:
        self._store = store
        self._datastore_type = datastore_type
        self.offline = offline
        self._folder: str | None = None
        self._plans: dict[str, Plan] = {}
        self._running: list[subprocess.Popen[Any]] = []

    @property
    def folder(self) -> str:
        """A folder of this run for plans and logs, the user's alone."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="conjoin-metaflow-")
            # Something may go wrong before there is a runtime that says when it has finished.
            atexit.register(self.end)
        return self._folder

    def begin(self, environment: StepEnvironment) -> Plan:
        """Return the plan of an environment; if it is not here, its making has begun. Never waits."""
        plan = self._plans.get(environment.id)
        if plan is None:
            plan = Plan(
                environment.lock,
                environment.platform,
                self.folder,
                self._datastore_type,
                offline=self.offline,
                credentials=environment.credentials,
            )
            self._plans[environment.id] = plan
            if not self._is_here(plan, environment):
                self._start(plan)
        return plan

    def end(self) -> None:
        """Stop what nobody waits for any more; what is half made is completed by the next who wants it."""
        for process in self._running:
            if process.poll() is None:
                process.terminate()
        for process in self._running:
            process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            atexit.unregister(self.end)
        self._plans.clear()
        self._running.clear()

    def _is_here(self, plan: Plan, environment: StepEnvironment) -> bool:
        """Return whether an environment is here; if so it is used now, and nobody takes it for garbage."""
        if not plan.is_done():
            return False
        from conjoin.errors import ConjoinError
        from conjoin.prefix.hydrate import hydrate

        try:
            hydrate(environment.lock, environment.platform, store=self._store)
        except ConjoinError:
            return False  # whoever makes it in the background meets the same, and says so
        return True

    def _start(self, plan: Plan) -> None:
        with Path(plan.log).open("wb") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            # The process gets this very open file as its stderr, and with it the lock.
            process = subprocess.Popen(
                [sys.executable, program("hydrate"), plan.file],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **endpoint_variables()},
            )
        self._running.append(process)
