"""Google Cloud Storage: its XML API, with the token that google-auth gives."""

from __future__ import annotations

import os
import time
from urllib.parse import quote

from conjoin.bootstrap.stores.source import Body, TokenSource, body_of
from conjoin.errors import Unreachable

__all__ = ["GoogleSource"]

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


class GoogleSource(TokenSource):
    """A prefix of a bucket.

    :param endpoint: the server's URL; default: the emulator of ``STORAGE_EMULATOR_HOST``, else Google's.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        emulator = os.environ.get("STORAGE_EMULATOR_HOST") or ""
        if emulator and "://" not in emulator:
            emulator = "http://" + emulator
        server = endpoint or emulator or "https://storage.googleapis.com"
        tail = "{}{}".format(bucket, "/" + prefix if prefix else "")
        super().__init__("{}/{}".format(server.rstrip("/"), tail))
        self.place = "gs://" + tail
        self._anonymous = bool(emulator) and not endpoint

    def open(self, key: str, start: int = 0) -> Body | None:
        """Return an object's bytes."""
        headers = {"Accept-Encoding": "identity"}
        if not self._anonymous:
            headers["Authorization"] = self.bearer()
        if start:
            headers["Range"] = f"bytes={start}-"
        answer = self._connections.get(self._base + "/" + quote(key), headers)
        return body_of(answer, start, self.where(key), {"<Code>NoSuchBucket<": "there is no such bucket"})

    def fresh_token(self) -> tuple[str, float]:
        """Return a new token of google-auth's."""
        try:
            import google.auth  # type: ignore[import-not-found, import-untyped, unused-ignore]
            import google.auth.transport.requests  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise Unreachable(
                "Google's credentials need google-auth",
                where=self.place,
                advice="install google-cloud-storage",
            ) from None
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
            credentials.refresh(google.auth.transport.requests.Request())
        except Exception as error:  # one class per way
            raise Unreachable(
                "Google gives no credentials ({})".format(" ".join(str(error).split())), where=self.place
            ) from None
        expiry = credentials.expiry
        import datetime

        until = expiry.replace(tzinfo=datetime.timezone.utc).timestamp() if expiry else time.time() + 600
        return credentials.token, until
