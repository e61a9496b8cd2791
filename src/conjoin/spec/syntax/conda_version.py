"""conda version expressions in one canonical spelling: ``>=1.2,<2``, ``1.2.*``, ``==1.2|==1.4``.

The canonical text is what py-rattler's strict parser accepts, and means to it what the original text means
to a conda user (CEP 29). Equal meanings get equal texts where that is cheap: trailing zeros of a release
count only where a prefix is compared (``1.2.0.*`` is narrower than ``1.2.*``, ``==1.2.0`` is ``==1.2``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from conjoin.errors import UsageError

__all__ = ["VersionAndBuild", "conda_version", "conda_version_and_build", "conjunction"]

# Two operands of the same rank are sorted by text; the ranks put a lower bound before an upper one.
_RANK = {"": 0, "==": 1, "~=": 2, ">=": 3, ">": 4, "<": 5, "<=": 6, "!=": 7}

_TOKEN = re.compile(
    r"\s*(?:(?P<operator>===|==|>=|<=|!=|~=|=|>|<)|(?P<punctuation>[,|()])"
    # `!` belongs to a word where it ends an epoch (`1!2.0`), else it begins an operator.
    r"|(?P<word>(?:\d+!(?!=))?[^\s,|()=<>!~]+))"
)
# CEP 33, "version literals"; a lone trailing underscore is openssl's (`1.0.1_`).
_VERSION = re.compile(r"(?:\d+!)?[a-z0-9]+(?:[._-][a-z0-9]+)*_?(?:\+[a-z0-9]+(?:[._-][a-z0-9]+)*)?")
_RELEASE = re.compile(r"(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)")
# rattler keeps a number in 64 bits, and no version has more than the 14 digits of a date and time.
_HUGE = re.compile(r"[1-9][0-9]{19}")
_BUILD = re.compile(r"[A-Za-z0-9_.+*-]+")

_EXPECTED = "expected a conda version such as 1.2.*, ==1.2.3, >=1.2,<2 or 1.2.*|1.4.*"
_MAX_DEPTH = 50
"""Levels of parentheses; a thousand of them would otherwise end in a RecursionError."""


class VersionAndBuild(NamedTuple):
    """The part of a conda requirement behind the name: both canonical, empty for any."""

    version: str
    build: str


def conda_version(text: str) -> str:
    """Return a conda version expression in canonical form, empty for any version.

    >>> conda_version("<2, >=1.2.0")
    '>=1.2,<2'
    >>> conda_version("=1.20 | 1.4")
    '1.20.*|==1.4'

    :raises UsageError: where it is none.
    """
    parsed = conda_version_and_build(text)
    if parsed.build:
        raise UsageError(f"{text!r} is not a conda version expression", advice=_EXPECTED)
    return parsed.version


def conda_version_and_build(text: str) -> VersionAndBuild:
    """Return version and build out of what follows the name: ``=1.26=py311*``, ``1.26.4 py311_0``, ``>=1``.

    A version without operator is exact, as conda has it (``1.26`` is ``==1.26``), and so is ``=1.26`` before
    an ``=build``; else ``=1.26`` is ``1.26.*``.

    :raises UsageError: where it is none.
    """
    return _Parser(text).version_and_build()


def conjunction(expressions: Iterable[str]) -> str:
    """Return the expression that allows what all canonical ``expressions`` allow, canonical again."""
    return _joined(_All(tuple(_Parser(e).parse() for e in sorted(set(expressions)) if e)))


# What an expression is made of. An _Any without operands would allow nothing, an _All without allows all.


class _Bound(NamedTuple):
    operator: str  # empty for a prefix such as 1.2.*
    version: str


class _All(NamedTuple):
    operands: tuple[_Bound | _All | _Any, ...]


class _Any(NamedTuple):
    operands: tuple[_Bound | _All | _Any, ...]


_Expression = _Bound | _All | _Any
_EVERYTHING = _All(())


class _Parser:
    """Recursive descent: ``|`` binds weaker than ``,``, parentheses group."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._tokenize(text)
        self._at = 0
        self._depth = 0

    def version_and_build(self) -> VersionAndBuild:
        if not self._tokens:
            return VersionAndBuild("", "")
        if (
            len(self._tokens) == 4
            and self._tokens[0] == self._tokens[2] == "="
            and "*" not in self._tokens[1]
        ):
            self._tokens[0] = "=="  # `=1.26=py311*`: a fuzzy version is exact once a build follows
        expression = self._alternatives()
        build = ""
        if self._take("=") or self._at < len(self._tokens):
            build = self._build(self._word("a build"))
        if self._at < len(self._tokens):
            raise self._error()
        return VersionAndBuild(_joined(expression), build)

    def parse(self) -> _Expression:
        expression = self._alternatives()
        if self._at < len(self._tokens):
            raise self._error()
        return expression

    def _alternatives(self) -> _Expression:
        operands = [self._together()]
        while self._take("|"):
            operands.append(self._together())
        return operands[0] if len(operands) == 1 else _Any(tuple(operands))

    def _together(self) -> _Expression:
        operands = [self._operand()]
        while self._take(","):
            operands.append(self._operand())
        return operands[0] if len(operands) == 1 else _All(tuple(operands))

    def _operand(self) -> _Expression:
        if self._take("("):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise self._error("more parentheses than anybody means")
            inside = self._alternatives()
            self._depth -= 1
            if not self._take(")"):
                raise self._error("')' is missing")
            return inside
        operator = ""
        if self._at < len(self._tokens) and self._tokens[self._at] in _OPERATORS:
            operator = self._tokens[self._at]
            self._at += 1
        return self._bound(operator, self._word("a version").lower())

    def _bound(self, operator: str, version: str) -> _Expression:
        if operator == "===":
            raise self._error("conda has no operator ===", "write == instead")
        if version == "*" and operator in ("", "=", "==", ">="):
            return _EVERYTHING
        prefix = version.endswith("*")
        # conda reads `1.2*` as `1.2.*`: 1.20 does not match.
        release = version.removesuffix("*").removesuffix(".") if prefix else version
        if "*" in release or not release:
            raise self._error("a '*' is understood only at the end of a version")
        if not _VERSION.fullmatch(release) or ("-" in release and "_" in release):
            raise self._error(f"{version!r} is not a conda version")
        if _HUGE.search(release):
            raise self._error(f"{version!r} has a number of more than 19 digits")
        if not operator and not any(map(str.isdigit, release)):
            # Versions such as `main` exist, but `numpy pandas` is two packages on one line.
            raise self._error(f"{version!r} has no number", f"write =={version} if that is the version")
        if not prefix:
            if operator == "=":
                return _Bound("", f"{_unpadded(release)}.*")
            if operator == "~=":
                return _Bound("~=", _unpadded(release))
            return _Bound(operator or "==", _stripped(release))
        if operator in ("", "=", "=="):
            return _Bound("", f"{_unpadded(release)}.*")
        if operator == "!=":
            return _Bound("!=", f"{_unpadded(release)}.*")
        if operator in (">=", "<"):
            return _Bound(operator, _stripped(release))  # conda ignores the star there
        # conda, mamba and PEP 440 each read `>1.2.*` differently.
        raise self._error(f"{operator}{version} has no one meaning", f"write {operator}{release}")

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _word(self, expected: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at] in _OPERATORS | _PUNCTUATION:
            raise self._error(f"{expected} is missing")
        self._at += 1
        return self._tokens[self._at - 1]

    def _build(self, text: str) -> str:
        if not _BUILD.fullmatch(text):
            raise self._error(
                f"{text!r} is not a build", "expected letters, digits, '_' and '*', as in py311*"
            )
        return "" if set(text) == {"*"} else text

    def _tokenize(self, text: str) -> list[str]:
        tokens, at = [], 0
        end = len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error()
            tokens.append(match.group().strip())
            at = match.end()
        return tokens

    def _error(self, what: str = "", advice: str = _EXPECTED) -> UsageError:
        said = f"{self._text.strip()!r} is not a conda version expression"
        return UsageError(f"{said}: {what}" if what else said, advice=advice)


