"""Steps in bare containers: the commands that Metaflow writes, as they are, on five runtimes.

Every kind of environment on one runtime, and two on each of the others: each kind on three. Four kinds on two
runtimes decide whether a change lands, one that a scheduler starts and one that ``run --with`` starts; the
rest is for ``make scale``.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

import schedulers
from networks import no_networks
from remote_runs import Cloud, Pod

pytestmark = [pytest.mark.slow, pytest.mark.first]

IDS = re.compile(
    r"environment\.remote\.bootstrap s3://\S+ linux-64 ([0-9a-f]{40}:[0-9a-f]{40})@sha256:[0-9a-f]{64}"
    r"(?: --toolkit-sha256 [0-9a-f]{64})+ &&"
)
NAME = "cloud/base:v1"


@dataclass(frozen=True)
class Flow:
    """A flow that is sent elsewhere.

    :ivar kinds: of its steps' environments, in their order.
    """

    file: str
    name: str
    kinds: Mapping[str, str]

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(self.kinds)


EVERY_KIND = Flow(
    "cloud.py",
    "CloudFlow",
    {
        "start": "none",
        "plain": "resolved",
        "mixed": "mixed",
        "named": "named",
        "fetched": "fetched",
        "end": "pypi",
    },
)
NAMED = Flow("cloud_named.py", "CloudNamedFlow", {"start": "resolved", "end": "named"})
FETCHED = Flow("cloud_fetched.py", "CloudFetchedFlow", {"start": "mixed", "end": "fetched"})

HAS = {
    "none": {},
    "resolved": {"tinylib": "1.0"},
    "mixed": {"condaonly": "1.5", "pypionly": "3.1", "tinylib": "2.0"},
    "named": {"tinylib": "2.0"},
    "fetched": {"tinylib": "2.0"},
    "pypi": {"tinylib": "1.0", "tinyapp": "1.0"},
}
"""What an environment of a kind has of what is asked for."""


class Gone(NamedTuple):
    """A run whose tasks were sent elsewhere."""

    run_id: str
    pods: list[Pod]


@pytest.fixture(scope="module")
def named(cloud: Cloud) -> str:
    """The ids of the environment that two steps know by its name."""
    done = cloud.name(NAME, "--conda", "tinylib=2", "--conda", "requests", "--conda", "boto3", "--json")
    assert done.code == 0, done.said
    told = json.loads(done.stdout)
    return f"{told['req_id']}:{told['full_id']}"


def run_with(kind: str) -> Callable[[Cloud, Flow], Gone]:
    def go(cloud: Cloud, flow: Flow) -> Gone:
        if kind == "batch":
            cloud.make_queue()
        before = {pod.folder for pod in cloud.left()}
        ran = cloud.run(flow.file, "run", "--with", kind)
        assert ran.code == 0, ran.said
        return Gone(ran.run_id, [pod for pod in cloud.left() if pod.folder not in before])

    return go


def argo(cloud: Cloud, flow: Flow) -> Gone:
    if not schedulers.can_mount():
        pytest.skip("no container here can have a folder /mnt/out of its own")
    ran = cloud.run(flow.file, "argo-workflows", "create", "--only-json")
    assert ran.code == 0, ran.said
    template = json.loads(ran.stdout)
    return Gone(*schedulers.argo(cloud, template, flow.steps, f"{flow.name.lower()}-x7k2p"))


def step_functions(cloud: Cloud, flow: Flow) -> Gone:
    cloud.make_queue()
    ran = cloud.run(flow.file, "step-functions", "create", "--only-json")
    assert ran.code == 0, ran.said
    return Gone(*schedulers.step_functions(cloud, json.loads(ran.stdout), "execution-1"))


def airflow(cloud: Cloud, flow: Flow) -> Gone:
    pytest.importorskip("jinja2")
    ran = cloud.run(flow.file, "airflow", "create", "dag.py")
    assert ran.code == 0, ran.said
    return Gone(*schedulers.airflow(cloud, cloud.folder / "dag.py", "manual__2026-01-01"))


class Runtime(NamedTuple):
    """Something that starts tasks elsewhere.

    :ivar workflow: what the store calls a workflow there, None where no scheduler starts its tasks.
    """

    go: Callable[[Cloud, Flow], Gone]
    flow: Flow
    workflow: str | None = None


RUNTIMES = {
    "kubernetes": Runtime(run_with("kubernetes"), NAMED),
    "argo": Runtime(argo, FETCHED, "argo-workflows/cloudfetchedflow"),
    "argo, every kind": Runtime(argo, EVERY_KIND, "argo-workflows/cloudflow"),
    "batch": Runtime(run_with("batch"), FETCHED),
    "step-functions": Runtime(step_functions, NAMED, "step-functions/CloudNamedFlow"),
    "airflow": Runtime(airflow, FETCHED, "airflow/CloudFetchedFlow"),
}
_REPRESENTATIVE = ("kubernetes", "argo")


@pytest.fixture(scope="module")
def gone(cloud: Cloud, named: str) -> Callable[[str], Gone]:
    """Run its flow on a runtime, once."""
    return functools.cache(lambda runtime: RUNTIMES[runtime].go(cloud, RUNTIMES[runtime].flow))


@pytest.mark.parametrize(
    "runtime",
    [each if each in _REPRESENTATIVE else pytest.param(each, marks=pytest.mark.scale) for each in RUNTIMES],
)
def test_steps_find_their_environments(
    runtime: str, cloud: Cloud, named: str, gone: Callable[[str], Gone]
) -> None:
    _, flow, workflow = RUNTIMES[runtime]
    steps, kinds = flow.steps, flow.kinds
    prefixes_before = cloud.envs
    run_id, pods = gone(runtime)
    assert [pod.code for pod in pods] == [0] * len(steps), pods[-1].said
    assert cloud.envs == prefixes_before == [], "the laptop needs no prefix of a step that runs elsewhere"
    tasks = cloud.task(flow.name, run_id)
    assert tasks.keys() == set(steps)
    where = {step: pod.folder.parents[1] / "running" for step, pod in zip(steps, pods, strict=True)}

    ids = {step: task["metadata"].get("conda_env_id") for step, task in tasks.items()}
    assert {step for step, found in ids.items() if found is None} == {s for s in steps if kinds[s] == "none"}
    told = dict(zip(steps, [IDS.search(pod.command) for pod in pods], strict=True))
    by_name_alone = {step for step, match in told.items() if match is None}
    assert by_name_alone == {step for step in steps if kinds[step] in ("none", "fetched")}
    for step, found in ids.items():
        if found is None:
            continue
        req_id, full_id, platform = json.loads(found)
        match = told[step]
        assert f"{req_id}:{full_id}" == (match[1] if match else named), step
        assert platform == "linux-64"
        assert tasks[step]["information"]["id"] == f"{req_id}:{full_id}"
        if kinds[step] == "named":
            assert match is not None
            assert match[1] == named

    if workflow is not None:
        noted = json.loads(cloud.object(f"metaflow/conda_env/deployments/{workflow}.json"))
        assert set(noted["deployments"][0]["environments"]) == {match[1] for match in told.values() if match}

    has = {step: task["seen"]["versions"] for step, task in tasks.items()}
    asked = {"tinylib", "tinyapp", "condaonly", "pypionly"}
    assert {step: {k: v for k, v in one.items() if k in asked} for step, one in has.items()} == {
        step: HAS[kind] for step, kind in kinds.items()
    }
    for step, task in tasks.items():
        seen = task["seen"]
        if kinds[step] == "none":
            assert seen["executable"] == str(cloud.container / "python")
            continue
        folder = str(where[step])
        assert seen["prefix"] == f"{folder}/metaflow/.conjoin/env"
        assert seen["executable"] == f"{seen['prefix']}/bin/python"
        assert [entry for entry in seen["path"] if not entry.startswith(folder)] == []
        variables = seen["variables"]
        assert variables["PATH"].split(":")[0] == f"{seen['prefix']}/bin"
        assert variables["CONDA_PREFIX"] == seen["prefix"]
        assert variables["PYTHONPATH"] == f"{folder}/metaflow/.mf_code"
        assert not {"conjoin", "metaflow"} & set(has[step])
        if kinds[step] == "mixed":
            assert variables["TINY_HOME"].endswith("/.conjoin/env/share")


def test_every_kind_is_on_three_runtimes() -> None:
    """But for a step that has none, and one of PyPI alone, which ``mixed`` has in it."""
    where: dict[str, set[object]] = {}
    for runtime in RUNTIMES.values():
        for kind in runtime.flow.kinds.values():
            where.setdefault(kind, set()).add(runtime.go)
    assert where.keys() == HAS.keys()
    both = ("resolved", "mixed", "named", "fetched")
    assert all(len(where[kind]) == 3 for kind in both)
    assert {kind for name in _REPRESENTATIVE for kind in RUNTIMES[name].flow.kinds.values()} == {*both}


@pytest.fixture
def away_ids(away: dict[str, Any]) -> str:
    """The ids of the environment of ``away``'s only step that has one."""
    [work] = [each for each in away["spec"]["templates"] if each["name"] == "work"]
    match = IDS.search(work["container"]["command"][2])
    assert match is not None
    return match[1]


