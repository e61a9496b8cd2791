"""``Runner(...).environment()``: a flow's environments for programs and notebooks."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple, Sequence

from metaflow_extensions.conjoin.metaflow_internals import runner_module

__all__ = ["ResolvedEnvironment", "RunnerCLI", "StepEnvInfo"]


class ResolvedEnvironment(NamedTuple):
    """An environment, for one platform: read-only, and made of JSON alone.

    :ivar req_id: identity of what was asked for.
    :ivar full_id: identity of the packages.
    :ivar arch: the platform, e.g. ``linux-64``.
    :ivar env_type: ``conda-only``, ``pypi-only`` or ``mixed``.
    :ivar python: the version of its Python, empty where it has none.
    :ivar packages: ``kind``, ``name``, ``version``, ``file``, ``url``, ``sha256`` and more of each package.
    :ivar requirements: what was asked for, in canonical form.
    """

    req_id: str
    full_id: str
    arch: str
    env_type: str
    python: str
    packages: list[dict[str, Any]]
    requirements: dict[str, Any]

    @property
    def id(self) -> str:
        """The environment as everybody names it: ``req_id:full_id``."""
        return f"{self.req_id}:{self.full_id}"

    @property
    def env_id(self) -> tuple[str, str, str]:
        """``(req_id, full_id, arch)``."""
        return self.req_id, self.full_id, self.arch

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> ResolvedEnvironment:
        """Return the environment that a command told about."""
        values = {**document, "env_type": document["type"]}
        return cls(**{name: values[name] for name in cls._fields})


class StepEnvInfo(NamedTuple):
    """What is known of the environment of a step.

    :ivar state: how it stands with it, in words.
    :ivar is_disabled: whether the step has no environment.
    :ivar error: why what is asked for cannot be had; None where nothing is known against it.
    :ivar requested_hash: identity of what is asked for (``req_id``).
    :ivar requested_packages: by kind (``conda``, ``pypi``, ``sys``), names to versions as they were typed.
    :ivar requested_sources: by kind (``conda``, ``pypi``), channels and indexes as they were typed.
    :ivar from_env_name: the environment that is run in, or extended.
    :ivar is_fetch_at_exec: whether that is looked up when a task starts.
    :ivar prefix: where the environment is on this machine, None where it was not made yet.
    :ivar env: the environment, None where nobody resolved it yet.
    """

    state: list[str]
    is_disabled: bool
    error: str | None
    requested_hash: str | None
    requested_packages: dict[str, dict[str, str]]
    requested_sources: dict[str, list[str]]
    from_env_name: str | None
    is_fetch_at_exec: bool
    prefix: str | None
    env: ResolvedEnvironment | None

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> StepEnvInfo:
        """Return what a command told about a step."""
        env = document["env"]
        values = {**document, "env": ResolvedEnvironment.from_document(env) if env else None}
        return cls(**{name: values[name] for name in cls._fields})


class RunnerCLI:
    """
    Resolves the environments of a flow's steps, or tells how it stands with them.

    Needs `Runner(..., environment="conda")`.
    """

    name = "environment"

    def __init__(self, runner: Any) -> None:
        """Environments of the flow's steps; needs `Runner(..., environment="conda")`."""
        self.runner = runner

    def resolve(
        self,
        *steps: str,
        arch: str | Sequence[str] | None = None,
        alias: str | Sequence[str] | None = None,
        force: bool = False,
        dry_run: bool = False,
        timeout: int = 1200,
    ) -> dict[str, dict[str, tuple[ResolvedEnvironment, bool]]]:
        """
        Resolve the environments of the flow's steps, as a run does before its first step.

        Parameters
        ----------
        *steps : str
            Names of steps; all by default.
        arch : Union[str, List[str]], optional, default None
            Platforms, e.g. `"linux-64"`; by default that which the step runs on.
        alias : Union[str, List[str]], optional, default None
            Names for the environment, if there is one only.
        force : bool, default False
            Solve again what was solved before.
        dry_run : bool, default False
            Keep nothing.
        timeout : int, default 1200
            Seconds that it may take.

        Returns
        -------
        Dict[str, Dict[str, Tuple[ResolvedEnvironment, bool]]]
            By step and platform: the environment, and whether it was resolved just now. Steps without an
            environment, or whose environment is looked up when a task starts, are not there.
        """
        return _resolved(self._call(_resolve(steps, arch, alias, force, dry_run), timeout))

    async def async_resolve(
        self,
        *steps: str,
        arch: str | Sequence[str] | None = None,
        alias: str | Sequence[str] | None = None,
        force: bool = False,
        dry_run: bool = False,
        timeout: int = 1200,
    ) -> dict[str, dict[str, tuple[ResolvedEnvironment, bool]]]:
        """Do the same as `resolve` while other coroutines go on."""
        return _resolved(await self._async_call(_resolve(steps, arch, alias, force, dry_run), timeout))

    def show(self, *steps: str, local_only: bool = False, timeout: int = 60) -> dict[str, StepEnvInfo]:
        """
        Tell how it stands with the environments of the flow's steps, and resolve nothing.

        Parameters
        ----------
        *steps : str
            Names of steps; all by default.
        local_only : bool, default False
            As far as this machine knows.
        timeout : int, default 60
            Seconds that it may take.

        Returns
        -------
        Dict[str, StepEnvInfo]
            By step.
        """
        return _shown(self._call(_show(steps, local_only), timeout))

    async def async_show(
        self, *steps: str, local_only: bool = False, timeout: int = 60
    ) -> dict[str, StepEnvInfo]:
        """Do the same as `show` while other coroutines go on."""
        return _shown(await self._async_call(_show(steps, local_only), timeout))

    def _call(self, command: _Command, timeout: int) -> Any:
        runner, utils = self.runner, runner_module()
        with utils.temporary_fifo() as (path, descriptor):
            words = self._words(command, path)
            pid = runner.spm.run_command(words, env=runner.env_vars, cwd=runner.cwd, show_output=False)
            running = runner.spm.get(pid)
            with _ended(running, timeout):
                content = utils.handle_timeout(descriptor, running, timeout)
            running.sync_wait()
        return _checked(running, content)

    async def _async_call(self, command: _Command, timeout: int) -> Any:
        runner, utils = self.runner, runner_module()
        with utils.temporary_fifo() as (path, descriptor):
            words = self._words(command, path)
            pid = await runner.spm.async_run_command(words, env=runner.env_vars, cwd=runner.cwd)
            running = runner.spm.get(pid)
            with _ended(running, timeout):
                content = await utils.async_handle_timeout(descriptor, running, timeout)
            await running.wait()
        return _checked(running, content)

    def _words(self, command: _Command, output: str) -> list[str]:
        """Return the command line."""
        with runner_module().with_dir(self.runner.cwd):  # a flow's Configs are read from there
            group = self.runner.api(**self.runner.top_level_kwargs).environment()
            return [sys.executable, *getattr(group, command.name)(**command.options, output=output)]


