"""Makes Metaflow run the jobs of ``--with kubernetes`` and ``--with batch`` as local pods.

Replaced is the one call that would submit a job; everything before it is Metaflow's own. And, with
``PRETEND_PLATFORM``, makes Conjoin take this machine for another.
"""

import os
import sys

import local_pod

if local_pod.CONFIGURATION in os.environ:
    import importlib.abc
    import importlib.util

    class Job:
        """A job that is over."""

        is_waiting = is_running = False
        is_done = True
        status = "done"

        def __init__(self, folder, code):
            self.id = folder.parent.name
            self.has_succeeded = self.is_successful = code == 0
            self.has_failed = self.is_crashed = code != 0
            self.status_code = code
            self.status_reason = f"see {folder}/OUT"
            self.reason = (code, self.status_reason)

        def kill(self):
            pass

    def kubernetes(module):
        def launch_job(self, **asked):
            from metaflow.plugins.kubernetes import kubernetes as k8s
            from metaflow.plugins.kubernetes import kubernetes_job

            class Client:
                def get(self):
                    return None

                def job(self, **more):
                    return kubernetes_job.KubernetesJob(self, **more)

            k8s.KubernetesClient = Client
            asked.pop("num_parallel", None)
            asked["name_pattern"] = "t-"
            made = self.create_job_object(**asked)._kwargs
            fields = ("NAMESPACE", "POD_NAMESPACE", "POD_NAME", "POD_ID", "SERVICE_ACCOUNT_NAME", "NODE_IP")
            downward = {"METAFLOW_KUBERNETES_" + field: "x" for field in fields}
            variables = {**dict(made["environment_variables"]), **downward}
            self._job = Job(*local_pod.run(made["command"], variables, "k8s-" + asked["step_name"]))

        module.Kubernetes.launch_job = launch_job

    def batch(module):
        def execute(self):
            asked = self.payload["containerOverrides"]
            variables = {
                **{each["name"]: each["value"] for each in asked["environment"]},
                "AWS_BATCH_JOB_ID": "job-1",
                "AWS_BATCH_JQ_NAME": "queue",
                "AWS_BATCH_CE_NAME": "place",
                "AWS_BATCH_JOB_ATTEMPT": "1",
                "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            }
            step = asked["command"][-1].partition(" MF_PATHSPEC=")[2].split("/")[2]
            return Job(*local_pod.run(asked["command"], variables, "batch-" + step))

        module.BatchJob.execute = execute

    CHANGES = {
        "metaflow.plugins.kubernetes.kubernetes": kubernetes,
        "metaflow.plugins.aws.batch.batch_client": batch,
    }

    class Finder(importlib.abc.MetaPathFinder):
        """Changes a module right after it was executed."""

        def find_spec(self, name, path, target=None):
            if name not in CHANGES:
                return None
            sys.meta_path.remove(self)
            try:
                spec = importlib.util.find_spec(name)
            finally:
                sys.meta_path.insert(0, self)
            execute = spec.loader.exec_module

            def executed(module):
                execute(module)
                CHANGES[name](module)

            spec.loader.exec_module = executed
            return spec

    sys.meta_path.insert(0, Finder())

if os.environ.get("PRETEND_PLATFORM"):
    import platform

    try:
        from conjoin.spec import platform as platforms
    except ImportError:  # a Python of another kind
        pass
    else:
        platforms._HOSTS[(sys.platform, platform.machine())] = os.environ["PRETEND_PLATFORM"]
