"""Flows that are sent elsewhere, on this machine: a cloud on loopback, containers that have nothing."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from containers import bare_python
from flow_runs import Flows, Ran
from installed import closure
from loopback import LoopbackServer
from networks import Network
from object_stores import ACCESS_KEY, S3, SECRET_KEY

__all__ = ["PODS", "Cloud", "Pod", "container_python"]

PODS = Path(__file__).parent / "metaflow" / "pods"

sys.path.append(str(PODS))

import local_pod  # noqa: E402

QUEUE = "queue"
ROLE = "arn:aws:iam::123456789012:role/any"


def container_python(folder: Path) -> Path:
    """Return a Python that has boto3, requests, what they need, and nothing else; its ``bin`` folder."""
    python = bare_python(folder)
    there = folder / "boto3-requests"
    if not there.exists():
        there.mkdir()
        for name in closure(("boto3", "requests")):
            found = distribution(name)
            for top in {str(file).partition("/")[0] for file in found.files or ()} - {"..", "__pycache__"}:
                (there / top).symlink_to(str(found.locate_file(top)))
        [site] = folder.glob("lib/python*/site-packages")
        (site / "there.pth").write_text(f"{there}\n")
    return python.parent


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


class Pod:
    """What a container left."""

    def __init__(self, folder: Path, code: int) -> None:
        self.folder = folder
        self.code = code

    @property
    def said(self) -> str:
        return (self.folder / "OUT").read_text()

    @property
    def command(self) -> str:
        return (self.folder / "COMMAND").read_text().replace("\0", " ")


class Cloud(Flows):
    """A laptop, a bucket, and nodes that run what is sent to them.

    :param network: of the nodes: they reach ``s3`` there and nothing else; None: a proxy that is not there.
    :ivar s3: the server.
    :ivar bucket: of the flows' datastore.
    """

    def __init__(
        self,
        folder: Path,
        server: LoopbackServer,
        s3: S3,
        wheels: Path,
        container: Path,
        network: Network | None = None,
    ) -> None:
        super().__init__(folder, server)
        self.s3 = s3
        self.network = network
        self.bucket = s3.new_bucket()
        self.pods = folder / "pods"
        self._has_queue = False
        self.pods.mkdir()
        self.container = container
        self.node = folder / "node"
        self.variables.update(
            AWS_ENDPOINT_URL=s3.url,
            AWS_ACCESS_KEY_ID=ACCESS_KEY,
            AWS_SECRET_ACCESS_KEY=SECRET_KEY,
            AWS_DEFAULT_REGION="us-east-1",
            METAFLOW_DEFAULT_DATASTORE="s3",
            METAFLOW_DATASTORE_SYSROOT_S3=f"s3://{self.bucket}/metaflow",
            METAFLOW_S3_ENDPOINT_URL=s3.url,
            # All processes write into this folder what they would tell Metaflow's service.
            METAFLOW_DEFAULT_METADATA="local",
            METAFLOW_DATASTORE_SYSROOT_LOCAL=str(folder / "metadata"),
            METAFLOW_CONDA_FIND_LINKS=str(wheels),
            PYTHONPATH=str(PODS),
            METAFLOW_BATCH_JOB_QUEUE=QUEUE,
            METAFLOW_ECS_S3_ACCESS_IAM_ROLE=ROLE,
            METAFLOW_ECS_FARGATE_EXECUTION_ROLE=ROLE,
            METAFLOW_SFN_IAM_ROLE=ROLE,
            METAFLOW_EVENTS_SFN_ACCESS_IAM_ROLE=ROLE,
        )
        self.variables[local_pod.CONFIGURATION] = str(folder / "pods.json")
        self.configure()

    @property
    def store(self) -> str:
        """The address of the environments."""
        return f"s3://{self.bucket}/metaflow/conda_env"

    def configure(self, **variables: str) -> None:
        """Give every pod some variables more than the job does: what a cluster gives."""
        given = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(self.folder / "metadata"),
            "CONJOIN_CACHE": str(self.node),
            **variables,
        }
        self._configuration = {
            "folder": str(self.pods),
            "path": str(self.container),
            "variables": given,
            "network": self.network.inside([]) if self.network else [],
        }
        (self.folder / "pods.json").write_text(json.dumps(self._configuration))

    def task_ids(self, flow: str, run_id: str, step: str) -> list[str]:
        """Return what the tasks of a step are called."""
        found = Path(self.folder, "metadata", ".metaflow", flow, run_id, step).glob("[!_]*")
        return sorted(each.name for each in found)

    def left(self) -> list[Pod]:
        """Return the containers of jobs that Metaflow sent, in their order."""
        found = sorted(self.pods.glob("*/pod"), key=lambda pod: (pod / "COMMAND").stat().st_mtime_ns)
        return [Pod(each, 0) for each in found]

    def name(self, alias: str, *words: str) -> Ran:
        """Give an environment a name in the flows' store."""
        python = ".".join(map(str, sys.version_info[:2]))
        channel = f"{self.server.url}/channel"
        asked = ["--alias", alias, "--channel", channel, "--python", python, *words]
        return self.call(
            sys.executable, "-m", "conjoin", "resolve", *asked, variables={"CONJOIN_STORE": self.store}
        )

    def program(self, name: str) -> Path:
        """Return a program beside the launcher's Python."""
        return Path(sys.executable).parent / name

    def task(self, flow: str, ran: Ran | str) -> dict[str, dict[str, Any]]:
        """Return what tasks left (see :meth:`Flows.task`), also of a run that a scheduler started."""
        return super().task(flow, Ran(0, f"(run-id {ran})", "") if isinstance(ran, str) else ran)

    def object(self, key: str) -> bytes:
        """Return an object of the bucket."""
        content: bytes = self._client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def object_names(self) -> list[str]:
        """Return the names of all objects of the bucket."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.s3.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )

    def package(self, template: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the members of the code package that a WorkflowTemplate names."""
        [url] = set(re.findall(rf"s3://{self.bucket}/([\w/]+/data/\w\w/\w+)", json.dumps(template)))
        with tarfile.open(fileobj=io.BytesIO(self.object(url))) as archive:
            return {each.name: _content(archive, each) for each in archive if each.isfile()}

    def pod(self, command: list[str], variables: Mapping[str, Any], name: str) -> Pod:
        """Run a container."""
        return Pod(*local_pod.run(command, variables, name, self._configuration))

    def make_queue(self) -> None:
        """Make the queue of AWS Batch that jobs are sent to, unless it is there."""
        if self._has_queue:
            return
        program = (
            "import boto3, sys\n"
            "ec2, batch = boto3.client('ec2'), boto3.client('batch')\n"
            "subnets = [each['SubnetId'] for each in ec2.describe_subnets()['Subnets']][:1]\n"
            "groups = [each['GroupId'] for each in ec2.describe_security_groups()['SecurityGroups']][:1]\n"
            "role = boto3.client('iam').create_role(RoleName='any', AssumeRolePolicyDocument='{}')\n"
            "made = batch.create_compute_environment(computeEnvironmentName='place', type='MANAGED',\n"
            "    state='ENABLED', serviceRole=role['Role']['Arn'], computeResources=dict(type='FARGATE',\n"
            "    maxvCpus=4, subnets=subnets, securityGroupIds=groups))\n"
            "batch.create_job_queue(jobQueueName='queue', state='ENABLED', priority=1,\n"
            "    computeEnvironmentOrder=[dict(order=1, computeEnvironment='place')])\n"
        )
        done = self.call(sys.executable, "-c", program)
        assert done.code == 0, done.said
        self._has_queue = True
