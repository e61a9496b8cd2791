"""``Runner(...).environment()``: a flow's environments for programs and notebooks."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import Any, Iterator, Sequence

from metaflow_extensions.conjoin.plugins.commands.views import ResolvedEnvironment, StepEnvInfo

__all__ = ["RunnerCLI"]


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
        return _resolved(self._call(timeout, "resolve", *_resolve(steps, arch, alias, force, dry_run)))

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
        how = _resolve(steps, arch, alias, force, dry_run)
        return _resolved(await self._async_call(timeout, "resolve", *how))

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
        return _shown(self._call(timeout, "show", {"local_only": local_only}, "steps_to_show", steps))

    async def async_show(
        self, *steps: str, local_only: bool = False, timeout: int = 60
    ) -> dict[str, StepEnvInfo]:
        """Do the same as `show` while other coroutines go on."""
        how = {"local_only": local_only}
        return _shown(await self._async_call(timeout, "show", how, "steps_to_show", steps))

    def _call(
        self, timeout: int, name: str, options: dict[str, Any], argument: str, steps: Sequence[str]
    ) -> Any:
        from metaflow.runner.utils import handle_timeout, temporary_fifo

        runner = self.runner
        with temporary_fifo() as (path, descriptor):
            words = self._words(name, {**options, "output": path}, argument, steps)
            pid = runner.spm.run_command(words, env=runner.env_vars, cwd=runner.cwd, show_output=False)
            command = runner.spm.get(pid)
            with _ended(command, timeout):
                content = handle_timeout(descriptor, command, timeout)
            command.sync_wait()
        return _checked(command, content)

    async def _async_call(
        self, timeout: int, name: str, options: dict[str, Any], argument: str, steps: Sequence[str]
    ) -> Any:
        from metaflow.runner.utils import async_handle_timeout, temporary_fifo

        runner = self.runner
        with temporary_fifo() as (path, descriptor):
            words = self._words(name, {**options, "output": path}, argument, steps)
            pid = await runner.spm.async_run_command(words, env=runner.env_vars, cwd=runner.cwd)
            command = runner.spm.get(pid)
            with _ended(command, timeout):
                content = await async_handle_timeout(descriptor, command, timeout)
            await command.wait()
        return _checked(command, content)

    def _words(self, name: str, options: dict[str, Any], argument: str, steps: Sequence[str]) -> list[str]:
        """Return the command line."""
        from metaflow.runner.utils import with_dir

        if steps:
            options = {**options, argument: list(steps)}
        with with_dir(self.runner.cwd):  # a flow's Configs are read from there
            group = self.runner.api(**self.runner.top_level_kwargs).environment()
            return [sys.executable, *getattr(group, name)(**options)]


def _resolve(
    steps: Sequence[str],
    arch: str | Sequence[str] | None,
    alias: str | Sequence[str] | None,
    force: bool,
    dry_run: bool,
) -> tuple[dict[str, Any], str, Sequence[str]]:
    options = {"arch": _several(arch), "alias": _several(alias), "force": force, "dry_run": dry_run}
    return options, "steps_to_resolve", steps


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
        from metaflow.runner.utils import make_process_error_message

        raise RuntimeError(make_process_error_message(command))
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
