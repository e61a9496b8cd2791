"""The settings of the extension: ``METAFLOW_CONDA_*``, as variables or in Metaflow's configuration files.

Metaflow puts every name of this module into ``metaflow.metaflow_config``, and hands those that begin with
``CONDA_`` to remote tasks; of what may hold credentials, without them. Names of Metaflow itself and of the
Netflix extension are kept where they mean something; what is not set is as Conjoin's own configuration says.
"""

from metaflow.metaflow_config_funcs import from_conf

from metaflow_extensions.conjoin.config.public_settings import public

# Where environments and their packages are kept; default: conda_env below the datastore's root.
CONDA_S3ROOT = from_conf("CONDA_S3ROOT")
CONDA_AZUREROOT = from_conf("CONDA_AZUREROOT")
CONDA_GSROOT = from_conf("CONDA_GSROOT")
CONDA_LOCALROOT = from_conf("CONDA_LOCALROOT")

# Where packages come from: channels behind those of decorators, and indexes, the default one and those asked
# before it; lists are separated by blanks (of channels, by commas too).
CONDA_CHANNELS = public("CONDA_CHANNELS")
CONDA_CHANNEL_PRIORITY = from_conf("CONDA_CHANNEL_PRIORITY")
CONDA_DEFAULT_PYPI_SOURCE = public("CONDA_DEFAULT_PYPI_SOURCE")
CONDA_EXTRA_PYPI_SOURCES = public("CONDA_EXTRA_PYPI_SOURCES")
CONDA_FIND_LINKS = public("CONDA_FIND_LINKS")
CONDA_OFFLINE = from_conf("CONDA_OFFLINE")

# How versions are chosen.
CONDA_STRATEGY = from_conf("CONDA_STRATEGY")
CONDA_EXCLUDE_NEWER = from_conf("CONDA_EXCLUDE_NEWER")
CONDA_PRERELEASES = from_conf("CONDA_PRERELEASES")
CONDA_ONLY_BINARY = from_conf("CONDA_ONLY_BINARY")
CONDA_NO_BINARY = from_conf("CONDA_NO_BINARY")
CONDA_MAPPING = public("CONDA_MAPPING")

# Whose newest resolution of the same requirements serves: :none:, :username:, :any: or names, separated by
# commas.
CONDA_USE_REMOTE_LATEST = from_conf("CONDA_USE_REMOTE_LATEST")

# Virtual packages by platform, {"linux-64": {"__glibc": "2.31"}}; and those of steps that ask for a GPU.
CONDA_SYS_DEFAULT_PACKAGES = from_conf("CONDA_SYS_DEFAULT_PACKAGES", {})
CONDA_SYS_DEFAULT_GPU_PACKAGES = from_conf("CONDA_SYS_DEFAULT_GPU_PACKAGES", {})

# Decorators that send a step elsewhere.
CONDA_REMOTE_COMMANDS = from_conf(
    "CONDA_REMOTE_COMMANDS",
    ["batch", "kubernetes", "nvidia", "nvct", "snowpark", "slurm", "skypilot_step"],
)
