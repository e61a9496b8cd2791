"""Solving conda packages alone, from the conda-forge sample over loopback http, repodata cached."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

from benchmarks.figures import Row, Skipped
from benchmarks.timing import run_command, time_command
from benchmarks.workshop import SAMPLE_CHANNEL, Workshop, each

NAME = "conda"

CASES = {
    "numpy, pandas": ["python 3.12.*", "numpy", "pandas"],
    "science stack": [
        "python 3.11.*",
        "numpy",
        "scipy",
        "pandas",
        "scikit-learn",
        "matplotlib",
        "jupyterlab",
    ],
    "geo": ["python >=3.10", "geopandas", "xarray", "dask"],
    "pytorch": ["python 3.12.*", "pytorch", "numpy"],
}
PLATFORM = "linux-64"


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if not SAMPLE_CHANNEL.is_dir():
        yield Skipped(NAME, "solve conda alone", "the conda-forge sample is not here")
        return
    channel = workshop.serve(SAMPLE_CHANNEL).url
    cases = list(CASES.items())[:1] if workshop.quick else list(CASES.items())
    for name, specs in cases:
        home = workshop.fresh("conda")
        environment = workshop.environment(home)
        arguments = [
            "resolve",
            *each("--conda", specs),
            "-c",
            channel,
            "--platform",
            PLATFORM,
            "--force",
            "--json",
        ]
        runs = workshop.runs(7)
        ours = time_command(workshop.conjoin(*arguments), environment, runs)
        chosen = json.loads(run_command(workshop.conjoin(*arguments), environment))["platforms"][PLATFORM]
        note = f"{len(chosen)} packages"
        bare = workshop.python("bare_solve.py", channel, PLATFORM, str(home / "bare"), *specs)
        yield Row(NAME, name, ours, "py-rattler alone", time_command(bare, environment, runs), note=note)
        if (micromamba := shutil.which("micromamba")) is not None:
            command = [
                micromamba,
                "create",
                "-n",
                "x",
                "--dry-run",
                "-y",
                "-q",
                "--no-rc",
                "--override-channels",
            ]
            command += ["-c", channel, "--platform", PLATFORM, *specs]
            theirs = time_command(command, environment, runs)
            yield Row(NAME, name, ours, "micromamba", theirs, "no slower than micromamba", most_ratio=1.0)