def test_the_package_takes_the_locks_of_this_flow_alone(
    cloud: Cloud, named: str, away: dict[str, Any], away_ids: str
) -> None:
    """``named`` is in the store as well as others are, and of a flow that does not ask for it no business."""
    mine = {name: data for name, data in cloud.package(away).items() if "conjoin" in name}
    locks = [name for name in mine if name.startswith(".mf_meta/")]
    assert locks == [f".mf_meta/conjoin/{away_ids.replace(':', '_')}.json"]
    req_id, _full_id = away_ids.split(":")
    assert json.loads(mine[locks[0]])["req_id"] == req_id
    from conjoin.bootstrap.archive import engine_files

    engine = {f".mf_code/conjoin_engine/{name}" for _, name in engine_files()}
    extension = {name for name in mine if name.startswith(".mf_code/metaflow_extensions/conjoin/")}
    assert set(mine) == {*locks, *engine, *extension}


def test_what_is_deployed_is_noted_in_the_store(cloud: Cloud, away: dict[str, Any], away_ids: str) -> None:
    """By its name there, also without deploying it from here; and nothing that runs notes anything."""
    noted = json.loads(cloud.object("metaflow/conda_env/deployments/argo-workflows/awayflow.json"))
    [deployment] = noted["deployments"]
    assert away["metadata"]["name"] == "awayflow"
    assert (deployment["environments"], deployment["user"]) == ({away_ids: ["work"]}, "tester")


