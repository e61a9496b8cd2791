"""What programs get back from ``Runner(...).environment()``: read-only, and made of JSON alone."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["ResolvedEnvironment", "StepEnvInfo"]


class ResolvedEnvironment(NamedTuple):
    """An environment, for one platform.

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
