"""Text that somebody wrote to do harm, or by a slip: what is right, with something odd in its place."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from conjoin.errors import ConjoinError

__all__ = ["SECONDS", "archives", "damaged", "documents", "refused_at_most", "texts"]

SECONDS = 60
"""Examples that a reader of text gets in CI: about a second of them."""

_ODD = (
    "http://[x/",
    "http://host:99999999/",
    "http://a\u2100b/",  # a letter that stands for a/c
    "file://quests[socks]",
    "file:///a%00b",
    "file://[",
    "git+ssh://[",
    "x @ http://[/y",
    "~]x",
    "~nobody-of-that-name/x",
    "../../x",
    "C:\\x",
    "\0",
    "\x1b[31m",
    "\r",
    "\x85",
    "\ufeff",
    "\u202e",
    "é",
    "٣",  # a digit, to Python
    "9" * 5000,
    "1." * 1000,
    "[" * 3000,
    "(" * 3000,
    '{"a":' * 2000,
    "a" * 2000,
    " " * 3000,
    "\n" * 3000,
    "!!garbage",
    "!!python/object:os.system",
    "&a [*a, *a]",
    "<<: *a",
    "${HOME}",
    "%s%n%",
    "1e999",
    "-1",
    "null",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30",
    "[build='",
    "[version=",
    "::",
    "==",
    "=",
    "@",
    "#",
    ";",
    "#egg=",
    "#sha256=",
    " ; python_version < '",
    "--index-url http://[x/",
    "-e git+http://[",
    '"""',
    "'''",
    "\\",
    ",",
    "|",
    "*",
    "!",
)

_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53 + 1,
    2**63,
    2**64,
    10**400,
    1.5,
    1e308,
    "",
    [],
    {},
    [[]],
    {"a": {"b": []}},
    *_ODD,
)


@st.composite
def texts(draw: st.DrawFn, seeds: Iterable[str]) -> str:
    """Return one of the seeds, changed in up to three places; now and then something quite different."""
    text = draw(st.sampled_from([*seeds, ""]))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.sampled_from([0, 0, 1, 5, len(text)]))
        odd = draw(st.sampled_from(_ODD) | st.text(max_size=6))
        text = text[:at] + odd + text[at + gone :]
    return text


@st.composite
def documents(draw: st.DrawFn, seed: Any) -> bytes:
    """Return a JSON document with up to three values changed, or what is no JSON any more."""
    document = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(1, 3))):
        document = draw(_changed(document))
    text = json.dumps(document)
    kind = draw(st.integers(0, 9))
    if kind == 0:
        text = draw(texts([text]))
    elif kind == 1:
        deep = "[" * (many := draw(st.sampled_from([70, 900, 5000]))) + "]" * many
        text = text.replace("null", deep) if "null" in text else f'{text[:-1].rstrip()}, "deep": {deep}}}'
    elif kind == 2:
        text = text.replace("1", "9" * 5000)
    data = text.encode("utf-8", "surrogatepass")
    return draw(damaged(data)) if draw(st.integers(0, 9)) == 0 else data


@st.composite
def _changed(draw: st.DrawFn, document: Any, depth: int = 0) -> Any:
    if not isinstance(document, (dict, list)) or not document or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(_VALUES))
    if isinstance(document, list):
        at = draw(st.integers(0, len(document) - 1))
        return [*document[:at], draw(_changed(document[at])), *document[at + 1 :]]
    key = draw(st.sampled_from(sorted(document)))
    match draw(st.integers(0, 7)):
        case 0:
            return {name: value for name, value in document.items() if name != key}
        case 1:
            return {**document, draw(st.sampled_from(_ODD)): document[key]}
        case _:
            return {**document, key: draw(_changed(document[key]))}


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes that were cut, or of which some are others."""
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 4))):
        if changed:
            at = draw(st.integers(0, len(changed) - 1))
            changed[at : at + 1] = draw(st.binary(max_size=3))
    return bytes(changed)


@st.composite
def archives(draw: st.DrawFn, members: dict[str, str]) -> bytes:
    """Return a zip file whose members are others in name or content, and which may be damaged."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            kind = draw(st.integers(0, 5))
            if kind == 0:
                continue
            if kind == 1:
                name = draw(texts([name])).replace("\0", "")[:60_000] or "x"  # noqa: PLW2901
            text = draw(texts([content])) if kind in (2, 3) else content
            try:
                archive.writestr(name, text.encode("utf-8", "surrogatepass"))
                if kind == 4:
                    archive.writestr(name, draw(st.binary(max_size=40)))
            except UnicodeEncodeError:  # a name that no zip file can hold
                continue
    data = packed.getvalue()
    return draw(damaged(data)) if draw(st.booleans()) else data


def refused_at_most(read: Callable[[], object], *also: type[Exception]) -> None:
    """Read something; it may be refused, in a line and not as a bug.

    :param also: errors that this reader's callers are told of.
    """
    try:
        read()
    except also:
        return
    except ConjoinError as error:
        if error.exit_code == 1:
            raise AssertionError(f"called a bug: {error}") from error
