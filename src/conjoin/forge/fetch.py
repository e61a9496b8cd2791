"""Get wheels from the PyPI index that the user's pip is configured for."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from conjoin.errors import ConjoinError, NotFound, Unreachable, UsageError
from conjoin.spec.platform import default_virtual_packages, wheel_platform_tags

__all__ = ["fetch_wheels", "is_pinned"]

_PINNED = re.compile(r"[A-Za-z0-9._-]+\s*(==\s*[^*,;\s]+|===\s*[^,;\s]+)")
_UNFETCHED = re.compile(r"Could not fetch URL (\S+): (.*?)(?: - skipping)?$", re.MULTILINE)


def is_pinned(requirement: str) -> bool:
    """Whether ``requirement`` can only ever mean one version, such as ``numpy==1.26.4``."""
    return _PINNED.fullmatch(requirement.strip()) is not None


def fetch_wheels(requirements: Sequence[str], python_version: str, platform: str, into: Path) -> list[Path]:
    """Download a wheel for each requirement, without its dependencies, and return the new files.

    pip does it, so its configuration counts (index, credentials, certificates, proxy); where this Python has
    no pip, uv runs one.

    :param requirements: PEP 508 texts, such as ``numpy==1.26.4``.
    :param python_version: ``3.12``, or ``3.13t`` without the GIL; need not be the running one.
    :param platform: conda's name of the target, such as ``linux-64``.
    :raises UsageError: where a requirement is none.
    :raises NotFound: where the index has no wheel that fits.
    :raises Unreachable: where the index does not answer.
    """
    for text in requirements:
        _check(text)
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.iterdir())
    minor = python_version.removesuffix("t")
    tags = wheel_platform_tags(platform, default_virtual_packages(platform))
    command = [
        *_pip(),
        "download",
        "--disable-pip-version-check",
        "--no-input",
        # Only then it tells an index that is down from one that has no such project.
        "-vv",
        "--no-deps",
        "--only-binary=:all:",
        f"--dest={into}",
        f"--python-version={minor}",
        "--implementation=cp",
        *(f"--platform={tag}" for tag in tags),
    ]
    if python_version.endswith("t"):
        command += [f"--abi=cp{minor.replace('.', '')}t", "--abi=none"]
    done = subprocess.run(
        [*command, "--", *requirements], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise _failure(done.stdout + done.stderr, requirements, f"Python {python_version} on {platform}")
    return sorted(path for path in set(into.iterdir()) - before if path.suffix == ".whl")


def _check(requirement: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(requirement)
    except InvalidRequirement as error:
        raise UsageError(f"{requirement!r} is neither a wheel file nor a requirement (PEP 508)") from error


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    from uv import find_uv_bin

    return [find_uv_bin(), "tool", "run", "pip"]


def _failure(said: str, requirements: Sequence[str], target: str) -> ConjoinError:
    errors = [line.partition("ERROR:")[2].strip() for line in said.splitlines() if "ERROR:" in line]
    reason = errors[0] if errors else (said.strip().splitlines() or ["pip said nothing"])[-1]
    asked = ", ".join(requirements)
    failed = [(url, why) for url, why in _UNFETCHED.findall(said) if not why.startswith("404")]
    if failed:
        url, why = failed[0]
        # What follows names objects of pip's; a password in the URL is already starred out by pip.
        why = re.split(r": HTTP\w+|\bfor url\b", why)[0].rstrip(": ")
        return Unreachable(
            f"cannot fetch {asked}: {why}",
            where=re.sub(r"//[^/@]*@", "//", url),
            advice="check the network and pip's configuration (`pip config list`)",
        )
    return NotFound(
        f"no wheel for {asked} that runs with {target}: {reason}",
        advice="ask for another version, or give a wheel file",
    )