def test_a_past_task_that_ran_elsewhere(cloud: Cloud, gone: Callable[[str], Gone], away_ids: str) -> None:
    """``metaflow environment show`` and ``create`` by a pathspec; and a colleague takes what was resolved."""
    run_id, pods = gone("kubernetes")
    task = f"{NAMED.name}/{run_id}/start"
    command = (str(cloud.program("metaflow")), "environment", "--quiet")
    colleague = {"HOME": str(cloud.folder / "colleague"), "METAFLOW_USER": "somebody", "USER": "somebody"}
    Path(colleague["HOME"]).mkdir()
    shown = cloud.call(*command, "show", "--pathspec", task, variables=colleague)
    assert shown.code == 0, shown.said
    match = IDS.search(pods[0].command)
    assert match is not None
    assert all(one in shown.stdout for one in match[1].split(":"))
    made = cloud.call(*command, "create", "--name", "again", "--pathspec", task, variables=colleague)
    assert made.code == 0, made.said
    again = {**colleague, "METAFLOW_CONDA_USE_REMOTE_LATEST": ":any:"}
    deployed = cloud.run("away.py", "argo-workflows", "create", "--only-json", variables=again)
    assert deployed.code == 0, deployed.said
    assert "Resolving" not in deployed.stderr
    assert away_ids in deployed.stdout


