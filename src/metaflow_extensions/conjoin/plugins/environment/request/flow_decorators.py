"""The decorators of flows: what ``@conda`` and its like ask for, for every step of a flow."""

from __future__ import annotations

from typing import Any

from metaflow.decorators import FlowDecorator

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
    "CondaFlowDecorator",
    "NamedEnvFlowDecorator",
    "PipFlowDecorator",
    "PypiFlowDecorator",
    "SysPackagesFlowDecorator",
]


class AskingFlowDecorator(AskingDecorator, FlowDecorator):
    """A flow's decorator that asks for something on behalf of every step."""

    def flow_init(
        self,
        flow: Any,
        graph: Any,
        environment: Any,
        flow_datastore: Any,
        metadata: Any,
        logger: Any,
        echo: Any,
        options: Any,
    ) -> None:
        """Refuse to run steps where ``--environment`` would leave the decorator without effect."""
        refuse_other_environments(self, environment)


class CondaFlowDecorator(AsksForConda, AskingFlowDecorator):
    """
    Specifies the conda packages of all steps of a flow; a step's `@conda` adds to them and overrides them.

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
        If True, steps that ask for nothing themselves run without an environment.
    """

    name = "conda_base"


class PypiFlowDecorator(AsksForPypi, AskingFlowDecorator):
    """
    Specifies the PyPI packages of all steps of a flow; a step's `@pypi` adds to them and overrides them.

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
        If True, steps that ask for nothing themselves run without an environment.
    """

    name = "pypi_base"


class PipFlowDecorator(PypiFlowDecorator):
    """
    The older name of `@pypi_base`.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        As those of `@pypi_base`.
    """

    name = "pip_base"


class NamedEnvFlowDecorator(AsksForNamedEnv, AskingFlowDecorator):
    """
    Runs all steps of a flow in an environment that was resolved before, or extends it.

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
        If True, steps that ask for nothing themselves run without an environment.
    """

    name = "named_env_base"


class SysPackagesFlowDecorator(AsksForSysPackages, AskingFlowDecorator):
    """
    Says what may be assumed of the system that the steps of a flow run on.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        `__cuda` and `__glibc`, to the versions that are there.
    disabled : bool, default None
        If True, steps that ask for nothing themselves run without an environment.
    """

    name = "sys_packages_base"
