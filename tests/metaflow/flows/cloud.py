"""Every kind of environment, one after the other: for runtimes that send steps elsewhere."""

import json
import os

from looking import look

from metaflow import FlowSpec, Parameter, conda, current, named_env, pypi, step


class CloudFlow(FlowSpec):
    """``start`` gives an environment the name by which ``fetched`` finds it."""

    kind = Parameter("kind", default="fast")

    @conda(disabled=True)
    @step
    def start(self):
        import boto3

        self.seen = look()
        bucket, _, root = os.environ["METAFLOW_DATASTORE_SYSROOT_S3"][len("s3://") :].partition("/")
        names = root + "/conda_env/aliases/"
        s3 = boto3.client("s3", endpoint_url=os.environ["METAFLOW_S3_ENDPOINT_URL"])
        known = s3.get_object(Bucket=bucket, Key=names + "cloud/base/v1.json")["Body"].read()
        new = names + f"cloud/{current.run_id}/fetched/{self.kind}.json"
        s3.put_object(Bucket=bucket, Key=new, Body=known)
        self.base = json.loads(known)
        self.next(self.plain)

    @conda(packages={"tinylib": "1.0"})
    @step
    def plain(self):
        self.seen = look()
        self.next(self.mixed)

    @conda(packages={"condaonly": ""})
    @pypi(packages={"pypionly": ">=3", "tinyactive": "1.0"})
    @step
    def mixed(self):
        import condaonly  # noqa: F401
        import pypionly  # noqa: F401

        self.seen = look()
        self.next(self.named)

    @named_env(name="cloud/base:v1")
    @step
    def named(self):
        self.seen = look()
        self.next(self.fetched)

    @named_env(
        name="cloud/@{METAFLOW_RUN_ID}/@{METAFLOW_STEP_NAME}:@{METAFLOW_INIT_KIND}", fetch_at_exec=True
    )
    @step
    def fetched(self):
        self.seen = look()
        self.next(self.end)

    @pypi(packages={"tinyapp": ""})
    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    CloudFlow()
