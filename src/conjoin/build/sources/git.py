"""Git repositories as sources: which commit a reference means, and the files of a commit.

The ``git`` of this host does the work, with its own ways to log in (ssh agents, credential helpers); it never
asks at the terminal.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlunsplit

from conjoin.build.scratch import keep, note_use, scratch_beside
from conjoin.errors import NoSolution, Unreachable, UsageError
from conjoin.net.credentials import Credentials
from conjoin.net.transport import certificates
from conjoin.spec.credentials import without_credentials
from conjoin.untrusted import split_url
from conjoin.writing import replace as write

__all__ = ["GitUrl", "Repositories"]

_SECONDS = 900
"""The longest a command may take."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT = re.compile(r"[0-9a-fA-F]{7,63}")
_SCHEMES = ("https", "http", "ssh", "file", "git")
# Whatever this process was started in the middle of (a hook, `git rebase --exec`) is another repository.
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


@dataclass(frozen=True, slots=True)
class GitUrl:
    """What pip's ``git+<repository>@<reference>#subdirectory=<folder>`` names.

    :ivar repository: URL of the repository, without credentials.
    :ivar reference: branch, tag or commit; empty for the default branch.
    :ivar subdirectory: where the project lies in it, empty for its top.
    """

    repository: str
    reference: str = ""
    subdirectory: str = ""

    @classmethod
    def parse(cls, url: str) -> GitUrl:
        """Read a URL.

        :raises UsageError: where git has no such scheme.
        """
        parts = split_url(url.removeprefix("git+"))
        if parts.scheme not in _SCHEMES:
            raise UsageError(
                f"{url} is not the URL of a git repository",
                advice=f"expected git+https://, {', '.join(f'git+{each}://' for each in _SCHEMES[2:4])}",
            )
        path, at, reference = parts.path.rpartition("@")
        if not at:
            path, reference = parts.path, ""
        repository = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
        return cls(repository, unquote(reference), subdirectory_of(parts.fragment))

    @property
    def is_pinned(self) -> bool:
        """Whether the reference is a whole commit."""
        return _COMMIT.fullmatch(self.reference) is not None

    def __str__(self) -> str:
        at = f"@{self.reference}" if self.reference else ""
        below = f"#subdirectory={self.subdirectory}" if self.subdirectory else ""
        return f"git+{self.repository}{at}{below}"


def subdirectory_of(fragment: str) -> str:
    """Return the ``subdirectory`` that a URL's fragment names, empty for none.

    :raises UsageError: where it leads out.
    """
    for piece in fragment.split("&"):
        key, _, value = piece.partition("=")
        if key == "subdirectory":
            folder = unquote(value).strip("/")
            if ".." in folder.split("/") or "\\" in folder:
                raise UsageError(f"subdirectory={folder} leads out of the source")
            return folder
    return ""


