"""stdout stays an API: what Metaflow's own tools read there has nothing of ours in it."""

from __future__ import annotations

import json
import sys

import pytest

from flow_runs import FLOWS, Flows

pytestmark = pytest.mark.slow


def test_a_runner_starts_a_flow_in_a_new_environment_and_reads_its_run(flows: Flows) -> None:
    """It reads the run's id out of a fifo that the flow's process writes, and logs out of its pipes."""
    packages = json.dumps({"tinylib": "2.0", "condaonly": "1.5"})
    program = (
        "import json, sys\n"
        "from metaflow import Runner, namespace\n"
        "namespace(None)\n"
        "flow, packages = sys.argv[1:]\n"
        "runner = Runner(flow, environment='conda', pylint=False)\n"
        "with runner.run(decospecs=['conda:packages=' + packages]) as running:\n"
        "    [task] = running.run['start']\n"
        "    print(json.dumps([running.status, running.run.successful, task.metadata_dict['conda_env_id'],\n"
        "        task.data.seen['versions'],\n"
        "        running.stdout, running.stderr, task.stdout + task.stderr]))\n"
    )
    ran = flows.call(sys.executable, "-c", program, str(FLOWS / "inner.py"), packages)
    assert ran.code == 0, ran.said
    status, successful, env_id, versions, stdout, stderr, of_task = json.loads(ran.stdout.splitlines()[-1])
    assert (status, successful) == ("successful", True)
    assert (versions["tinylib"], versions["condaonly"]) == ("2.0", "1.5")
    assert "Resolving the environment of" in stderr
    assert "esolving" not in stdout
    # Lines of tasks are theirs: one that waits may say so.
    rest = [line for line in stdout.splitlines() if " (pid " not in line]
    assert not [line for line in rest if "conjoin" in line.lower()]
    [prefix] = [path for path in flows.envs if path.name == "_".join(["metaflow", *json.loads(env_id)[:2]])]
    assert prefix.is_dir()
    # The task waited for its environment, and says so in its own log alone, if at all.
    assert all(line.startswith("conjoin: ") for line in of_task.splitlines() if "environment" in line)


def test_quiet_is_quiet_while_it_resolves(flows: Flows) -> None:
    packages = json.dumps({"tinylib": "1.0", "condaonly": "1.5"})
    quiet = flows.call(*flows.command("inner.py"), "--quiet", "run", "--with", f"conda:packages={packages}")
    assert quiet.code == 0, quiet.said
    assert quiet.stderr == ""
    assert "esolving" not in quiet.stdout


def test_data_on_stdout_is_data_alone(flows: Flows) -> None:
    """As ``--only-json`` of deployments; here with a command that needs no scheduler."""
    ran = flows.run("sides.py", "output-raw")
    assert ran.code == 0, ran.said
    assert "esolving" not in ran.said
    listed = flows.run("sides.py", "package", "list")
    assert listed.code == 0, listed.said
    assert "esolving" not in listed.stdout
