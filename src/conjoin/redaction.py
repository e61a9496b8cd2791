"""Where secrets stand in URLs, and texts without them: what is kept, logged or shown went through here.

They stand in four places: before the ``@`` of the authority (RFC 3986, 3.2.1), in conda's ``/t/<token>``
path, in parameters of queries and fragments (presigned URLs of clouds, tokens of code hosts), and in all of
those of a URL that another one carries in its path or query, percent-encoded or not.

Standard library alone and Python 3.8: containers that are bootstrapped show URLs, too. Every function is
linear in the length of its text, since the text may be anybody's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Found", "is_secret_name", "redacted"]

_NAMES = frozenset(
    {"sig", "key", "auth", "authorization", "pass", "pwd", "pat", "jwt", "bearer", "session", "sessionid"}
    | {"accesskeyid", "awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "keypairid"}
)
"""Names of parameters, in lower case and without punctuation, whose values are secrets."""

_ENDINGS = (
    *("token", "password", "passwd", "passphrase", "secret", "signature", "credential", "credentials"),
    *("apikey", "accesskey", "secretkey", "privatekey", "authkey", "accountkey", "subscriptionkey"),
)
"""So are all that end like this: ``access_token``, ``PRIVATE-TOKEN``, ``clientSecret``."""

_BEGINNINGS = ("xamz", "xgoog", "xoss", "xcos", "qsign")
"""And all that begin like this: what clouds write into presigned URLs."""

_WITH_A_SIGNATURE = frozenset(
    # Azure's shared access signatures,
    {"se", "sp", "sv", "sr", "st", "spr", "sip", "si", "srt", "ss", "ses", "sdd", "scid", "saoid", "suoid"}
    | {"sks", "ske", "skt", "skv", "skoid", "sktid", "sduoid", "rscc", "rscd", "rsce", "rscl", "rsct"}
    # CloudFront's, and the second version of S3's and Google's.
    | {"expires", "policy", "hashalgorithm"}
)
"""Harmless names of parameters that say nothing without the signature beside them: they go with it."""

_DEEPEST = 4
"""Times a URL may be percent-encoded and still be looked into; what is encoded more often is left out."""

_LONGEST_SCHEME = 40
_RUN = re.compile(r"\S+")
# The authority ends at the first of / ? # (RFC 3986, 3.2); the user information at its last @. An @ that was
# encoded by mistake makes a host that nobody has. http: with one slash is a typo that many clients take.
_USERINFO = re.compile(
    r"(?P<slashes>(?:(?<=http)|(?<=https)):/+|://)(?P<userinfo>[^/?#\s]*)(?:@|%40)", re.IGNORECASE
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[^\]\s]*\])?[^/?#\s@'\"\],]*")
_PATH = re.compile(r"/[^?#\s'\"\[\],;]*")
# `https://user:pa/ss@host`: what stands there for a port is none, so nobody can have meant the host.
_NO_PORT = re.compile(r"(?<![+a-z])(?:https?|ftp)://[^/?#\s@:\[]*:(?P<port>[^/?#\s@]*)", re.IGNORECASE)
_TOKEN_PATH = re.compile(r"://(?P<host>[^/?#\s]+)(?=/t/)", re.IGNORECASE)
_TOKEN_END = re.compile(r"[/?#\s'\"<>`,;:)\]}]")
_IN_QUOTES = re.compile(r"'[a-z][a-z0-9+.-]{0,30}://", re.IGNORECASE)
_PART = re.compile(r"([\"<>`]+|,(?=[a-z][a-z0-9+.-]{0,30}://))", re.IGNORECASE)
_QUOTED_PART = re.compile(r"([\"<>`']+|,(?=[a-z][a-z0-9+.-]{0,30}://))", re.IGNORECASE)
_SEPARATOR = re.compile(r"(\\u0026|[?&;#])")
_NO_NAME = re.compile(r"[^a-z0-9]")
_FILES = (".whl", ".conda", ".bz2", ".gz", ".xz", ".tgz", ".zst", ".zip", ".json", ".html", ".xml", ".txt")
_PUNCTUATION = "'.,:!)]}\\"
"""What ends a sentence or a list, where it stands behind a URL."""


class Found(NamedTuple):
    """A secret, and what it is for.

    :ivar kind: ``userinfo``, ``token`` (conda's) or ``parameters``.
    :ivar scheme: of the URL it stood in.
    :ivar host: with the port, if any.
    :ivar path: of the URL; of ``parameters``, with the public part of the query.
    :ivar secret: the user information or token as written; of ``parameters``, path and whole query.
    """

    kind: str
    scheme: str
    host: str
    path: str
    secret: str


def redacted(text: str, also: Collection[str] = (), found: Callable[[Found], object] | None = None) -> str:
    """Return ``text`` without the secrets of the URLs in it; a URL that has none is as it was.

    A user name alone stays in an ssh URL (``git+ssh://git@host``): there it is part of the address. Anywhere
    else it is a token.

    >>> redacted("cannot read https://me:pw@host.example/x.whl?token=s3cr3t&raw=1: it is not there")
    'cannot read https://host.example/x.whl?raw=1: it is not there'

    :param also: further names of parameters whose values are secrets.
    :param found: told each secret that can be used again for what it was written for.
    """
    names = frozenset(_NO_NAME.sub("", name.lower()) for name in also)
    return _redacted(text, names, found, 0)


def is_secret_name(name: str, also: Collection[str] = ()) -> bool:
    """Return whether values of a parameter of this name are secrets.

    >>> is_secret_name("X-Amz-Signature"), is_secret_name("subdirectory")
    (True, False)

    :param also: further names.
    """
    return _is_secret(name, frozenset(_NO_NAME.sub("", each.lower()) for each in also))


def _redacted(text: str, also: frozenset[str], found: Callable[[Found], object] | None, depth: int) -> str:
    if "@" not in text and "%" not in text and "=" not in text and "/t/" not in text:
        return text
    return _RUN.sub(lambda run: _of_run(run.group(), also, found, depth), text)


def _of_run(run: str, also: frozenset[str], found: Callable[[Found], object] | None, depth: int) -> str:
    """Return a text without white space without its secrets."""
    if ":/" in run:
        if "@" in run or "%40" in run:
            run = _without_userinfo(run, found)
        if "/t/" in run:
            run = _without_tokens(run, found)
    if ("=" not in run and "%" not in run) or not ("://" in run or "?" in run or depth):
        return run
    parts = (_QUOTED_PART if _IN_QUOTES.search(run) else _PART).split(run)
    return "".join(_without_parameters(part, also, found, depth) for part in parts)


def _scheme_before(text: str, end: int) -> str:
    match = _SCHEME.search(text[max(0, end - _LONGEST_SCHEME) : end])
    return match.group() if match else ""


def _without_userinfo(run: str, found: Callable[[Found], object] | None) -> str:
    def strip(match: re.Match[str]) -> str:
        userinfo, scheme = match["userinfo"], _scheme_before(run, match.start())
        username, colon, _ = userinfo.partition(":")
        is_ssh = scheme.lower().endswith("ssh")
        if is_ssh and not colon:
            return match.group()
        kept = f"{username}@" if is_ssh else ""
        if userinfo and found is not None:
            host = _HOST.match(run, match.end())
            assert host is not None  # it may be empty
            path = _PATH.match(run, host.end())
            found(Found("userinfo", scheme, kept + host.group(), path.group() if path else "", userinfo))
        return match["slashes"] + kept

    run = _USERINFO.sub(strip, run)
    last = run.rfind("@")
    for match in _NO_PORT.finditer(run, 0, max(last, 0)):
        port = match["port"]
        if (port.isascii() and (port.isdigit() or not port)) or match.end() > last:
            continue
        begin = run.index("://", match.start()) + 3
        return run[:begin] + run[last + 1 :]
    return run


def _without_tokens(run: str, found: Callable[[Found], object] | None) -> str:
    kept, position = [], 0
    for match in _TOKEN_PATH.finditer(run):
        start = end = match.end()
        token = ""
        while run.startswith("/t/", end):
            begin = end + 3
            stop = _TOKEN_END.search(run, begin)
            stop_at = stop.start() if stop else len(run)
            one = run[begin:stop_at]
            if not one or not _is_token(one, run, stop_at):
                break
            token, end = token or one, stop_at
        if end == start:
            continue
        if found is not None:
            path = _PATH.match(run, end)
            scheme = _scheme_before(run, match.start())
            found(Found("token", scheme, match["host"], path.group() if path else "", token))
        kept.append(run[position:start])
        position = end
    return "".join([*kept, run[position:]])


def _is_token(token: str, run: str, end: int) -> bool:
    """Return whether what stands behind ``/t/`` is a token: no file, and no folder of one project's files."""
    if run[end : end + 1] != "/":
        return not token.lower().endswith(_FILES)
    behind = run[end + 1 : end + 1 + len(token)]
    return _NO_NAME.sub("-", behind.lower()) != _NO_NAME.sub("-", token.lower())


def _without_parameters(
    part: str, also: frozenset[str], found: Callable[[Found], object] | None, depth: int
) -> str:
    """Return a URL, and what stands right before and behind it, without parameters that hold secrets."""
    at = part.find("://")
    if at < 0 and "?" not in part and not depth:
        return part
    pieces = _SEPARATOR.split(part)
    head = _parameter(pieces[0], also, depth) if depth else None
    public = [_carried(pieces[0], also, depth) if head is None else head]
    # Without a scheme, what counts as a query begins at a question mark: other texts have semicolons, too.
    first = 1 if at >= 0 or depth else pieces.index("?")
    public += pieces[1:first]
    named = [(pieces[each], pieces[each + 1]) for each in range(first, len(pieces), 2)]
    signed = any(_is_signature(piece) for _, piece in named)
    inherited = ""
    for number, (separator, piece) in enumerate(named):
        kept = _parameter(piece, also, depth, signed=signed)
        if kept is None:
            kept = _carried(piece, also, depth)
        elif not kept:
            inherited = separator if separator in "?#" else inherited
            if number + 1 == len(named):  # what is said behind the URL
                public.append(piece[len(piece.rstrip(_PUNCTUATION)) :])
            continue
        public += [inherited if inherited and separator not in "?#" else separator, kept]
        inherited = ""
    clean = "".join(public)
    if found is not None and at >= 0 and clean != part:
        _tell_parameters(part, clean, at, found)
    return clean


def _tell_parameters(part: str, clean: str, at: int, found: Callable[[Found], object]) -> None:
    """Tell of a URL whose parameters were taken out, as far as a server is told of them."""
    host = _HOST.match(part, at + 3)
    if host is None or not clean.startswith(part[: host.end()]):
        return
    whole, public = (text[host.end() :].partition("#")[0].rstrip(_PUNCTUATION) for text in (part, clean))
    if whole != public:
        found(Found("parameters", _scheme_before(part, at), host.group(), public, whole))


def _parameter(piece: str, also: frozenset[str], depth: int, *, signed: bool = False) -> str | None:
    """Return what is left of ``name=value``: nothing where that is a secret, None where it is none itself."""
    name, equals, value = piece.partition("=")
    if not equals and "%" in piece:
        name, equals, value = _decoded(piece).partition("=")
    if not equals or not value:
        return None
    if _is_secret(name, also) or (signed and _plain(name) in _WITH_A_SIGNATURE):
        return ""
    return None


def _carried(text: str, also: frozenset[str], depth: int) -> str:
    """Return a piece of a URL without the secrets of a URL that it carries, percent-encoded."""
    if "%" not in text:
        return text
    before, equals, value = text.partition("=")
    if equals:
        return f"{_carried(before, also, depth)}={_unwrapped(value, also, depth)}"
    return "/".join(_unwrapped(segment, also, depth) for segment in text.split("/"))


def _unwrapped(text: str, also: frozenset[str], depth: int) -> str:
    decoded = _decoded(text)
    if decoded == text:
        return text
    if depth >= _DEEPEST:
        return ""
    public = _redacted(decoded, also, None, depth + 1)
    if public == decoded:
        return text
    from urllib.parse import quote

    return quote(public, safe="")


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def _plain(name: str) -> str:
    """Return the name of a parameter in lower case and without punctuation, path and brackets before it."""
    name = _decoded(name)
    return _NO_NAME.sub("", name[max(map(name.rfind, "/,:|!")) + 1 :].lower())


def _is_secret(name: str, also: frozenset[str]) -> bool:
    plain = _plain(name)
    return plain in _NAMES or plain in also or plain.endswith(_ENDINGS) or plain.startswith(_BEGINNINGS)


def _is_signature(piece: str) -> bool:
    name, _, value = piece.partition("=")
    plain = _plain(name)
    return bool(value) and (plain == "sig" or plain.endswith("signature"))
