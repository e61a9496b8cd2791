"""Who to be where: the login for a URL, out of URLs somebody typed, files, variables and the keyring.

For each URL the first of these that has something counts:

1. URLs with a login in them, typed or configured, ``CONJOIN_CREDENTIALS`` and ``UV_INDEX_<NAME>_...``; the
   closest of those for the same origin (scheme, host, port);
2. rattler's store, by host;
3. ``.netrc``, by host;
4. the keyring, where that was switched on, and only once the server has refused.

What 2 to 4 have for a host was meant for what the user asks there, not for whoever writes a URL of that host
into a lock: for URLs out of locks they count only where the user, too, names something of the same origin.
Parameters that are secrets (``?token=``) belong to the URL they were written in, and to what lies below it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from conjoin.net.urls import as_asked, without_secrets
from conjoin.spec.credentials import CONDA_TOKEN_USER, NAMED_PLACE, SECRET_PARAMETERS
from conjoin.spec.requirements import Credential

__all__ = ["Credentials", "Keyring", "Login", "netrc_login", "rattler_login"]

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


def netrc_login(host: str) -> Login | None:
    """Return what ``NETRC``, else ``~/.netrc``, has for a host; its ``default`` entry counts too."""
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    import netrc

    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, ValueError):
        return None  # as pip and curl: a broken .netrc is as none
    if not found or not (found[0] or found[2]):
        return None
    return Login("basic", found[0], found[2] or "")


def rattler_login(host: str) -> Login | None:
    """Return what rattler's store has for a host.

    The file is ``RATTLER_AUTH_FILE``, else ``~/.rattler/credentials.json``: hosts, or ``*.host`` for all
    below one, with ``BasicHTTP``, ``BearerToken`` or ``CondaToken``. One that cannot be read is as none.
    """
    path = Path(os.environ.get("RATTLER_AUTH_FILE") or Path.home() / ".rattler" / "credentials.json")
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(kept, dict):
        return None
    for name in _names(host):
        if (login := _login(kept.get(name))) is not None:
            return login
    return None


def _names(host: str) -> Iterator[str]:
    """Yield what a host may stand under, the closest first."""
    yield host
    labels = host.split(".")
    for first in range(len(labels)):
        yield "*." + ".".join(labels[first:])


def _login(entry: Any) -> Login | None:
    match entry:
        case {"BasicHTTP": {"username": str(username), "password": str(password)}}:
            return Login("basic", username, password)
        case {"BearerToken": str(token)}:
            return Login("bearer", secret=token)
        case {"CondaToken": str(token)}:
            return Login("conda-token", secret=token)
    return None


SECONDS = 30.0
"""What the command may take: some backends ask a server, and one that waits for somebody never ends."""


class Keyring:
    """Asks the ``keyring`` command, each question once; used from several threads at once.

    It gets no terminal and no input: a backend that wants to ask somebody fails. After it did not answer in
    time it is not asked again.

    :param seconds: what an answer may take.
    :ivar trouble: why it is of no use, for people; empty where it is.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.trouble = ""
        self._seconds = SECONDS if seconds is None else seconds
        self._answers: dict[tuple[str, str], Login | None] = {}
        self._lock = threading.Lock()

    def find(self, service: str, username: str = "") -> Login | None:
        """Return the login of a service (a URL, or a host with its port), None where it knows none.

        :param username: who, where that is known; else whoever the keyring has (``keyring`` 25.2.1).
        """
        with self._lock:
            if (service, username) not in self._answers:
                self._answers[service, username] = None if self.trouble else self._ask(service, username)
            return self._answers[service, username]

    def _ask(self, service: str, username: str) -> Login | None:
        command = shutil.which("keyring")
        if command is None:
            self.trouble = "there is no keyring command on PATH"
            return None
        whom = [username] if username else ["--mode", "creds"]
        process = subprocess.Popen(
            [command, "get", service, *whom],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # backends may name secrets there
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,  # without a terminal there is nobody it could ask and wait for
        )
        try:
            told, _ = process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            self.trouble = f"the keyring command did not answer within {self._seconds:g} s"
            _end(process)
            return None
        if process.returncode:
            return None
        lines = told.decode("utf-8", "replace").splitlines()
        if not username:
            username = lines.pop(0) if lines else ""
        return Login("basic", username, lines[0]) if username and lines and lines[0] else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()


_PORTS = {"http": 80, "https": 443}
_Origin: TypeAlias = tuple[str, str, int | None]


