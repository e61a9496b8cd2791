"""What each step of a flow asks for: the one place that runs, deployments and commands share.

Pure: decorators in, :class:`StepRequest` out; :mod:`.step_requirements` then speaks the engine's language.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Sequence

from metaflow_extensions.conjoin.config.settings import remote_commands
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.metaflow_internals import flow_decorators
from metaflow_extensions.conjoin.plugins.environment.request.ask import NOTHING, Ask, merged, overridden
from metaflow_extensions.conjoin.plugins.environment.request.asking_decorator import AskingDecorator

__all__ = ["StepRequest", "flow_requests", "step_request"]

REMOTE_PLATFORM = "linux-64"
"""Where remote steps run, unless their decorator knows better."""


class StepRequest(NamedTuple):
    """What one step asks for.

    :ivar step: its name.
    :ivar ask: what its decorators and those of its flow ask for together.
    :ivar datastore: the type of the flow's datastore: the libraries for it are part of the environment.
    :ivar remote_platform: where the step runs if it is sent elsewhere, None if it runs on this machine.
    :ivar gpu: whether a GPU is asked for.
    """

    step: str
    ask: Ask
    datastore: str
    remote_platform: str | None = None
    gpu: bool = False

    @property
    def enabled(self) -> bool:
        """Whether the step has an environment. One that says nothing has."""
        return not self.ask.disabled

    @property
    def remote(self) -> bool:
        """Whether the step is sent elsewhere."""
        return self.remote_platform is not None

    @property
    def fetched_at_exec(self) -> bool:
        """Whether the environment is looked up when a task starts."""
        return bool(self.enabled and self.ask.fetch_at_exec)

    @property
    def as_named(self) -> bool:
        """Whether the environment is a named one as it is, without anything to solve."""
        return bool(self.enabled and self.ask.named and not self.ask.packages and not self.ask.system)


def flow_requests(flow: Any, datastore_type: str) -> list[StepRequest]:
    """Return what every step of a flow asks for, by the decorators as they are now.

    Attached late (by a deployment) or by a mutator, decorators count once they are there; so this is asked
    when it is needed, and nothing of it is kept.

    :param flow: the :class:`metaflow.FlowSpec`.
    :raises EnvironmentProblem: where decorators contradict each other or say something impossible.
    """
    outer = _flow_ask(flow)
    return [step_request(step.name, step.decorators, outer, datastore_type) for step in flow]


def step_request(
    step: str, decorators: Sequence[Any], outer: Ask = NOTHING, datastore_type: str = "local"
) -> StepRequest:
    """Return what one step asks for.

    :param decorators: all of the step's, ours and others.
    :param outer: what the flow asks for.
    :raises EnvironmentProblem: where decorators contradict each other or say something impossible.
    """
    ask = overridden(outer, _ask(decorators, "step " + step))
    request = StepRequest(
        step=step,
        ask=ask,
        # A step that is spun works on a copy of local artifacts.
        datastore="local" if datastore_type == "spin" else datastore_type,
        remote_platform=_remote_platform(decorators),
        gpu=any(_asks_for_gpu(decorator) for decorator in decorators),
    )
    if request.fetched_at_exec and not ask.named:
        raise EnvironmentProblem(
            f"step {step}: fetch_at_exec is for a named environment; add @named_env(name=...)"
        )
    if request.fetched_at_exec and not request.as_named:
        raise EnvironmentProblem(
            f"step {step}: an environment that is fetched when the task starts cannot be extended; "
            "drop fetch_at_exec, or the packages, channels and Python beside it"
        )
    return request


def _flow_ask(flow: Any) -> Ask:
    where = "flow " + flow.name
    inherited, own = flow_decorators(flow)
    return overridden(_ask(inherited, where), _ask(own, where))


def _ask(decorators: Iterable[Any], where: str) -> Ask:
    return merged([one.ask() for one in decorators if isinstance(one, AskingDecorator)], where)


def _remote_platform(decorators: Sequence[Any]) -> str | None:
    for decorator in decorators:
        if decorator.name in remote_commands() or getattr(decorator, "supports_conda_environment", False):
            platform = getattr(decorator, "target_platform", None)
            return platform if isinstance(platform, str) and platform else REMOTE_PLATFORM
    return None


def _asks_for_gpu(decorator: Any) -> bool:
    if decorator.name != "resources" and decorator.name not in remote_commands():
        return False
    return decorator.attributes.get("gpu") not in (None, 0, "0", "")
