"""The decorators of steps: ``@conda``, ``@pypi`` (``@pip``), ``@named_env`` and ``@sys_packages``."""

from __future__ import annotations

from typing import Any

from metaflow.decorators import StepDecorator

from metaflow_extensions.conjoin.plugins.environment.asking import Ask
from metaflow_extensions.conjoin.plugins.environment.attributes import (
    DEFAULTS,
    ask_of_conda,
    ask_of_named_env,
    ask_of_pypi,
    ask_of_sys_packages,
)
from metaflow_extensions.conjoin.plugins.environment.decorating import AskingDecorator, settle_libraries
from metaflow_extensions.conjoin.plugins.environment.elsewhere import refuse_other_environments

__all__ = [
    "CondaStepDecorator",
    "NamedEnvStepDecorator",
    "PipStepDecorator",
    "PypiStepDecorator",
    "SysPackagesStepDecorator",
]


class AskingStepDecorator(AskingDecorator, StepDecorator):
    """A step's decorator that asks for something."""

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
        """Refuse to run steps where ``--environment`` would leave the decorator without effect."""
        refuse_other_environments(self, environment)


class CondaStepDecorator(AskingStepDecorator):
    """
    Specifies the conda packages of a step.

    What is given here is added to, and package by package overrides, what `@conda_base` gives for the flow.
    Together with `@pypi`, everything is solved at once.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        Names of packages to versions: `"1.26.4"`, `">=1.2,<2"`, or `""` for any. A name may carry its
        channel: `"conda-forge::numpy"`.
    libraries : Dict[str, str], default {}
        The older name of `packages`; where both name a package, `packages` counts.
    channels : List[str], default []
        Channels that are searched before the default ones.
    python : str, optional, default None
        Version of Python, e.g. `"3.11"`; by default that which starts the run.
    disabled : bool, default None
        If True, the step runs without an environment.
    """

    name = "conda"
    defaults = DEFAULTS["conda"]

    def init(self) -> None:
        """Settle the older attributes."""
        settle_libraries(self)

    def ask(self) -> Ask:
        """Return what it asks for."""
        self.external_init()
        return ask_of_conda(self.attributes, "@" + self.name)


class PypiStepDecorator(AskingStepDecorator):
    """
    Specifies the PyPI packages of a step.

    What is given here is added to, and package by package overrides, what `@pypi_base` gives for the flow.
    Together with `@conda`, everything is solved at once.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        Names of packages to versions: `"1.26.4"`, `">=1.2,<2"`, or `""` for any; or to where they are:
        `"@ https://..."`, `"git+https://..."`, `"./folder"`. A name may carry extras: `"requests[socks]"`.
    conda_only : Dict[str, str], default {}
        Conda packages that are needed beside them, such as `git-lfs`.
    extra_indices : List[str], default []
        Package indexes that are asked before the default one.
    extras : List[str], default []
        Options as pip has them, without their dashes, such as `"pre"`.
    python : str, optional, default None
        Version of Python, e.g. `"3.11"`; by default that which starts the run.
    disabled : bool, default None
        If True, the step runs without an environment.
    """

    name = "pypi"
    defaults = DEFAULTS["pypi"]

    def init(self) -> None:
        """Nothing has to be settled."""

    def ask(self) -> Ask:
        """Return what it asks for."""
        self.external_init()
        return ask_of_pypi(self.attributes, "@" + self.name)


class PipStepDecorator(PypiStepDecorator):
    """
    The older name of `@pypi`.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        As those of `@pypi`.
    """

    name = "pip"

    def init(self) -> None:
        """Nothing has to be settled; Metaflow calls an ``init`` of this very class alone."""


class NamedEnvStepDecorator(AskingStepDecorator):
    """
    Runs a step in an environment that was resolved before, or extends it by what `@conda` and `@pypi` say.

    Parameters
    ----------
    name : str, optional, default None
        The environment's alias, e.g. `"team/torch:v1"`, or its id. `@{NAME}` stands for the environment
        variable of that name.
    pathspec : str, optional, default None
        A step of a past run whose environment it is, e.g. `"MyFlow/1234/train"`.
    fetch_at_exec : bool, default None
        If True, the environment is looked up when a task starts, so that an earlier step may make it.
    disabled : bool, default None
        If True, the step runs without an environment.
    """

    name = "named_env"
    defaults = DEFAULTS["named_env"]

    def init(self) -> None:
        """Nothing has to be settled."""

    def ask(self) -> Ask:
        """Return what it asks for."""
        self.external_init()
        return ask_of_named_env(self.attributes, "@" + self.name)


class SysPackagesStepDecorator(AskingStepDecorator):
    """
    Says what may be assumed of the system a step runs on.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        `__cuda` and `__glibc`, to the versions that are there.
    disabled : bool, default None
        If True, the step runs without an environment.
    """

    name = "sys_packages"
    defaults = DEFAULTS["sys_packages"]

    def init(self) -> None:
        """Nothing has to be settled."""

    def ask(self) -> Ask:
        """Return what it asks for."""
        self.external_init()
        return ask_of_sys_packages(self.attributes, "@" + self.name)