_OPERATORS = frozenset({"===", "==", ">=", "<=", "!=", "~=", "=", ">", "<"})
_PUNCTUATION = frozenset({",", "|", "(", ")"})


def _unpadded(version: str) -> str:
    """Drop what never counts: leading zeros of numbers (``2024.01``) and the epoch ``0!``."""
    match = _RELEASE.fullmatch(version)
    if not match:
        return version
    release = ".".join(str(int(number)) for number in match["release"].split("."))
    epoch = int(match["epoch"] or 0)
    return f"{epoch}!{release}" if epoch else release


def _stripped(version: str) -> str:
    """Drop trailing zeros too; only of plain releases, whose equality is beyond doubt."""
    if not _RELEASE.fullmatch(version):
        return version
    epoch, mark, release = _unpadded(version).rpartition("!")
    numbers = release.split(".")
    while len(numbers) > 1 and numbers[-1] == "0":
        numbers.pop()
    return epoch + mark + ".".join(numbers)


def _simplified(expression: _Expression) -> _Expression:
    """Flatten, drop what says nothing, drop repetitions, sort."""
    if isinstance(expression, _Bound):
        return expression
    kind = type(expression)
    flat: dict[str, _Expression] = {}
    for operand in map(_simplified, expression.operands):
        if isinstance(operand, _All) and not operand.operands:
            if kind is _Any:
                return _EVERYTHING
            continue
        for part in operand.operands if isinstance(operand, kind) else (operand,):
            flat[_text(part)] = part
    operands = tuple(sorted(flat.values(), key=_sort_key))
    return operands[0] if len(operands) == 1 else kind(operands)


def _sort_key(expression: _Expression) -> tuple[int, str]:
    if isinstance(expression, _Bound):
        return _RANK[expression.operator], expression.version
    return len(_RANK), _text(expression)


def _text(expression: _Expression) -> str:
    if isinstance(expression, _Bound):
        return expression.operator + expression.version
    if isinstance(expression, _Any):
        return "|".join(map(_text, expression.operands))
    return ",".join(f"({_text(o)})" if isinstance(o, _Any) else _text(o) for o in expression.operands)


def _joined(expression: _Expression) -> str:
    return _text(_simplified(expression))