class Credentials:
    """Answers which login a URL gets; used from several threads at once.

    A login that was typed counts for its whole origin, as in pip and uv: an index and its files often live
    under different paths of one host. Of several for one origin, the one whose path has most in common with
    the URL's counts, so two channels of one host may have different ones.

    :param given: taken out of URLs; what is configured counts after them.
    :param places: URLs of the indexes and channels that are asked, by which a keyring may know them.
    :param of_lock: the URLs, and ``places``, are a lock's: what is kept for a host is shown only to an origin
        that is named by ``given`` or by the configuration.
    """

    def __init__(
        self, given: Sequence[Credential] = (), places: Iterable[str] = (), *, of_lock: bool = False
    ) -> None:
        self._given = _by_origin(given)
        self._whole = _whole_urls(given)
        self._named = [one.url_prefix for one in given] if of_lock else None
        self._trusted: dict[_Origin, bool] = {}
        self._places = [place.rstrip("/") for place in places if place.startswith(("http:", "https:"))]
        self._all: dict[_Origin, list[tuple[str, Login]]] | None = None
        self._all_whole: dict[_Origin, list[tuple[str, str]]] = {}
        self._kept: dict[str, Login | None] = {}
        self._of_keyring: dict[str, Login | None] = {}
        self._marks: dict[tuple[Login, str], str] = {}
        self._tokens: set[str] = set()
        self._keyring: Keyring | None = None
        self._keyring_is_on: bool | None = None
        self._reading = threading.Lock()
        self._asking = threading.RLock()  # to ask about a user name that was typed is part of finding

    @property
    def learned(self) -> int:
        """How many logins the keyring has given: what was refused with fewer is worth another try."""
        return sum(login is not None for login in tuple(self._of_keyring.values()))

    def trouble(self, url: str) -> str:
        """Return why no login was found for a URL, for people, where there is more to say than that."""
        parts = urlsplit(url)
        if parts.scheme in _PORTS and not self._is_trusted(parts) and self._kept_for(parts):
            return (
                "the login that is kept for this host is not sent because a lock names it: name it as a "
                "channel, an index or in CONJOIN_CREDENTIALS"
            )
        if self._keyring is None:
            return ""
        unknown = self._of_keyring.get(self._place_of(url)) is None
        return self._keyring.trouble or ("the keyring has no login for it" if unknown else "")

    def find(self, url: str) -> Login | None:
        """Return the login for a URL, None where there is none.

        :raises UsageError: where the configuration cannot be read.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            return None
        typed = _closest(self._given.get(_origin(parts), ()), parts.path) or _closest(
            self._configured().get(_origin(parts), ()), parts.path
        )
        if typed is not None:
            return self._completed(typed, url)
        kept = self._kept_for(parts) or self._of_keyring.get(self._place_of(url))
        return kept if kept is not None and self._is_trusted(parts) else None

    def may_ask_keyring(self, url: str) -> bool:
        """Return whether :meth:`ask_keyring` could change anything: at once, nobody is asked.

        :raises UsageError: where the configuration cannot be read.
        """
        return (
            urlsplit(url).scheme in _PORTS
            and self._uses_keyring()
            and self._place_of(url) not in self._of_keyring
            and self.find(url) is None
            and self._is_trusted(urlsplit(url))
        )

    def ask_keyring(self, url: str) -> bool:
        """Ask the keyring about a URL that was refused; return whether it knew somebody.

        May take as long as the keyring's time limit; each place is asked about once.

        :raises UsageError: where the configuration cannot be read.
        """
        with self._asking:
            if not self.may_ask_keyring(url):
                return False
            place = self._place_of(url)
            login = self._of_keyring[place] = self._look_up(place)
            return login is not None

    def mark(self, url: str) -> str:
        """Return the mark of the login that a URL gets (:meth:`Login.mark`), empty where it gets none.

        :raises UsageError: where the configuration cannot be read.
        """
        login = self.find(url)
        if login is None:
            return ""
        parts = urlsplit(url)
        key = (login, f"{parts.scheme}://{parts.netloc}")
        if key not in self._marks:
            self._marks[key] = login.mark(key[1])
        return self._marks[key]

    def authorization(self, url: str) -> str | None:
        """Return the value of the ``Authorization`` header, or None.

        :raises UsageError: where the configuration cannot be read.
        """
        login = self.find(url)
        return login.header if login else None

    def address(self, url: str) -> str:
        """Return the URL to ask for ``url``, with what of a login belongs into URLs.

        Those are parameters that were typed with it and are secrets, and the ``/t/<token>`` of anaconda's
        servers. The result is a secret: what is kept and shown is ``url``.

        :raises UsageError: where the configuration cannot be read.
        """
        try:
            login = self.find(url)
            url = self._with_parameters(url)
            parts = urlsplit(url)
        except ValueError:  # a host that is none: whoever asks it says so
            return url
        if login is None or login.kind != "conda-token" or parts.path.startswith("/t/"):
            return url
        token = f"/t/{quote(login.secret, safe='')}/"
        self._tokens.add(token)
        return parts._replace(path=token + parts.path.removeprefix("/")).geturl()

    def bare(self, url: str) -> str:
        """Return a URL that a server sent without the token that :meth:`address` adds."""
        for token in tuple(self._tokens):
            url = url.replace(token, "/", 1)
        return url

    def with_login(self, url: str) -> str:
        """Return a URL with user name and password in it, for programs that know no other way: a secret."""
        login = self.find(url)
        if login is None or login.kind != "basic":
            return self.address(url)
        parts = urlsplit(url)
        userinfo = f"{quote(login.username, safe='')}:{quote(login.secret, safe='')}"
        return parts._replace(netloc=f"{userinfo}@{parts.netloc}").geturl()

    def _configured(self) -> dict[_Origin, list[tuple[str, Login]]]:
        with self._reading:
            if self._all is None:
                from conjoin.spec.configured.logins import configured_logins

                configured = configured_logins()
                self._all, self._all_whole = _by_origin(configured), _whole_urls(configured)
            return self._all

    def _with_parameters(self, url: str) -> str:
        """Return a URL with its secret parameters.

        Its own, where somebody wrote just this URL with some; else those of the closest index that it lies
        below.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            return url
        self._configured()
        origin = _origin(parts)
        known: list[tuple[str, str]] = [*self._whole.get(origin, ()), *self._all_whole.get(origin, ())]
        if not known or without_secrets(url) != as_asked(url):  # its server gave it some of its own
            return url
        closest, added = -1, ""
        for public, whole in known:
            if _same_address(public, url):
                return whole
            above = urlsplit(public).path.rstrip("/")
            if parts.path.startswith(f"{above}/") and len(above) > closest:
                closest, added = len(above), _secret_parameters(public, whole)
        query = "&".join(filter(None, (parts.query, added)))
        return str(parts._replace(query=query).geturl()) if added else url

    def _kept_for(self, parts: SplitResult) -> Login | None:
        host = parts.hostname or ""
        if host not in self._kept:
            self._kept[host] = rattler_login(host) or netrc_login(host)
        return self._kept[host]

    def _is_trusted(self, parts: SplitResult) -> bool:
        """Return whether the user, not a lock alone, names something of a URL's origin."""
        if self._named is None:
            return True
        origin = _origin(parts)
        if origin not in self._trusted:
            from conjoin.spec.configured.logins import named_origins

            named = named_origins(self._named)
            self._trusted[origin] = any(_origin(urlsplit(url)) == origin for url in named)
        return self._trusted[origin]

    def _completed(self, login: Login, url: str) -> Login:
        """Return a login that was typed, with the keyring's password where it has a user name alone."""
        if login.kind != "basic" or login.secret or not self._uses_keyring():
            return login
        return self._look_up(self._place_of(url), login.username) or login

    def _look_up(self, place: str, username: str = "") -> Login | None:
        """Ask about a place as a whole, then about its host, as pip and uv do."""
        with self._asking:
            keyring = self._keyring = self._keyring or Keyring()
            return keyring.find(place, username) or keyring.find(urlsplit(place).netloc, username)

    def _uses_keyring(self) -> bool:
        with self._reading:
            if self._keyring_is_on is None:
                from conjoin.spec.configured.logins import uses_keyring

                self._keyring_is_on = uses_keyring()
            return self._keyring_is_on

    def _place_of(self, url: str) -> str:
        """Return the index or channel that a URL belongs to, else its origin."""
        parts = urlsplit(url)
        below = [place for place in self._places if url == place or url.startswith(place + "/")]
        same = below or [place for place in self._places if _origin(urlsplit(place)) == _origin(parts)]
        return max(same, key=len) if same else f"{parts.scheme}://{parts.netloc}"