class Repositories:
    """Finds commits and checks them out, each once.

    :param folder: where files of commits are kept.
    :param credentials: for repositories over http.
    :param offline: take what was seen before.
    """

    def __init__(self, folder: Path, credentials: Credentials, *, offline: bool = False) -> None:
        self._folder = folder
        self._credentials = credentials
        self._offline = offline

    def pinned(self, url: GitUrl) -> GitUrl:
        """Return the URL with the commit that its reference means now.

        A branch goes before a tag of the same name, as in pip.

        :raises NoSolution: where there is no such reference.
        :raises Unreachable: where the repository cannot be read.
        :raises UsageError: where this host has no git.
        """
        if url.is_pinned:
            return url
        note = self._folder / f"{_hash(str(replace(url, subdirectory='')))}.commit"
        if self._offline:
            if not note.is_file():
                raise Unreachable("what it means was never asked", where=str(url))
            commit = note.read_text(encoding="ascii")
        else:
            commit = self._ask(url) or self._search(url)
            write(note, commit.encode("ascii"), durable=False)
        return replace(url, reference=commit)

    def files(self, url: GitUrl) -> Path:
        """Return a folder with the files of a pinned URL's commit, submodules included; nobody writes to it.

        :raises NoSolution: where the repository has no such commit.
        :raises Unreachable: where the repository cannot be read.
        :raises UsageError: where this host has no git.
        """
        target = self._folder / _hash(f"{url.repository}@{url.reference}")
        if not target.is_dir():
            if self._offline:
                raise Unreachable("it was never fetched", where=str(url))
            with scratch_beside(target) as work:
                self._clone(url, work / "files")
                self._check_out(url, work / "files")
                keep(work / "files", target)
        note_use(target)
        return target

    def _ask(self, url: GitUrl) -> str | None:
        """Return the commit of a reference, as the repository lists it."""
        reference = url.reference
        wanted = [f"refs/heads/{reference}", f"refs/tags/{reference}^{{}}", f"refs/tags/{reference}"]
        if reference.startswith("refs/"):
            wanted += [f"{reference}^{{}}", reference]
        if not reference:
            wanted = ["HEAD"]
        listed = self._git(url, "ls-remote", "--quiet", "--", url.repository, *wanted)
        found = {name: commit for commit, _, name in (line.partition("\t") for line in listed.splitlines())}
        return next((found[name] for name in wanted if name in found), None)

    def _search(self, url: GitUrl) -> str:
        """Return the commit that the first digits of its name stand for."""
        if _SHORT_COMMIT.fullmatch(url.reference):
            with scratch_beside(self._folder / "search") as work:
                self._clone(url, work / "files")
                try:
                    wanted = f"{url.reference}^{{commit}}"
                    return self._git(
                        url, "-C", str(work / "files"), "rev-parse", "--verify", "--quiet", wanted
                    )
                except Unreachable:
                    pass
        raise _no_such(url)

    def _clone(self, url: GitUrl, target: Path) -> None:
        # File contents are fetched for the commit alone; a repository on this disk is all there anyway.
        sparse = [] if url.repository.startswith("file:") else ["--filter=blob:none"]
        self._git(url, "clone", "--quiet", "--no-checkout", *sparse, "--", url.repository, str(target))

    def _check_out(self, url: GitUrl, target: Path) -> None:
        inside = ["-C", str(target), "-c", "advice.detachedHead=false"]
        try:
            self._git(url, *inside, "checkout", "--quiet", "--detach", url.reference, "--")
        except Unreachable:
            try:  # a commit that no branch holds (a pull request's)
                self._git(url, *inside, "fetch", "--quiet", "origin", url.reference)
                self._git(url, *inside, "checkout", "--quiet", "--detach", url.reference, "--")
            except Unreachable:
                raise _no_such(url) from None
        if (target / ".gitmodules").is_file():
            self._git(url, *inside, "submodule", "--quiet", "update", "--init", "--recursive")

    def _git(self, url: GitUrl, *arguments: str) -> str:
        """Run git and return what it says.

        :raises Unreachable: where it fails.
        """
        program = shutil.which("git")
        if program is None:
            raise UsageError(
                f"{url} needs git, and this host has none",
                advice="install git, or ask for a wheel or a release from an index",
            )
        try:
            done = subprocess.run(
                [program, *arguments],
                env=self._environment(url),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"git took longer than {_SECONDS} s", where=url.repository) from None
        if done.returncode:
            raise Unreachable(
                f"git cannot read the repository: {_said(done.stderr)}",
                where=url.repository,
                advice="check the URL, and that git can log in there without asking",
            )
        return done.stdout.strip()

    def _environment(self, url: GitUrl) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "LC_ALL": "C"}
        environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        trusted = certificates()
        if trusted:
            environment.setdefault("GIT_SSL_CAINFO", trusted)
        return environment | _settings(self._options(url), environment.get("GIT_CONFIG_COUNT", "0"))

    def _options(self, url: GitUrl) -> list[tuple[str, str]]:
        """Return git's settings for a URL; a password stands in no command line, where all users see it."""
        parts = split_url(url.repository)
        if parts.scheme == "file":
            # Since 2.38.1 git clones no submodule from this disk, unless the repository itself lies here.
            return [("protocol.file.allow", "always")]
        if parts.scheme not in ("http", "https"):
            return []
        options = []
        if header := self._credentials.authorization(url.repository):
            options.append((f"http.{parts.scheme}://{parts.netloc}/.extraHeader", f"Authorization: {header}"))
        address = self._credentials.address(url.repository)
        if address != url.repository:  # with a token: git reads the one and asks the other
            options.append((f"url.{address}.insteadOf", url.repository))
        return options


def _settings(options: Sequence[tuple[str, str]], already: str) -> dict[str, str]:
    first = int(already) if already.isdecimal() and len(already) < 10 else 0
    settings = {"GIT_CONFIG_COUNT": str(first + len(options))}
    for number, (key, value) in enumerate(options, first):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return settings


def _no_such(url: GitUrl) -> NoSolution:
    asked = f"branch, tag or commit {url.reference!r}" if url.reference else "commit yet"
    return NoSolution(
        f"the repository has no {asked}", where=url.repository, advice="check what stands behind the @"
    )


def _said(stderr: str) -> str:
    """Return the line that says what is wrong, without credentials."""
    lines = [line.strip() for line in without_credentials(stderr).splitlines() if line.strip()]
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith(("fatal: ", "error: "))]
    return ([*fatal, *lines] or ["no reason given"])[0][:300]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