def test_a_mac_deploys_what_linux_deploys(cloud: Cloud, away: dict[str, Any]) -> None:
    home = cloud.folder / "home-of-a-mac"
    home.mkdir()
    variables = {
        "HOME": str(home),
        "PRETEND_PLATFORM": "osx-arm64",
        "METAFLOW_CONDA_S3ROOT": f"s3://{cloud.bucket}/mac",
    }
    ran = cloud.run("away.py", "argo-workflows", "create", "--only-json", variables=variables)
    assert ran.code == 0, ran.said
    assert "Resolving" in ran.stderr
    mac, linux = (
        [data for name, data in cloud.package(template).items() if "mf_meta/conjoin/" in name]
        for template in (json.loads(ran.stdout), away)
    )
    assert len(mac) == 1
    assert mac == linux


_SAYS_ARM = """
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
int uname(struct utsname *told) {
    if (syscall(SYS_uname, told)) return -1;
    strcpy(told->machine, "aarch64");
    return 0;
}
"""


def test_a_step_for_another_processor(cloud: Cloud, away_ids: str, started: str, tmp_path: Path) -> None:
    """Its own lock and toolkit, out of which a node makes its environment that says it is of that kind."""
    variables = {
        "HOME": str(tmp_path),
        "METAFLOW_KUBERNETES_CONDA_ARCH": "linux-aarch64",
        "METAFLOW_CONDA_S3ROOT": f"s3://{cloud.bucket}/arm",
    }
    ran = cloud.run("away.py", "argo-workflows", "create", "--only-json", variables=variables)
    assert ran.code == 0, ran.said
    template = json.loads(ran.stdout)
    [work] = [each for each in template["spec"]["templates"] if each["name"] == "work"]
    pinned = r"linux-aarch64 ([0-9a-f]{40}):([0-9a-f]{40})@sha256:[0-9a-f]{64} --toolkit-sha256 "
    match = re.search(pinned, work["container"]["command"][2])
    assert match is not None
    # What is asked for is the same; what was found for it is another's.
    assert match[1] == away_ids.partition(":")[0]
    assert match[2] != away_ids.partition(":")[2]
    [lock] = [data for name, data in cloud.package(template).items() if "mf_meta/conjoin/" in name]
    assert list(json.loads(lock)["platforms"]) == ["linux-aarch64"]
    toolkits = {name.split("/")[2] for name in cloud.object_names() if name.startswith("arm/toolkit/linux")}
    assert toolkits == {"linux-aarch64"}

    refused = schedulers.argo(cloud, template, ("work",), "away-1", after=started, moment=40)[1][0]
    assert refused.code == 2
    assert "this machine is linux-64, the environment is for linux-aarch64" in refused.said
    (tmp_path / "says.c").write_text(_SAYS_ARM)
    library = tmp_path / "says.so"
    subprocess.run(["gcc", "-shared", "-o", library, tmp_path / "says.c"], check=True)
    try:
        cloud.configure(LD_PRELOAD=str(library), CONJOIN_CACHE=str(tmp_path / "node"))
        [pod] = schedulers.argo(cloud, template, ("work",), "away-1", after=started, moment=41)[1]
    finally:
        cloud.configure()
    assert pod.code == 0, pod.said


def test_a_container_reaches_the_store_and_nothing_else(cloud: Cloud) -> None:
    """Not even what else is on this machine: what tasks do without an index, they do without any."""
    if cloud.network is None:
        pytest.skip(f"containers are led to a proxy that is not there instead: {no_networks()}")
    places = {
        "store": ("127.0.0.1", urlsplit(cloud.s3.url).port),
        "channel and index": ("127.0.0.1", urlsplit(cloud.server.url).port),
        "elsewhere": ("192.0.2.1", 443),  # RFC 5737: an example
    }
    program = (
        "import json, socket, sys\n"
        "found = []\n"
        "for name, address in json.loads(sys.argv[1]).items():\n"
        "    try: socket.create_connection(tuple(address), 5).close()\n"
        "    except OSError: continue\n"
        "    found.append(name)\n"
        "print(json.dumps(found))\n"
    )
    pod = cloud.pod(["python", "-c", program, json.dumps(places)], {}, "looking")
    assert json.loads(pod.said) == ["store"]
