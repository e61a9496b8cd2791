"""What the user asks for: requirements, read from files and texts, canonical, with an identity."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conjoin.spec.build import build_requirements
    from conjoin.spec.canonical import from_canonical, req_id
    from conjoin.spec.partial_requirements import PartialRequirements, combine
    from conjoin.spec.platform import PLATFORMS, host_platform, marker_environment, virtual_packages
    from conjoin.spec.readers.read_file import read_requirements
    from conjoin.spec.requirements import (
        CondaRequirement,
        Credential,
        PypiRequirement,
        Requirements,
    )

__all__ = [
    "PLATFORMS",
    "CondaRequirement",
    "Credential",
    "PartialRequirements",
    "PypiRequirement",
    "Requirements",
    "build_requirements",
    "combine",
    "from_canonical",
    "host_platform",
    "marker_environment",
    "read_requirements",
    "req_id",
    "virtual_packages",
]

# Imported when first asked for (PEP 562): a command that needs no reader pays for none.
_HOMES = {
    "PLATFORMS": "platform",
    "PartialRequirements": "partial_requirements",
    "CondaRequirement": "requirements",
    "Credential": "requirements",
    "PypiRequirement": "requirements",
    "Requirements": "requirements",
    "build_requirements": "build",
    "combine": "partial_requirements",
    "from_canonical": "canonical",
    "host_platform": "platform",
    "marker_environment": "platform",
    "read_requirements": "readers.read_file",
    "req_id": "canonical",
    "virtual_packages": "platform",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
