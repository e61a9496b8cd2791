"""A step of both sides and one whose environment is found as it starts: the other half of ``cloud.py``."""

import json
import os

from looking import look

from metaflow import FlowSpec, Parameter, conda, current, named_env, pypi, step


class CloudFetchedFlow(FlowSpec):
    """As ``mixed`` and ``fetched`` of ``cloud.py``: the first gives the name by which the second finds it."""

    kind = Parameter("kind", default="fast")

    @conda(packages={"condaonly": ""})
    @pypi(packages={"pypionly": ">=3", "tinyactive": "1.0"})
    @step
    def start(self):
        import boto3
        import condaonly  # noqa: F401
        import pypionly  # noqa: F401

        self.seen = look()
        bucket, _, root = os.environ["METAFLOW_DATASTORE_SYSROOT_S3"][len("s3://") :].partition("/")
        names = root + "/conda_env/aliases/"
        s3 = boto3.client("s3", endpoint_url=os.environ["METAFLOW_S3_ENDPOINT_URL"])
        known = s3.get_object(Bucket=bucket, Key=names + "cloud/base/v1.json")["Body"].read()
        new = names + f"cloud/{current.run_id}/end/{self.kind}.json"
        s3.put_object(Bucket=bucket, Key=new, Body=known)
        self.base = json.loads(known)
        self.next(self.end)

    @named_env(
        name="cloud/@{METAFLOW_RUN_ID}/@{METAFLOW_STEP_NAME}:@{METAFLOW_INIT_KIND}", fetch_at_exec=True
    )
    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    CloudFetchedFlow()
