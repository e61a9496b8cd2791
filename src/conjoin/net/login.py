"""A login: how one shows a server who one is."""

from __future__ import annotations

import base64
import hashlib
from typing import Literal

import msgspec

from conjoin.spec.credentials import CONDA_TOKEN_USER
from conjoin.spec.requirements import Credential

__all__ = ["Login"]

Kind = Literal["basic", "bearer", "conda-token"]


_MARK = 4
"""Bytes: two logins share one mark in four billion cases."""


class Login(msgspec.Struct, frozen=True):
    """A user name and a password, or a token.

    :ivar kind: ``basic`` (RFC 7617), ``bearer`` (RFC 6750), or ``conda-token``: ``/t/<token>`` in the path,
        as anaconda's servers have it.
    :ivar username: of ``basic`` alone.
    :ivar secret: the password or token.
    """

    kind: Kind
    username: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        return f"Login(kind={self.kind!r}, username={self.username!r})"  # nobody reads the secret

    @classmethod
    def of(cls, credential: Credential) -> Login:
        """Return what somebody wrote into a URL."""
        if credential.username == CONDA_TOKEN_USER:
            return cls("conda-token", secret=credential.password)
        return cls("basic", credential.username, credential.password)

    @property
    def header(self) -> str | None:
        """The value of the ``Authorization`` header, None where it belongs into the path."""
        if self.kind == "basic":
            login = f"{self.username}:{self.secret}".encode()
            return "Basic " + base64.b64encode(login).decode("ascii")
        return f"Bearer {self.secret}" if self.kind == "bearer" else None

    def mark(self, origin: str) -> str:
        """Return what tells two logins of a server apart and tells nothing of either; some milliseconds.

        It is dear to compute and short: whoever reads it and guesses passwords finds thousands that fit.
        """
        login = f"{self.kind}\n{self.username}\n{self.secret}".encode()
        return hashlib.scrypt(login, salt=origin.encode(), n=2**12, r=8, p=1, dklen=_MARK).hex()
