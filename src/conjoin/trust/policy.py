"""Who must have signed which names: the settings ``trust`` and ``allowed-signers`` (docs/security.md)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from conjoin.config.load import load_settings
from conjoin.config.settings import Said, Settings
from conjoin.errors import UsageError

__all__ = ["Rule", "rule_for", "rule_for_some", "signing_key"]

EVERY = "*"
"""The prefix of all names."""

_PREFIX = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


class Rule(NamedTuple):
    """Who must have signed what begins so.

    :ivar prefix: whole parts of names, as ``team`` of ``team/torch``; or :data:`EVERY`.
    :ivar principals: one of them must have signed.
    :ivar allowed_signers: OpenSSH's file that says which keys are whose.
    :ivar where: where the rule was said, for messages.
    """

    prefix: str
    principals: tuple[str, ...]
    allowed_signers: Path
    where: str


def rule_for(name: str, settings: Settings | None = None) -> Rule | None:
    """Return the rule for a name (without its tag), that of the longest prefix; None where there is none.

    :param settings: default: what is configured.
    :raises UsageError: where a prefix is none, or nobody is named.
    """
    rules = _rules(settings or load_settings())
    covering = [one for one in rules if one.prefix in (EVERY, name) or name.startswith(f"{one.prefix}/")]
    return max(covering, key=lambda one: _length(one.prefix), default=None)


def rule_for_some(start: str, settings: Settings | None = None) -> Rule | None:
    """Return a rule for any of the names that begin with ``start``, None where nobody must have signed one.

    :raises UsageError: where a prefix is none, or nobody is named.
    """
    rules = _rules(settings or load_settings())
    covering = (
        one
        for one in rules
        if one.prefix == EVERY or one.prefix.startswith(start) or start.startswith(f"{one.prefix}/")
    )
    return next(covering, None)


def _rules(settings: Settings) -> list[Rule]:
    return [
        Rule(_prefix(written, said), _principals(principals, said), _allowed_signers(settings), said.where)
        for said in settings.said("trust")
        if isinstance(said.value, dict)
        for written, principals in said.value.items()
    ]


def signing_key(settings: Settings | None = None) -> str:
    """Return the setting ``signing-key``: a path, or a public key itself.

    :raises UsageError: where nobody says one.
    """
    for said in (settings or load_settings()).said("signing-key"):
        text = str(said.value)
        if text.startswith(("key::", "ssh-", "ecdsa-", "sk-")):
            return text
        return str(_path(said))
    raise UsageError(
        "no key to sign with is named",
        advice="give --signing-key FILE, or: conjoin config set signing-key ~/.ssh/id_ed25519.pub",
    )


def _prefix(written: str, said: Said) -> str:
    if written == EVERY:
        return EVERY
    prefix = written.removesuffix("*").removesuffix("/")
    if not _PREFIX.fullmatch(prefix) or (written.endswith("*") and not written.endswith("/*")):
        raise UsageError(
            f"trust: {written!r} is no beginning of names",
            where=said.where,
            advice='expected whole parts, as "team" or "team/torch", or "*" for all names',
        )
    return prefix


def _principals(texts: tuple[str, ...], said: Said) -> tuple[str, ...]:
    named = tuple(text.strip() for text in texts if text.strip())
    if not named or any(set(text) & set(", \t\n") or text.startswith("-") for text in named):
        raise UsageError(
            "trust: principals are words without blanks and commas",
            where=said.where,
            advice="as the allowed signers' file calls them, e.g. release@example.org",
        )
    return named


def _allowed_signers(settings: Settings) -> Path:
    for said in settings.said("allowed-signers"):
        return _path(said)
    import platformdirs

    return platformdirs.user_config_path("conjoin", appauthor=False) / "allowed_signers"


def _path(said: Said) -> Path:
    return ((said.folder or Path()) / Path(str(said.value)).expanduser()).absolute()


def _length(prefix: str) -> int:
    return 0 if prefix == EVERY else len(prefix)
