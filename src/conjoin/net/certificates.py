"""Which certificates the programs that we start should trust."""

from __future__ import annotations

import os

__all__ = ["certificates"]

# As pip, curl and requests call the file that holds the trusted certificates.
_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def certificates() -> str | None:
    """Return the file with the trusted certificates that the user's environment names, if any."""
    return next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), None)
