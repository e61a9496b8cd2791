"""The decorators of steps: ``@conda``, ``@pypi`` (``@pip``), ``@named_env`` and ``@sys_packages``."""

from __future__ import annotations

from typing import Any

from metaflow.decorators import StepDecorator

from metaflow_extensions.conjoin.plugins.environment.request.asking_decorator import (
    AskingDecorator,
    AsksForConda,
    AsksForNamedEnv,
    AsksForPypi,
    AsksForSysPackages,
)
from metaflow_extensions.conjoin.plugins.environment.request.environment_types import (
    refuse_other_environments,
)

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


class CondaStepDecorator(AsksForConda, AskingStepDecorator):
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


class PypiStepDecorator(AsksForPypi, AskingStepDecorator):
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


class PipStepDecorator(PypiStepDecorator):
    """
    The older name of `@pypi`.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        As those of `@pypi`.
    """

    name = "pip"


class NamedEnvStepDecorator(AsksForNamedEnv, AskingStepDecorator):
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


class SysPackagesStepDecorator(AsksForSysPackages, AskingStepDecorator):
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