def _by_origin(credentials: Iterable[Credential]) -> dict[_Origin, list[tuple[str, Login]]]:
    found: dict[_Origin, list[tuple[str, Login]]] = {}
    for credential in credentials:
        if credential.username in (NAMED_PLACE, SECRET_PARAMETERS):
            continue
        prefix = urlsplit(credential.url_prefix)
        found.setdefault(_origin(prefix), []).append((prefix.path, Login.of(credential)))
    return found


def _whole_urls(credentials: Iterable[Credential]) -> dict[_Origin, list[tuple[str, str]]]:
    """Return what URLs with secret parameters are called without them, and the URLs, by origin."""
    found: dict[_Origin, list[tuple[str, str]]] = {}
    for one in credentials:
        if one.username == SECRET_PARAMETERS:
            found.setdefault(_origin(urlsplit(one.url_prefix)), []).append((one.url_prefix, one.password))
    return found


def _same_address(public: str, url: str) -> bool:
    one, other = urlsplit(public), urlsplit(url)
    return (one.path or "/", one.query) == (other.path or "/", other.query)


def _secret_parameters(public: str, whole: str) -> str:
    """Return the parameters that a URL has and its public form has not."""
    kept = urlsplit(public).query.replace(";", "&").split("&")
    return "&".join(
        piece for piece in urlsplit(whole).query.replace(";", "&").split("&") if piece and piece not in kept
    )


def _closest(logins: Iterable[tuple[str, Login]], path: str) -> Login | None:
    """Return the login whose path has most in common with ``path``; of equals the first that ends there."""
    best: tuple[int, bool] | None = None
    found = None
    wanted = path.strip("/").split("/")
    for prefix, login in logins:
        typed = [part for part in prefix.split("/") if part]
        common = next(
            (at for at, (one, other) in enumerate(zip(typed, wanted, strict=False)) if one != other),
            min(len(typed), len(wanted)),
        )
        rank = (common, common == len(typed))
        if best is None or rank > best:
            best, found = rank, login
    return found


def _origin(parts: SplitResult) -> _Origin:
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port or _PORTS.get(parts.scheme)
