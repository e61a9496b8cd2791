"""OpenSSH's ``ssh-keygen -Y``, which signs and verifies as it does for git: no key is ever in our hands.

The formats are OpenSSH's: PROTOCOL.sshsig for signatures, ``ALLOWED SIGNERS`` of ssh-keygen(1) for keys.
Needs OpenSSH 8.9 (2022) or later, which has ``verify-time``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from conjoin.errors import IntegrityError, UsageError

__all__ = ["PROGRAM", "sign", "signed_by", "signer"]

PROGRAM = "ssh-keygen"
_ARMOR = "-----BEGIN SSH SIGNATURE-----"
_PATIENCE = 60
"""Seconds for looking at a signature; signing may wait for somebody who touches a key."""
_LITERAL = ("key::", "ssh-", "ecdsa-", "sk-")
"""How a public key begins that stands in a setting itself, as git's ``user.signingKey`` may have it."""


def sign(data: bytes, key: str, namespace: str) -> str:
    """Return the signature over ``data``, in OpenSSH's armored form.

    :param key: path of a private key, or of a public one whose private half ssh-agent(1) has; or such a
        public key itself (``ssh-ed25519 AAAA...``).
    :param namespace: what the signature is for: one made for another purpose does not verify.
    :raises UsageError: where it cannot be signed: no ssh-keygen, no such key, a wrong passphrase.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise UsageError(f"there is no {PROGRAM} to sign with", advice="install OpenSSH's client")
    with tempfile.TemporaryDirectory(prefix="conjoin-sign-") as folder:
        path = _key_file(key, Path(folder))
        try:
            done = subprocess.run(
                [program, "-q", "-Y", "sign", "-f", path, "-n", namespace],
                input=data,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise UsageError(f"{PROGRAM} cannot be run ({error.strerror})", where=program) from None
    signature = done.stdout.decode("ascii", "replace")
    if done.returncode or not signature.startswith(_ARMOR):
        raise UsageError(
            f"it cannot be signed: {_last_line(done.stderr) or f'{PROGRAM} ended with {done.returncode}'}",
            where=key if not key.startswith(_LITERAL) else None,
            advice="give the path of an SSH key; one with a passphrase goes into ssh-agent (ssh-add) first",
        )
    return signature


def signer(key: str) -> Callable[[bytes, str], str]:
    """Return what signs with a key (see :func:`sign`): from bytes and a namespace to a signature."""
    return lambda data, namespace: sign(data, key, namespace)


def signed_by(
    data: bytes,
    signature: str,
    *,
    allowed_signers: Path,
    principals: Sequence[str],
    namespace: str,
    moment: datetime,
) -> str:
    """Return which principal signed ``data``: one of those wanted, by a key that was theirs at that moment.

    :param allowed_signers: OpenSSH's file: a line for each key, with its principals, namespaces, and
        ``valid-after`` and ``valid-before``, which are compared with ``moment``.
    :param principals: who may have signed; ``*`` and ``?`` as in OpenSSH's patterns.
    :raises IntegrityError: where nobody of them did, or nothing here can tell.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise IntegrityError(
            f"there is no {PROGRAM} here to verify it with", advice="install OpenSSH's client"
        )
    if not allowed_signers.is_file():
        raise IntegrityError(
            f"the file of those who may sign, {allowed_signers}, is not there",
            advice="write it (docs/security.md), or name another: conjoin config set allowed-signers FILE",
        )
    # A statement's time is UTC; a time without a zone is in that of the process, which every version reads.
    time = f"-Overify-time={moment.astimezone(timezone.utc):%Y%m%d%H%M%S}"
    with tempfile.TemporaryDirectory(prefix="conjoin-verify-") as folder:
        file = Path(folder, "signature")
        file.write_text(signature, "utf-8")
        common = ["-f", str(allowed_signers), "-s", str(file), time]
        found, said = _verify([program, "-Y", "find-principals", *common], b"")
        if not found:
            raise IntegrityError(f"it is signed by nobody who is in {allowed_signers} ({said})")
        theirs = [line for line in said.splitlines() if line]
        for principal in _wanted(theirs, principals):
            good, _ = _verify([program, "-Y", "verify", "-n", namespace, "-I", principal, *common], data)
            if good:
                return principal
    if _wanted(theirs, principals):
        raise IntegrityError(f"the signature of {', '.join(theirs)} does not belong to what it stands beside")
    raise IntegrityError(f"it is signed by {', '.join(theirs)}, not by {' or '.join(principals)}")


def _verify(command: Sequence[str], data: bytes) -> tuple[bool, str]:
    """Return whether ssh-keygen says yes, and what it says: where it says no, in a line."""
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IntegrityError(f"{PROGRAM} cannot be run to verify it ({error})") from None
    if done.returncode:
        return False, _last_line(done.stderr) or f"{PROGRAM} ended with {done.returncode}"
    return True, done.stdout.decode("utf-8", "replace")


def _wanted(found: Sequence[str], principals: Sequence[str]) -> list[str]:
    """Return the names to verify for: those wanted that are among those found, either being a pattern."""
    from fnmatch import fnmatchcase

    names = [each for each in principals if any(fnmatchcase(each, pattern) for pattern in found)]
    names += [each for each in found if any(fnmatchcase(each, pattern) for pattern in principals)]
    return [each for each in dict.fromkeys(names) if not set(each) & set("*?!")]


def _key_file(key: str, folder: Path) -> str:
    if not key.startswith(_LITERAL):
        path = Path(key).expanduser()
        if not path.exists():
            raise UsageError(
                "there is no such key", where=key, advice="give --signing-key, or set signing-key"
            )
        return str(path)
    path = folder / "key.pub"
    path.write_text(key.removeprefix("key::") + "\n", "utf-8")
    return str(path)


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
