"""A lock's packages installed by py-rattler and uv, with nothing around them: what hydrating cannot beat.

``bare_install.py LOCK PREFIX CACHE INDEX REQUIREMENTS``: conda packages by ``rattler.install``, then wheels
by ``uv pip sync --require-hashes``.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rattler import NoArchType, PackageRecord, RepoDataRecord, install
from rattler.package.build_string import BuildString
from uv import find_uv_bin


def record(package: dict[str, Any]) -> RepoDataRecord:
    made = PackageRecord(
        package["name"],
        package["version"],
        BuildString.new_unchecked(package["build"]),
        package.get("build_number", 0),
        package["subdir"],
        noarch=NoArchType(package.get("noarch") or None),
        depends=list(package.get("dependencies", ())),
        sha256=bytes.fromhex(package["sha256"]),
        size=package["size"],
        python_site_packages_path=package.get("python_site_packages_path"),
    )
    return RepoDataRecord(made, package["file"], package["url"], package["channel"])


async def conda(packages: list[dict[str, Any]], prefix: str, cache: str) -> None:
    records = [record(package) for package in packages]
    await install(
        records, prefix, cache_dir=Path(cache, "rattler"), installed_packages=[], show_progress=False
    )


def main(lock: str, prefix: str, cache: str, index: str, requirements: str) -> None:
    [environment] = json.loads(Path(lock).read_text("utf-8"))["platforms"].values()
    asyncio.run(conda([one for one in environment["packages"] if one["kind"] == "conda"], prefix, cache))
    command = [
        find_uv_bin(),
        "pip",
        "sync",
        "--quiet",
        "--python",
        f"{prefix}/bin/python",
        "--require-hashes",
    ]
    command += [
        "--default-index",
        index,
        "--cache-dir",
        f"{cache}/uv",
        "--break-system-packages",
        requirements,
    ]
    # Wheels and prefix are on one file system, as Conjoin's are.
    subprocess.run(command, check=True, env={**os.environ, "UV_LINK_MODE": "hardlink"})
    sys.stdout.flush()
    os._exit(0)  # py-rattler may crash an interpreter on its way out


main(*sys.argv[1:])
