"""Solving PyPI packages alone, Python pinned to the running one, beside ``uv pip compile``.

The warm figures are taken with ``--offline`` on both sides: how long a cached page counts as fresh is up to
what stands between here and the index (a proxy may strip the index's ten minutes), and uv would ask again.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.timing import CommandFailed, run_command, time_command
from benchmarks.workshop import Workshop, each

NAME = "pypi"

CASES = {
    "small": ["requests", "rich"],
    "medium": ["fastapi", "uvicorn", "sqlalchemy", "pandas", "scikit-learn", "matplotlib", "httpx[http2]"],
    "ML": [
        *("transformers", "datasets", "accelerate", "peft", "evaluate", "sentencepiece", "scikit-learn"),
        *("pandas", "polars", "pyarrow", "matplotlib", "seaborn", "plotly", "xgboost-cpu", "lightgbm"),
        *("optuna", "mlflow", "jupyterlab", "ipywidgets", "dask[dataframe]", "numba", "statsmodels"),
        *("fastapi", "uvicorn", "sqlalchemy", "s3fs", "pydantic", "tensorboard"),
    ],
}


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        yield Skipped(NAME, "solve PyPI alone", "written for linux-64, where both tools assume one platform")
        return
    if reason := workshop.index_unreachable():
        yield Skipped(NAME, "solve PyPI alone", reason)
        return
    for name, requirements in CASES.items():
        if not workshop.quick or name == "small":
            try:
                yield from _measure_case(workshop, name, requirements)
            except CommandFailed as error:
                yield Skipped(NAME, name, str(error))


def _measure_case(workshop: Workshop, name: str, requirements: list[str]) -> Iterator[Row | Skipped]:
    python, index = "{}.{}.{}".format(*sys.version_info[:3]), workshop.default_index()
    home = workshop.fresh(f"pypi-{name}")
    environment = workshop.environment(home)
    ours = workshop.conjoin(
        *("resolve", *each("--pypi", requirements), "--python", python, "--python-source", "host"),
        *("--index-url", index, "--platform", "linux-64", "--force", "--json"),
    )
    listed = home / "requirements.in"
    listed.write_text("\n".join(requirements), "utf-8")
    theirs = workshop.uv(
        *("pip", "compile", str(listed), "--quiet", "--python-version", python, "--generate-hashes"),
        *("--python-platform", "x86_64-manylinux_2_28", "--default-index", index, "--only-binary", ":all:"),
    )
    cold = time_command(ours, environment, 1, warm_up=False)
    cold_uv = time_command(theirs, environment, 1, warm_up=False)
    count = len(json.loads(run_command(ours, environment))["platforms"]["linux-64"]) - 1
    count_uv = sum("==" in line for line in run_command(theirs, environment).splitlines())
    note = f"{count} packages (uv: {count_uv})"
    warm, warm_uv = _in_turn([*ours, "--offline"], [*theirs, "--offline"], environment, workshop.runs(6))
    yield Row(NAME, f"{name}; cold", cold, "uv pip compile", cold_uv, note="network and all")
    yield Row(
        NAME,
        f"{name}; warm, offline",
        warm,
        "uv pip compile",
        warm_uv,
        "within 2x of uv",
        most_ratio=2.0,
        note=note,
    )


def _in_turn(
    ours: list[str], theirs: list[str], environment: dict[str, str], runs: int
) -> tuple[Timing, Timing]:
    """Time two commands alternately: what else the machine does meets both."""
    first: list[float] = []
    second: list[float] = []
    for _ in range(runs):
        first += time_command(ours, environment, 1, warm_up=False).seconds
        second += time_command(theirs, environment, 1, warm_up=False).seconds
    return Timing(tuple(first)), Timing(tuple(second))
