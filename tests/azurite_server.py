"""Azure's Blob API on loopback: Azurite, Microsoft's emulator, as npm offers it."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import re
import shutil
import subprocess
import sys
from pathlib import Path

from object_stores import ObjectServer

__all__ = ["Azurite", "azurite_missing"]

ACCOUNT = "devstoreaccount1"
# Azurite's own well-known key, the same everywhere (its documentation, "Default Storage Account").
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_MAIN = Path(sys.prefix, "azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
_LISTENS = re.compile(r"successfully listens on http://127\.0\.0\.1:(\d+)")
_SERVICE_VERSION = "2021-08-06"


def azurite_missing() -> str | None:
    """Return why Azurite cannot run, None where it can."""
    if shutil.which("node") is None:
        return "no node on PATH to run Azurite"
    return None if _MAIN.exists() else "Azurite is not installed: `make azurite` does it where there is npm"


class Azurite(ObjectServer):
    """Azure's API. Paths begin with the account."""

    scheme = "az"
    part = "comp=block&"
    secrets = (KEY, "SharedKey")

    def start_behind(self) -> tuple[str, int]:
        arguments = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent"]
        self._process = subprocess.Popen(
            # obstore may be newer than the service versions that this Azurite has heard of.
            ["node", str(_MAIN), *arguments, "--skipApiVersionCheck", "--disableTelemetry"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if found := _LISTENS.search(line):
                return "127.0.0.1", int(found[1])
        raise AssertionError(f"Azurite did not start: {''.join(said)}")

    def stop_behind(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def make_bucket(self, name: str) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = {
            "x-ms-date": now.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-ms-version": _SERVICE_VERSION,
        }
        path = f"/{ACCOUNT}/{name}"
        # "Authorize with Shared Key": the verb, eleven empty headers, x-ms-..., the resource.
        signed = f"PUT{12 * chr(10)}{''.join(f'{key}:{value}{chr(10)}' for key, value in headers.items())}"
        signed += f"/{ACCOUNT}{path}\nrestype:container"
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        answer = self.ask("PUT", f"{path}?restype=container", headers | {"Content-Length": "0"}, b"")
        assert answer.status == 201, answer

    def environment(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": f"{self.url}/{ACCOUNT}",
        }
