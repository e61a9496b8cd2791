"""The signed statements of a store: written once, by serial; and the chain that those about a name make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from conjoin.errors import Conflict, IntegrityError
from conjoin.store.aliases import Alias
from conjoin.store.backend.protocol import Backend
from conjoin.store.layout import parse_signature_key, signature_key, signatures_prefix
from conjoin.trust.statement import (
    NAMESPACE,
    SCHEMA,
    Signed,
    Statement,
    canonical,
    decode,
    encode,
    object_digest,
)

__all__ = ["Head", "Prepared", "Signatures", "Signer"]

_AT_ONCE = 16

Signer = Callable[[bytes, str], str]
"""From bytes and a namespace to a signature, as :func:`conjoin.trust.ssh_keygen.sign` with a key."""


class Head(NamedTuple):
    """The last statement about a name.

    :ivar digest: of the object, as it is kept.
    :ivar where: its address.
    """

    signed: Signed
    digest: str
    where: str


class Prepared(NamedTuple):
    """A statement that is signed and not kept yet."""

    serial: int
    data: bytes


class Signatures:
    """The signed statements of a store about its names. Who may sign is not known here."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def serials(self, alias: Alias) -> list[int]:
        """Return the serials of the statements about a name, sorted; one request."""
        keys = self._backend.keys(signatures_prefix(*alias))
        return sorted(serial for key in keys if (serial := parse_signature_key(*alias, key)) is not None)

    def head(self, alias: Alias, *, known: tuple[int, str] = (0, "")) -> Head | None:
        """Return the last statement about a name, None where there is none.

        Its chain is followed down to the one that is known already, or to the first that is there: nothing is
        missing in it, and each says the digest of the one before.

        :param known: serial and digest of a statement that this user met before.
        :raises IntegrityError: where one is missing, is none, or is not what the next one says it was.
        """
        from concurrent.futures import ThreadPoolExecutor

        serials = self.serials(alias)
        if not serials:
            return None
        last = serials[-1]
        first = min(max(serials[0], known[0]), last)
        gap = next((each for each in range(first, last) if each not in set(serials)), None)
        if gap is None and known[0] and known[0] < serials[0]:
            gap = known[0]
        if gap is not None:
            raise IntegrityError(
                f"the {gap}. signed statement about {alias} is missing",
                where=self._backend.where(signature_key(*alias, gap)),
                advice="somebody deleted it: ask who runs the store",
            )
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            chain = list(pool.map(lambda each: self._read(alias, each), range(first, last + 1)))
        digests = [object_digest(data) for data in chain]
        where = [self._backend.where(signature_key(*alias, first + at)) for at in range(len(chain))]
        if known[0] == first and known[1] and digests[0] != known[1]:
            raise Conflict(
                f"the {first}. signed statement about {alias} is another than this user met",
                where=where[0],
                advice="ask who may sign; if that is right, give --accept-rollback",
            )
        signed = decode(chain[-1], where[-1])
        statement = signed.statement
        for at in range(len(chain) - 1, 0, -1):
            if statement.previous != digests[at - 1]:
                raise IntegrityError(
                    f"the {first + at}. signed statement about {alias} does not follow the one before",
                    where=where[at],
                    advice="one of them was exchanged: ask who may sign, and who runs the store",
                )
            try:
                statement = decode(chain[at - 1], where[at - 1]).statement
            except IntegrityError:
                break  # somebody put nonsense there, and whoever signed next knew it
        return Head(signed, digests[-1], where[-1])

    def _read(self, alias: Alias, serial: int) -> bytes:
        found = self._backend.get(signature_key(*alias, serial))
        if found is None:
            raise IntegrityError(
                f"the {serial}. signed statement about {alias} is missing",
                where=self._backend.where(signature_key(*alias, serial)),
            )
        return found.data

    def prepare(
        self,
        alias: Alias,
        target: tuple[str, str],
        lock_digest: str,
        signer: Signer,
        *,
        least: int = 0,
    ) -> Prepared:
        """Sign that a name means a lock, as the next statement about it; nothing is written.

        :param least: the serial of the last statement that this user knows of.
        :raises Conflict: where the store has not even that one: an old state was put back.
        :raises UsageError: where it cannot be signed.
        """
        serials = self.serials(alias)
        last = serials[-1] if serials else 0
        if last < least:
            raise Conflict(
                f"the last signed statement about {alias} is the {last}., and it was the {least}.: an old "
                "state was put back",
                where=self._backend.where(signatures_prefix(*alias)),
                advice="ask who runs the store; if that is right, give --accept-rollback",
            )
        statement = Statement(
            schema=SCHEMA,
            name=alias.name,
            tag=alias.tag,
            req_id=target[0],
            full_id=target[1],
            lock_digest=lock_digest,
            extras={},
            serial=last + 1,
            # Whatever that object is: even where it is no statement, signing again mends the name.
            previous=object_digest(self._read(alias, last)) if last else "",
            time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        signature = signer(canonical(statement), NAMESPACE)
        return Prepared(statement.serial, encode(Signed(statement=statement, signature=signature)))

    def keep(self, alias: Alias, prepared: Prepared) -> bool:
        """Keep a statement, and return whether nobody was faster with one of the same serial."""
        return self._backend.put_if_absent(signature_key(*alias, prepared.serial), prepared.data)

    def copy_to(self, other: Signatures, alias: Alias) -> None:
        """Bring all statements about a name to another store; those that it has stay."""
        there = set(other.serials(alias))
        missing: Sequence[int] = [each for each in self.serials(alias) if each not in there]
        for serial in missing:
            other.keep(alias, Prepared(serial, self._read(alias, serial)))
