"""What goes wrong where a task is sent to: one line in its log, and a retry works once it is mended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import schedulers
from containers import old_python
from remote_runs import Cloud, Pod

pytestmark = [pytest.mark.slow, pytest.mark.first]

SECRET = "s3cret-token"
BOTO = ("--conda", "boto3")
LINE = "conjoin: the environment of this step cannot be made: "


@pytest.fixture(scope="module")
def work(cloud: Cloud, away: dict[str, Any], started: str) -> Callable[[int, int], Pod]:
    """Run the second step of a flow that is deployed to Argo Workflows: which task of it, and which try."""

    def go(number: int, attempt: int = 0) -> Pod:
        [pod] = schedulers.argo(
            cloud, away, ("work",), "away-1", after=started, moment=number, attempt=attempt
        )[1]
        return pod

    return go


HARMS: dict[str, tuple[Callable[[Any], None], dict[str, str], str]] = {
    "missing": (lambda s3: s3.fail("*/packages/*/tinylib*", 404, None), {}, "the store has no tinylib"),
    "corrupted": (lambda s3: s3.corrupt("*/packages/*/tinylib*", None), {}, "is damaged"),
    "expired": (lambda s3: s3.fail("*/packages/*", 403, None), {}, "refuses these credentials"),
    "full": (
        lambda s3: None,
        {"CONJOIN_CACHE": "/mnt/cache"},
        "the disk is full; give the step more (the decorator's disk=), or have CONJOIN_CACHE name a",
    ),
}


@pytest.mark.parametrize(
    "what",
    ["missing", "full", *(pytest.param(each, marks=pytest.mark.scale) for each in ("corrupted", "expired"))],
)
def test_one_line_and_a_retry_works(
    what: str, work: Callable[[int, int], Pod], cloud: Cloud, tmp_path: Path
) -> None:
    harm, variables, said = HARMS[what]
    cache = tmp_path / "node"
    cache.mkdir()
    (cloud.node / "toolkit").mkdir(parents=True, exist_ok=True)
    (cache / "toolkit").symlink_to(cloud.node / "toolkit")  # a node that has no package yet
    cloud.configure(**{"CONJOIN_CACHE": str(cache), **variables})
    number = 1 + list(HARMS).index(what)
    before = set(cloud.object_names())
    try:
        harm(cloud.s3)
        failed = work(number, 0)
        cloud.s3.heal()
        cloud.configure(CONJOIN_CACHE=str(cache))
        mended = work(number, 1)
    finally:
        cloud.s3.heal()
        cloud.configure()
    assert failed.code != 0
    lines = [line for line in failed.said.splitlines() if "conjoin" in line.lower()]
    assert len(lines) == 1, failed.said
    assert lines[0].startswith(LINE)
    assert said in lines[0]
    assert "Traceback" not in failed.said
    # What Metaflow shows of the first try, and of the second.
    logs = [key for key in cloud.object_names() if key not in before and "task_stderr" in key]
    assert {key.rpartition("/")[2].split(".")[0]: LINE in cloud.object(key).decode() for key in logs} == {
        "0": True,
        "1": False,
    }
    assert mended.code == 0, mended.said


@pytest.mark.parametrize("given", [False, pytest.param(True, marks=pytest.mark.scale)])
def test_a_name_that_nobody_gave(given: bool, cloud: Cloud) -> None:
    """The substituted name is told: that is what somebody has to give; where somebody does, a retry works."""
    if not schedulers.can_mount():
        pytest.skip("no container here can have a folder /mnt/out of its own")
    ran = cloud.run("absent.py", "argo-workflows", "create", "--only-json")
    assert ran.code == 0, ran.said

    def start() -> Pod:
        [pod] = schedulers.argo(cloud, json.loads(ran.stdout), ("start",), "absent-1")[1]
        return pod

    failed = start()
    assert failed.code == 6
    [line] = [line for line in failed.said.splitlines() if "conjoin" in line]
    assert line == f"{LINE}{cloud.store}: the store has no environment named absent/argo-absent-1:fast"
    if not given:
        return
    named = cloud.name("absent/argo-absent-1:fast", "--conda", "tinylib=1", "--conda", "requests", *BOTO)
    assert named.code == 0, named.said
    mended = start()
    assert mended.code == 0, mended.said


_ARGO = ("argo-workflows", "create", "--only-json")
_OTHERS = (("step-functions", "create", "--only-json"), ("airflow", "create", "private.py"))


@pytest.mark.parametrize(
    "runtimes", [(_ARGO,), pytest.param((_ARGO, *_OTHERS), marks=pytest.mark.scale)], ids=len
)
def test_credentials_stay_at_home(
    runtimes: tuple[tuple[str, ...], ...], cloud: Cloud, started: str, tmp_path: Path
) -> None:
    """A channel and an index that ask for them; their secret is in nothing that leaves the laptop."""
    variables = {
        "HOME": str(tmp_path),
        "METAFLOW_CONDA_S3ROOT": f"s3://{cloud.bucket}/private",
        "METAFLOW_CONDA_CHANNELS": f"{cloud.server.url}/channel".replace("//", f"//user:{SECRET}@"),
        "METAFLOW_CONDA_DEFAULT_PYPI_SOURCE": f"{cloud.server.url}/simple/".replace(
            "//", f"//user:{SECRET}@"
        ),
    }
    if len(runtimes) > 1:
        cloud.make_queue()
    cloud.server.auth = ("user", SECRET)
    try:
        deployed = [cloud.run("away.py", *words, variables=variables) for words in runtimes]
    finally:
        cloud.server.auth = None
    assert not any(ran.code for ran in deployed), [ran.said[-2000:] for ran in deployed if ran.code]
    template = json.loads(deployed[0].stdout)
    told = [ran.said.encode() for ran in deployed]
    told += [file.read_bytes() for file in cloud.folder.glob("private.py")]
    told += cloud.package(template).values()
    told += [
        cloud.object(key)
        for key in cloud.object_names()
        if "/packages/" not in key and "/toolkit/" not in key
    ]
    assert len(told) > 100
    assert not any(SECRET.encode() in each for each in told)
    assert f"{cloud.server.url}/channel".encode() in told[0]
    [pod] = schedulers.argo(cloud, template, ("work",), "away-1", after=started, moment=50)[1]
    assert pod.code == 0, pod.said


@pytest.mark.network
@pytest.mark.scale
def test_a_container_with_python_3_8(cloud: Cloud, work: Callable[[int, int], Pod], tmp_path: Path) -> None:
    """Too old for any wheel of the toolkit: the environment's own Python comes packed."""
    python = old_python("3.8")
    if python is None:
        pytest.skip("this machine has no Python 3.8")
    subprocess.run([python, "-m", "venv", tmp_path / "old"], check=True)
    install = [tmp_path / "old/bin/python", "-m", "pip", "install", "-qq", "boto3", "requests"]
    subprocess.run(install, check=True, capture_output=True)
    container, cloud.container = cloud.container, tmp_path / "old" / "bin"
    try:
        cloud.configure(CONJOIN_CACHE=str(tmp_path / "node"))
        pod = work(51, 0)
    finally:
        cloud.container = container
        cloud.configure()
    assert pod.code == 0, pod.said
