"""Runs inside the demo's environment: prints, as JSON, what is installed and who says where it came from.

Asks nobody but the environment itself: ``importlib.metadata``, each distribution's INSTALLER (PEP 376) and
``conda-meta``. Standard library, but for the packages whose work it shows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any


def conda_records() -> list[dict[str, Any]]:
    """Return what conda-meta says of each package."""
    records = sorted(Path(sys.prefix, "conda-meta").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in records]


def packages() -> list[dict[str, str]]:
    """Return every package: name, version, kind, and where it came from."""
    found = [
        {"name": record["name"], "version": record["version"], "kind": "conda", "origin": record["url"]}
        for record in conda_records()
    ]
    of_conda = {(entry["name"], entry["version"]) for entry in found}
    for distribution in distributions():
        name, version = distribution.metadata["Name"], distribution.version
        installer = (distribution.read_text("INSTALLER") or "").strip()
        if installer != "conda" and (name, version) not in of_conda:
            found.append(
                {"name": name, "version": version, "kind": "pypi", "origin": f"a wheel, by {installer}"}
            )
    return sorted(found, key=lambda entry: entry["name"])


def work() -> str:
    """Let PyPI's contourpy, compiled for numpy 1, compute with conda's numpy."""
    import contourpy  # type: ignore[import-not-found, unused-ignore]
    import numpy  # type: ignore[import-not-found, unused-ignore]

    x, y = numpy.meshgrid(numpy.linspace(-1, 1, 101), numpy.linspace(-1, 1, 101))
    (line,) = contourpy.contour_generator(x, y, numpy.hypot(x, y)).lines(0.5)
    length = numpy.hypot(*numpy.diff(line, axis=0).T).sum()
    return f"a circle of radius 0.5 is {length:.4f} around (pi = {numpy.pi:.4f})"


def program() -> str:
    """Return what the C program prints: the prefix it was linked into, among others."""
    path = Path(sys.prefix, "bin", "forgedemo")
    if not path.exists():
        return ""
    return subprocess.run([str(path)], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    print(json.dumps({"packages": packages(), "work": work(), "program": program()}))
