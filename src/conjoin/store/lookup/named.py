"""What a name means, as far as it is to be believed: by who signed it, and by what is remembered of it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from conjoin.errors import Conflict, IntegrityError, NotFound
from conjoin.store.layout import alias_key
from conjoin.store.records.memory import met_as
from conjoin.trust.policy import Rule, rule_for

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.store.aliases import Alias
    from conjoin.store.records.signatures import Head
    from conjoin.store.store import Store
    from conjoin.trust.memory import Remembered

__all__ = ["find_named"]

_TRIES = 3
_PAUSE = 0.2
"""Seconds between two looks: a name that is moved just now, and what is signed about it, are two objects."""


def find_named(alias: Alias, store: Store) -> Lock | None:
    """Return the lock that a name means, None where there is no such name.

    Only of that object the lock is read: a policy that is not met, or a memory that speaks against it, keep
    everything else from being fetched. What it means is remembered.

    :raises Conflict: where it contradicts what this user remembers of it; both targets are named.
    :raises IntegrityError: where it is not signed as the policy for its name demands; where it is damaged.
    :raises NotFound: where the user met it before, and it is gone; where its lock is.
    """
    rule = rule_for(alias.name)
    try:
        return _find(alias, store, rule)
    except (Conflict, IntegrityError):
        pass
    for _ in range(_TRIES - 1):
        time.sleep(_PAUSE)
        with suppress(Conflict, IntegrityError), store.memory.held(alias):
            return _find(alias, store, rule)
    with store.memory.held(alias):
        return _find(alias, store, rule)


def _find(alias: Alias, store: Store, rule: Rule | None) -> Lock | None:
    strict = rule is not None and not store.accept_rollback
    remembered = store.memory.get(alias, strict=strict)
    history = store.aliases.find_history(alias)
    if history is None:
        if remembered is not None and not store.accept_rollback:
            # Else an environment whose id begins like it could take its place.
            raise NotFound(
                f"no alias {alias} any more; it was {remembered.target} (met {remembered.seen})",
                where=store.place,
                advice="give those ids, if that is what you want",
            )
        return None
    target = history.moves[0].target
    head = _signed(alias, store, rule, remembered) if rule is not None else None
    if head is not None and (stated := head.signed.statement).target != target.ids:
        raise IntegrityError(
            f"{alias} means {':'.join(target.ids)}, and what is signed is {':'.join(stated.target)}",
            where=store.backend.where(alias_key(*alias)),
            advice="somebody moved it without signing: ask who may sign, or take the signed ids",
        )
    if head is not None and (stated := head.signed.statement).lock_digest != target.lock_digest:
        raise IntegrityError(
            f"{alias} means the lock with the digest {target.lock_digest}, and what is signed is "
            f"{stated.lock_digest}",
            where=store.backend.where(alias_key(*alias)),
            advice="somebody exchanged it: ask who runs the store",
        )
    lock = store.lock(*target)  # which has that digest
    serial, signed = (head.signed.statement.serial, head.digest) if head is not None else (0, "")
    store.memory.believe(
        alias,
        met_as(alias, history, serial, signed),
        where=store.backend.where(alias_key(*alias)),
        advice=f"if that is right: conjoin show {alias} --store {store.place} --accept-rollback",
        accept_rollback=store.accept_rollback,
        strict=strict,
    )
    return lock


def _signed(alias: Alias, store: Store, rule: Rule, remembered: Remembered | None) -> Head:
    """Return the last statement about a name, which is signed as the rule demands."""
    known = (0, "")
    if remembered is not None and not store.accept_rollback:
        known = remembered.serial, remembered.signed
    demanded = f"{alias} must be signed by {' or '.join(rule.principals)} ({rule.where})"
    head = store.signatures.head(alias, known=known)
    if head is None:
        raise IntegrityError(
            f"{demanded}, and is not signed",
            where=store.place,
            advice=f"who may, signs it by: conjoin alias ENV {alias} --sign --store {store.place}",
        )
    statement = head.signed.statement
    if (statement.name, statement.tag) != tuple(alias) or not head.where.endswith(
        f"/{statement.serial}.json"
    ):
        raise IntegrityError(
            f"{demanded}; what is there was signed for {statement.name}:{statement.tag}, as the "
            f"{statement.serial}. statement",
            where=head.where,
            advice="somebody copied it here: ask who runs the store",
        )
    from conjoin.trust.ssh_keygen import signed_by
    from conjoin.trust.statement import NAMESPACE, canonical

    try:
        signed_by(
            canonical(statement),
            head.signed.signature,
            allowed_signers=rule.allowed_signers,
            principals=rule.principals,
            namespace=NAMESPACE,
            moment=statement.moment,
        )
    except IntegrityError as error:
        raise IntegrityError(f"{demanded}; {error.what}", where=head.where, advice=error.advice) from None
    return head
