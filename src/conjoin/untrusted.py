"""Parsers below us, for text that others wrote: whatever they raise is said in one line.

Each parser has errors of its own, and some that it does not announce: ``urlsplit`` of a bracket, Python of a
number of 5,000 digits, any of them of what is nested deep enough, and libraries in Rust may *panic*, which is
no ``Exception``. Here they become one kind each, so that a reader has one thing to catch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

from conjoin.errors import ConjoinError, UsageError

__all__ = [
    "MOST_NESTED",
    "PARSER_FAILURES",
    "Panic",
    "archive_failures",
    "decode_json",
    "joined_url",
    "panics",
    "path_of",
    "read_as",
    "reason_of",
    "refuse_deep",
    "shortened",
    "split_url",
    "without_fragment",
]

MOST_NESTED = 64
"""Lists and tables in each other: no document of this field has more than a dozen, and Python has a limit of
its own that depends on who calls."""

PARSER_FAILURES: tuple[type[Exception], ...] = (
    ValueError,  # UnicodeError, JSONDecodeError, msgspec's, too many digits, dates that do not exist
    ArithmeticError,  # numbers no machine type holds
    LookupError,  # what was not there, unknown encodings
    RuntimeError,  # RecursionError; no home folder; an encrypted zip; NotImplementedError of its method
    EOFError,
    MemoryError,  # a length that the text claims
)
"""What a parser raises for text that is not what it should be."""

_LONGEST_REASON = 200

_T = TypeVar("_T")


class Panic(ValueError):
    """A library in Rust gave up on what it was given (pyo3's ``PanicException`` is no ``Exception``)."""


@contextmanager
def panics() -> Iterator[None]:
    """Turn a panic of a library in Rust into :class:`Panic`, so that ``except Exception`` sees it."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # each library has its own, which cannot be imported
            raise
        raise Panic(reason_of(error)) from None


@contextmanager
def read_as(error: type[ConjoinError], what: str, *, where: str | None = None) -> Iterator[None]:
    """Turn whatever a parser raises inside into ``error``: for the edge of a reader of one document.

    :param what: what cannot be read, the beginning of a sentence; the reason is put behind it in parentheses.
    :param where: file or URL.
    :raises ConjoinError: as it is, where the reader raised it itself.
    """
    try:
        with panics():
            yield
    except ConjoinError:
        raise
    except PARSER_FAILURES as failure:
        raise error(f"{what} ({reason_of(failure)})", where=where) from None


def reason_of(error: BaseException) -> str:
    """Return the reason that a parser gives, as one line that is not too long."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, ValueError) and "int_max_str_digits" in str(error):
        return "a number has too many digits"
    if isinstance(error, KeyError) and error.args:
        line = f"{error.args[0]} is missing" if isinstance(error.args[0], str) else str(error)
    else:
        line = " ".join(str(error).split())
    return shortened(line or type(error).__name__)


def split_url(url: str, *, shown: str = "") -> SplitResult:
    """Return the parts of a URL (RFC 3986), its host and port known to be readable.

    :param shown: how a message may repeat it, without passwords; empty where it may not.
    :raises UsageError: where it is none.
    """
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(
            f"{repr(shortened(shown)) if shown else 'this'} is not a URL ({reason_of(error)})",
            advice="expected scheme://host:port/path",
        ) from None
    return parts


def without_fragment(url: str) -> tuple[str, str]:
    """Return a URL without its fragment, and the fragment.

    :raises UsageError: where it is none.
    """
    split_url(url)
    bare, fragment = urldefrag(url)
    return bare, fragment


def joined_url(base: str, reference: str) -> str:
    """Return what a reference means on the page ``base`` (RFC 3986, section 5).

    :raises UsageError: where that is no URL.
    """
    try:
        joined = urljoin(base, reference)
    except ValueError as error:
        raise UsageError(f"this is not a URL ({reason_of(error)})") from None
    split_url(joined)
    return joined


@overload
def decode_json(data: bytes | str) -> Any: ...
@overload
def decode_json(data: bytes | str, type: type[_T]) -> _T: ...
def decode_json(data: bytes | str, type: Any = Any) -> Any:
    """Return what a JSON document says, as ``type``.

    Lists and tables of no known type may be :data:`MOST_NESTED` deep: so that whoever walks through them, or
    writes them again, needs no limit of its own.

    :raises msgspec.DecodeError: whatever is wrong with it: syntax, encoding, types, nesting, numbers.
    """
    import msgspec

    try:
        decoded = msgspec.json.decode(data, type=type)
    except msgspec.DecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(reason_of(error)) from None
    refuse_deep(decoded)
    return decoded


def refuse_deep(document: Any) -> None:
    """Look how deep lists and tables are nested.

    :raises msgspec.DecodeError: where that is deeper than :data:`MOST_NESTED`.
    """
    import msgspec

    level: list[Any] = [document]
    for _ in range(MOST_NESTED):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise msgspec.DecodeError("it is nested too deep")


def shortened(text: str) -> str:
    """Return a text as a message can repeat it: its beginning, where it is long."""
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def path_of(text: str, *, home: bool = True, variable: str | None = None) -> Path:
    """Return the path that ``text`` spells, ``~`` being a home folder; nothing is looked at.

    :param home: whether ``~`` means one.
    :param variable: what said it, if that is an environment variable.
    :raises UsageError: where it can be none: a null character, the home of a user who is none.
    """
    reason = "it holds a null character"
    if "\0" not in text:
        try:
            os.fsencode(text)
            return Path(text).expanduser() if home else Path(text)
        except (RuntimeError, ValueError) as error:
            reason = reason_of(error)
    raise UsageError(f"{shortened(text)!r} is not a path: {reason}", where=variable)


def archive_failures() -> tuple[type[Exception], ...]:
    """Return what reading a zip or tar file, or a table in it, raises that is damaged or made to harm.

    ``OSError`` is among it, which may be the disk's, too.
    """
    import configparser
    import csv
    import lzma
    import struct
    import tarfile
    import zipfile
    import zlib

    own = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, csv.Error)
    return (*PARSER_FAILURES, *own, configparser.Error, OSError)
