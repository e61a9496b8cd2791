"""Amazon S3, and what speaks as it does: requests signed here (AWS Signature Version 4).

Credentials are those of the variables or of a container's role; every other way that boto3 knows is asked of
boto3, which costs a second of loading.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from conjoin.bootstrap.failure import TryAgain
from conjoin.bootstrap.stores.http import Connections
from conjoin.bootstrap.stores.source import EARLY, Body, Source, body_of, first_variable
from conjoin.errors import Unreachable

__all__ = ["S3Source", "signed"]

_EMPTY = hashlib.sha256(b"").hexdigest()

_REASONS = {
    "<Code>NoSuchBucket<": "there is no such bucket",
    "<Code>ExpiredToken<": "the credentials are expired",
    "<Code>RequestTimeTooSkewed<": "this machine's clock is wrong",
    "<Code>InvalidAccessKeyId<": "the store does not know this access key",
    "<Code>SignatureDoesNotMatch<": "the secret key is not the access key's",
}
_CONTAINER = "http://169.254.170.2"


class _Keys(NamedTuple):
    access: str
    secret: str
    token: str
    until: float


class S3Source(Source):
    """A prefix of a bucket.

    :param endpoint: the server's URL; default: that of AWS's variables, else Amazon's.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        self.place = "s3://{}{}".format(bucket, "/" + prefix if prefix else "")
        self._bucket = bucket
        self._prefix = prefix + "/" if prefix else ""
        self._endpoint = endpoint or first_variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        self._region = first_variable("AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
        self._connections = Connections()
        self._lock = threading.Lock()
        self._keys = None  # type: _Keys | None
        self._session: Any = None

    def open(self, key: str, start: int = 0) -> Body | None:
        """Return an object's bytes."""
        where = self.where(key)
        answer = None
        for _ in range(2):
            keys = self._credentials(where)
            url = self._url(key)
            headers = signed(url, self._region, keys, datetime.datetime.now(datetime.timezone.utc))
            if start:
                headers["Range"] = f"bytes={start}-"
            answer = self._connections.get(url, headers)
            elsewhere = answer.header("x-amz-bucket-region")
            if answer.status in (301, 307, 400) and elsewhere and elsewhere != self._region:
                answer.text()
                self._region = elsewhere
                continue
            break
        assert answer is not None
        return body_of(answer, start, where, _REASONS)

    def _url(self, key: str) -> str:
        path = quote(self._prefix + key, safe="/~")
        if self._endpoint:
            return "{}/{}/{}".format(self._endpoint.rstrip("/"), self._bucket, path)
        domain = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        if "." in self._bucket:  # its name would not match Amazon's certificate
            return f"https://s3.{self._region}.{domain}/{self._bucket}/{path}"
        return f"https://{self._bucket}.s3.{self._region}.{domain}/{path}"

    def _credentials(self, where: str) -> _Keys | None:
        with self._lock:
            if self._keys is None or self._keys.until - time.time() < EARLY:
                self._keys = _from_variables() or _from_container() or self._from_boto(where)
            return self._keys

    def _from_boto(self, where: str) -> _Keys:
        if self._session is None:
            try:
                import botocore.session  # type: ignore[import-untyped, unused-ignore]
            except ImportError:
                raise Unreachable(
                    "there are no credentials for this store",
                    where=where,
                    advice="set AWS_ACCESS_KEY_ID and its like, or install boto3, which knows other ways",
                ) from None
            self._session = botocore.session.Session()
        try:
            region = self._session.get_config_variable("region")
            if region and not first_variable("AWS_REGION", "AWS_DEFAULT_REGION"):
                self._region = region
            found = self._session.get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except Exception as error:  # one class per way
            raise Unreachable(
                "boto3 finds no credentials for this store ({})".format(" ".join(str(error).split())),
                where=where,
            ) from None
        if frozen is None or not frozen.access_key:
            raise Unreachable(
                "there are no credentials for this store",
                where=where,
                advice="set AWS_ACCESS_KEY_ID and its like, or give the container a role",
            )
        # botocore itself knows when to renew them, and says the old ones until then.
        return _Keys(frozen.access_key, frozen.secret_key, frozen.token or "", time.time() + EARLY + 30)


def signed(url: str, region: str, keys: _Keys | None, now: datetime.datetime) -> dict[str, str]:
    """Return the headers that make a GET of ``url`` the key owner's (AWS Signature Version 4)."""
    headers = {"host": urlsplit(url).netloc, "x-amz-content-sha256": _EMPTY}
    if keys is None:
        return headers
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers["x-amz-date"] = stamp
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(sorted(headers))
    lines = ["GET", urlsplit(url).path or "/", urlsplit(url).query]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers)]
    request = "\n".join([*lines, "", names, _EMPTY])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + keys.secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"{keys.access}/{scope}"
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _from_variables() -> _Keys | None:
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret or os.environ.get("AWS_PROFILE"):
        return None
    return _Keys(access, secret, os.environ.get("AWS_SESSION_TOKEN") or "", float("inf"))


def _from_container() -> _Keys | None:
    """Return the keys of a task's role (ECS, Batch), which a server on the node tells."""
    path = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if not path or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return None
    try:
        answer = Connections().get(_CONTAINER + path, {})
        told = json.loads(answer.text())
        until = datetime.datetime.strptime(told["Expiration"], "%Y-%m-%dT%H:%M:%SZ")
        moment = until.replace(tzinfo=datetime.timezone.utc).timestamp()
        return _Keys(told["AccessKeyId"], told["SecretAccessKey"], told["Token"], moment)
    except (TryAgain, Unreachable, ValueError, KeyError, TypeError):
        return None  # boto3 tries again, and says what is wrong
