"""A conda solve with py-rattler and nothing else: ``bare_solve.py CHANNEL PLATFORM CACHE SPEC...``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from rattler import Gateway, GenericVirtualPackage, PackageName, Version, solve
from rattler.package.build_string import BuildString
from rattler.platform import Subdir


async def main(channel: str, platform: str, cache: str, specs: list[str]) -> None:
    virtual = [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString.new_unchecked(build))
        for name, version, build in (
            ("__unix", "0", "0"),
            ("__linux", "5.10", "0"),
            ("__glibc", "2.28", "0"),
            ("__archspec", "1", "x86_64"),
        )
    ]
    records = await solve(
        [channel],
        specs,
        gateway=Gateway(cache_dir=Path(cache)),
        platforms=[Subdir(platform), Subdir("noarch")],
        virtual_packages=virtual,
    )
    print(len(records))
    await asyncio.sleep(0.05)  # as conjoin does: py-rattler may crash an interpreter that ends at once


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
