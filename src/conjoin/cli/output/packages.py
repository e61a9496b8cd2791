"""The packages of an environment as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO
from urllib.parse import unquote

from conjoin.cli.output.table import Column, human_size, print_table
from conjoin.untrusted import split_url

if TYPE_CHECKING:
    from conjoin.lock.model import LockedPackage, LockedPlatform

__all__ = ["counts", "print_packages", "total_size"]

_COLUMNS = (
    Column("package", "bold"),
    Column("version", "green"),
    Column("kind", "cyan"),
    Column("build", "dim", long=True),
    Column("size", right=True),
    Column("source", "dim", long=True),
)


def print_packages(locked: LockedPlatform, stream: TextIO) -> None:
    """Print the packages of one platform, by name."""
    packages = sorted(locked.packages, key=lambda package: (package.name, package.kind))
    print_table(
        _COLUMNS,
        (
            (
                f"{package.name}[{','.join(package.extras)}]" if package.extras else package.name,
                package.version,
                package.kind,
                _build(package),
                human_size(package.size),
                _source(package),
            )
            for package in packages
        ),
        stream,
    )


def counts(locked: LockedPlatform) -> str:
    """Return how many packages of which kind there are, in words."""
    kinds = [package.kind for package in locked.packages]
    parts = [f"{kinds.count(kind)} {kind}" for kind in ("conda", "pypi") if kind in kinds]
    if "python" in kinds:
        parts.append("this host's Python")
    return " + ".join(parts) or "no packages"


def total_size(locked: LockedPlatform) -> str:
    """Return what there is to download."""
    return human_size(sum(package.size for package in locked.packages))


def _build(package: LockedPackage) -> str:
    if package.kind == "conda":
        return package.build
    if package.kind == "python":
        return package.abi
    # The first of each compressed set (PEP 425) says enough.
    tags = package.file.removesuffix(".whl").split("-")[-3:]
    return "-".join(tag.partition(".")[0] for tag in tags)


def _source(package: LockedPackage) -> str:
    if package.kind == "python":
        return "this host"
    if package.kind == "conda":
        # A folder's channel: its last part says enough.
        channel = package.channel.rstrip("/")
        return channel.rpartition("/")[2] if channel.startswith("file:") else _host_and_path(channel)
    if package.editable:
        return f"editable: {unquote(split_url(package.source_url).path)}"
    if package.source_url:
        return f"built from {package.source_url.rpartition('/')[2]}"
    address = split_url(package.url)
    return address.hostname or address.scheme


def _host_and_path(channel: str) -> str:
    address = split_url(channel)
    return f"{address.netloc}{address.path}" if address.scheme else channel
