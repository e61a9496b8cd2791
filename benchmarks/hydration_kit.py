"""What the hydration benchmarks share: real wheels and a forged Python on loopback, and a lock over them."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import run_command
from benchmarks.workshop import Workshop, each
from conjoin.forge import forge
from conjoin.store.packages import file_sha256
from worlds import make_index

__all__ = ["Kit", "make_kit", "make_small_kit"]

WANTED = (
    *("numpy", "scipy", "pandas", "pyarrow", "polars", "scikit-learn", "statsmodels", "matplotlib"),
    *("opencv-python-headless", "numba", "onnxruntime", "duckdb", "xarray", "h5py", "shapely", "lightgbm"),
    *("fastapi", "sqlalchemy", "requests", "rich", "cryptography", "lxml", "grpcio", "httpx"),
)
QUICK = ("requests", "rich", "sqlalchemy", "pydantic", "lxml")


@dataclass(frozen=True)
class Kit:
    """An environment that can be hydrated offline.

    :ivar lock: path of its lock.
    :ivar requirements: path of its wheels as a requirements.txt with hashes.
    :ivar index: URL of the index that has them.
    :ivar packages: what the lock holds, in words.
    """

    lock: Path
    requirements: Path
    index: str
    packages: str


def make_kit(workshop: Workshop) -> Kit:
    """Resolve on the public index, download the wheels (kept from run to run), and lock them on loopback."""
    return workshop.once("small kit", make_small_kit) if workshop.quick else _made(workshop, WANTED)


def make_small_kit(workshop: Workshop) -> Kit:
    """Do the same with a handful of wheels, whether in a hurry or not."""
    return _made(workshop, QUICK)


def _made(workshop: Workshop, wanted: tuple[str, ...]) -> Kit:
    home = workshop.fresh("kit")
    channel_folder = home / "channel"
    forge(channel_folder)
    channel = workshop.serve(channel_folder).url
    public = _resolve(workshop, home, channel, workshop.default_index(), wanted)
    wheels = _download(workshop, [package for package in public if package["kind"] == "pypi"])
    index = workshop.serve(make_index(home / "index", wheels)).url
    pins = [f"{package['name']}=={package['version']}" for package in public if package["kind"] == "pypi"]
    local = _resolve(workshop, home, channel, index, pins)
    requirements = home / "requirements.txt"
    requirements.write_text(
        "".join(
            f"{package['name']}=={package['version']} --hash=sha256:{package['sha256']}\n"
            for package in local
            if package["kind"] == "pypi"
        ),
        "utf-8",
    )
    size = sum(path.stat().st_size for path in wheels) / 1e6
    conda = sum(package["kind"] == "conda" for package in local)
    return Kit(
        home / "lock.json",
        requirements,
        index,
        f"{len(wheels)} wheels ({size:.0f} MB), {conda} conda packages",
    )


def _resolve(
    workshop: Workshop, home: Path, channel: str, index: str, pypi: tuple[str, ...] | list[str]
) -> list[dict[str, str]]:
    python = platform.python_version()
    lock = home / "lock.json"
    command = workshop.conjoin(
        *("resolve", "--conda", f"python =={python}", *each("--pypi", pypi), "-c", channel),
        *("--index-url", index, "-o", str(lock), "--json"),
    )
    run_command(command, workshop.environment(workshop.fresh("kit-resolve")))
    [environment] = json.loads(lock.read_text("utf-8"))["platforms"].values()
    packages: list[dict[str, str]] = environment["packages"]
    return packages


def _download(workshop: Workshop, packages: list[dict[str, str]]) -> list[Path]:
    folder = workshop.keep / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [package["url"] for package in packages if not _is_there(folder / package["file"], package)]
    if missing:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        run_command([*pip, *missing], workshop.environment())
    return [folder / package["file"] for package in packages]


def _is_there(path: Path, package: dict[str, str]) -> bool:
    return path.is_file() and file_sha256(path) == package["sha256"]
