"""What goes wrong with an object store, in words of ours: obstore's name addresses, and may name more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from conjoin.errors import Unreachable

__all__ = ["cloud_errors"]

_STATUS = re.compile(r"non-2xx status code: (\d{3}[ A-Za-z-]*)")
_REFUSED = re.compile(r"non-2xx status code: 40[13]")


@contextmanager
def cloud_errors(where: str) -> Iterator[None]:
    """Raise what obstore raises as an error of ours.

    That an object is absent (``FileNotFoundError``) is for the caller to catch inside.

    :param where: address of the object or the store.
    :raises Unreachable: for everything.
    """
    from obstore.exceptions import (
        BaseError,
        NotSupportedError,
        PermissionDeniedError,
        UnauthenticatedError,
    )

    refused = Unreachable(
        "the store refuses these credentials",
        where=where,
        advice="check the cloud's usual variables and profiles, and what they may do there",
    )
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError):
        raise refused from None
    except (NotSupportedError, NotImplementedError):
        raise Unreachable(
            "the store cannot do this", where=where, advice="it needs conditional writes (put-if-absent)"
        ) from None
    except (BaseError, OSError, ValueError) as error:
        if _REFUSED.search(str(error)):  # a writer tells only in words
            raise refused from None
        raise Unreachable(
            f"the store cannot be used ({_reason(str(error))})",
            where=where,
            advice="check its address, region, credentials and the network, and try again",
        ) from None


def _reason(text: str) -> str:
    if match := _STATUS.search(text):
        status = match[1].strip()
        # An object that is absent is no error: what is absent here is what should hold it.
        return "there is no such bucket or container" if status.startswith("404") else f"it answers {status}"
    for words, reason in (
        ("Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME is not set"),
        ("incorrectly configured region", "it is in another region"),
        ("Missing region", "no region is configured"),
        ("operation timed out", "it does not answer in time"),
        ("TimedOut", "it does not answer in time"),
        ("dns error", "there is no such host"),
        ("onnection refused", "the connection is refused"),
        ("error sending request", "the connection fails"),
        ("URL scheme is not allowed", "plain http is not allowed"),
        ("redentials", "no usable credentials"),
    ):
        if words in text:
            return reason
    return "the connection fails or the configuration is not usable"
