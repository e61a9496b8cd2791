"""Solving conda and PyPI together: requests on which solving conda first fails, with the public PyPI."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.surroundings import find_solver_of_conda_lock
from benchmarks.timing import CommandFailed, time_command
from benchmarks.workshop import SAMPLE_CHANNEL, SHARED, Workshop, each

NAME = "mixed"
CASES = SHARED / "mixed-cases.json"
QUICK = ("M03", "M16")
# Two releases a day in a family of packages: what a naive loop unrolls for minutes.
UNROLLING = "M16"


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if not CASES.is_file() or not SAMPLE_CHANNEL.is_dir():
        yield Skipped(NAME, "solve jointly", "the sample data is not here")
        return
    if reason := workshop.index_unreachable():
        yield Skipped(NAME, "solve jointly", reason)
        return
    channel = workshop.serve(SAMPLE_CHANNEL).url
    for case in json.loads(CASES.read_text("utf-8"))["cases"]:
        if not workshop.quick or case["id"] in QUICK:
            yield from _measure_case(workshop, channel, case)


def _measure_case(workshop: Workshop, channel: str, case: dict[str, Any]) -> Iterator[Row | Skipped]:
    home = workshop.fresh(case["id"])
    environment = workshop.environment(home)
    command = workshop.conjoin(
        "resolve",
        *each("--conda", case["conda"]),
        *each("--pypi", case["pypi"]),
        *("-c", channel, "--index-url", workshop.default_index()),
        *("--platform", case["platform"], "--force", "--json"),
    )
    work = f"{case['id']} ({len(case['conda'])} conda + {', '.join(case['pypi'])})"
    try:
        cold = time_command(command, environment, 1, warm_up=False)
        said, rounds = _described([*command, "--verbose"], environment)
        warm = time_command(command, environment, workshop.runs(3), warm_up=False)
    except CommandFailed as error:
        yield Skipped(NAME, work, str(error))
        return
    chosen = said["platforms"][case["platform"]]
    wheels = sum(package["kind"] == "pypi" for package in chosen)
    note = f"{len(chosen) - wheels} conda, {wheels} wheels, {rounds} rounds"
    yield Row(NAME, f"{work}; cold", cold, note="network and all")
    target, most = ("under 5 s", 5.0) if case["id"] == UNROLLING else ("under 1 s", 1.0)
    yield Row(NAME, f"{work}; warm", warm, target=target, most_seconds=most, note=note)
    if shutil.which("conda-lock") and find_solver_of_conda_lock():
        theirs = _conda_lock(home, environment, channel, case, workshop.runs(3))
        if isinstance(theirs, Timing):
            wanted = "5x faster than conda-lock"
            yield Row(NAME, f"{work}; warm", warm, "conda-lock", theirs, wanted, most_ratio=0.2)
        else:
            yield Skipped(NAME, f"{work}: conda-lock", theirs)


def _described(command: list[str], environment: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Return the document of a result, and how many rounds the joint solve took, as it tells on stderr."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"conjoin resolve ended with {done.returncode}")
    found = re.search(r"(\d+) rounds? of the joint solve", done.stderr)
    return json.loads(done.stdout), found[1] if found else "?"


def _conda_lock(
    home: Path, environment: dict[str, str], channel: str, case: dict[str, Any], runs: int
) -> Timing | str:
    """Time conda-lock on the same request, or return why it has no answer (it solves conda first)."""
    source = home / "environment.yml"
    listed = [*case["conda"], {"pip": case["pypi"]}]
    source.write_text(json.dumps({"channels": [channel], "dependencies": listed}), "utf-8")  # JSON is YAML
    command = ["conda-lock", "lock", "-f", str(source), "-p", case["platform"]]
    command += ["--lockfile", str(home / "conda-lock.yml")]
    try:
        return time_command(command, environment, runs)
    except CommandFailed as error:
        return str(error)