class _Command(NamedTuple):
    """A command of ``flow.py environment``; options and arguments as Metaflow's Runner names them."""

    name: str
    options: dict[str, Any]


def _resolve(
    steps: Sequence[str],
    arch: str | Sequence[str] | None,
    alias: str | Sequence[str] | None,
    force: bool,
    dry_run: bool,
) -> _Command:
    options = {"arch": _several(arch), "alias": _several(alias), "force": force, "dry_run": dry_run}
    return _Command("resolve", {**options, **({"steps_to_resolve": list(steps)} if steps else {})})


def _show(steps: Sequence[str], local_only: bool) -> _Command:
    return _Command("show", {"local_only": local_only, **({"steps_to_show": list(steps)} if steps else {})})


def _several(given: str | Sequence[str] | None) -> list[str] | None:
    # Metaflow makes one option of each item of a list, and one of a whole tuple.
    return None if given is None else [given] if isinstance(given, str) else list(given)


@contextmanager
def _ended(command: Any, timeout: int) -> Iterator[None]:
    """End the command where it takes too long; where it failed, Metaflow's error says what it said."""
    try:
        yield
    except RuntimeError:
        command.kill()
        raise
    except OSError:
        # It had no time to begin its logs, which Metaflow shows.
        command.kill()
        raise RuntimeError(f"the command said nothing within {timeout} s") from None


def _checked(command: Any, content: str) -> Any:
    if command.process.returncode != 0:
        raise RuntimeError(runner_module().make_process_error_message(command))
    return json.loads(content)


def _resolved(document: Any) -> dict[str, dict[str, tuple[ResolvedEnvironment, bool]]]:
    return {
        step: {
            arch: (ResolvedEnvironment.from_document(one["env"]), one["newly_resolved"])
            for arch, one in by_arch.items()
        }
        for step, by_arch in document.items()
    }


def _shown(document: Any) -> dict[str, StepEnvInfo]:
    return {step: StepEnvInfo.from_document(one) for step, one in document.items()}
