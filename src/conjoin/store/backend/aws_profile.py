"""The profile files that AWS's own tools read; everything else of their chain obstore knows itself."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

__all__ = ["profile_configuration"]

_IN_THE_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_FIELDS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}


def profile_configuration() -> dict[str, str]:
    """Return what ``AWS_PROFILE`` (else ``default``) says, as obstore's configuration.

    Keys where the environment names none, and the region where it names none: the order of AWS's chain.
    """
    profile = os.environ.get("AWS_PROFILE") or "default"
    found: dict[str, str] = {}
    config = _section("AWS_CONFIG_FILE", "~/.aws/config", profile, f"profile {profile}")
    if not any(map(os.environ.get, ("AWS_REGION", "AWS_DEFAULT_REGION"))) and "region" in config:
        found["region"] = config["region"]
    if any(map(os.environ.get, _IN_THE_ENVIRONMENT)):
        return found
    secrets = {**config, **_section("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile)}
    if "aws_access_key_id" in secrets and "aws_secret_access_key" in secrets:
        found |= {ours: secrets[theirs] for theirs, ours in _FIELDS.items() if theirs in secrets}
    return found


def _section(variable: str, default: str, *names: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(Path(os.environ.get(variable) or default).expanduser(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, RuntimeError):
        return {}  # it is not ours to complain about; a request without credentials is refused with advice
    return {key: value for name in names if parser.has_section(name) for key, value in parser.items(name)}
