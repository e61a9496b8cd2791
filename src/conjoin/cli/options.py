"""Options, arguments and commands as data, and the options that commands share.

A command's module says which of these it takes, adds its own, and names one function. By them
:mod:`conjoin.cli.parser` reads command lines and writes help, and :mod:`conjoin.cli.completion` completes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

__all__ = [
    "ACCEPT_ROLLBACK",
    "ENV",
    "OUTPUT",
    "PLATFORM",
    "PLATFORMS",
    "QUIET",
    "REQUEST",
    "SIGN",
    "SIGNING_KEY",
    "STORE",
    "STORE_URL",
    "VERBOSE",
    "Argument",
    "Command",
    "Example",
    "Group",
    "Loadable",
    "Option",
    "OutputOptions",
    "RequestOptions",
    "StoreOptions",
]

FILES = "What is asked for, in files"
TYPED = "What is asked for, typed"
WHERE = "Where packages come from"
CHOICE = "Which versions"
OWN = "Options"
KEPT = "Store and network"
SAID = "Output"


class Option(NamedTuple):
    """An option; one without a metavar is a flag.

    :ivar name: of the parameter that it sets; typed as ``--name`` where ``flags`` says nothing else.
    :ivar help: what it does, in a few words.
    :ivar metavar: what stands for its value in help.
    :ivar flags: how it is typed, the long form first.
    :ivar off: how the opposite of a flag is typed.
    :ivar type: from the text that was typed to the value; a ``ValueError`` says that it is none.
    :ivar expected: what ``type`` takes, for the message.
    :ivar repeats: whether it may be given more than once: the value is a tuple then.
    :ivar choices: the values there are. Others are refused by whoever uses the value: files say it as well.
    :ivar completes: what else its value can be: a word that :mod:`conjoin.cli.completion` knows.
    :ivar group: the heading in help.
    """

    name: str
    help: str
    metavar: str = ""
    flags: tuple[str, ...] = ()
    off: str = ""
    type: Callable[[str], Any] = str
    expected: str = ""
    repeats: bool = False
    choices: tuple[str, ...] = ()
    completes: str = ""
    group: str = OWN

    @property
    def switches(self) -> tuple[str, ...]:
        """How it is typed, without its opposite."""
        return self.flags or (f"--{self.name.replace('_', '-')}",)


class Argument(NamedTuple):
    """A word that is no option's.

    :ivar name: of the parameter that it sets.
    :ivar metavar: what stands for it in help; in brackets where it may be left out.
    :ivar required: whether there must be one.
    :ivar repeats: whether it takes all words that are left, as a tuple.
    :ivar type: as of an :class:`Option`; so are ``choices`` and ``completes``.
    """

    name: str
    help: str
    metavar: str
    required: bool = True
    repeats: bool = False
    type: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    completes: str = ""


class Group(NamedTuple):
    """Options that several commands take and pass on together, as one value.

    :ivar parameter: the command's parameter that gets it.
    :ivar make: the value's type, whose fields are named as the options and have defaults.
    """

    parameter: str
    make: Callable[..., Any]
    options: tuple[Option, ...]


class Example(NamedTuple):
    """A command line that is true, as one would type it, and what it is for."""

    line: str
    meaning: str


class Loadable(Protocol):
    """A command that need not be imported to be listed."""

    @property
    def help(self) -> str:
        """The first sentence of its help."""

    @property
    def group(self) -> str:
        """The heading in lists."""

    def load(self) -> Command:
        """Return it, importing it if need be."""


class Command(NamedTuple):
    """A command: what it takes, and the function that gets it as keyword arguments.

    What was not typed is not passed on: defaults are those of the function and of the groups' types.

    :ivar function: its docstring is the help; its first paragraph is what lists show.
    :ivar takes: options and groups of them, in the order of help.
    :ivar arguments: the words that are no options, in their order.
    :ivar examples: shown below its help.
    :ivar more: the documents that say more, as paths in the repository.
    :ivar interspersed: whether options may stand behind words. Where not, the first word ends them, since
        what follows is another command's.
    :ivar commands: those below it, where it is a group; its function is called where none of them is named.
    :ivar prepare: called with its options before one of them.
    """

    function: Callable[..., None]
    takes: tuple[Option | Group, ...] = ()
    arguments: tuple[Argument, ...] = ()
    examples: tuple[Example, ...] = ()
    more: tuple[str, ...] = ()
    interspersed: bool = True
    commands: Mapping[str, Loadable] = {}
    prepare: Callable[..., None] | None = None

    @property
    def help(self) -> str:
        """The first paragraph of its function's docstring."""
        return " ".join((self.function.__doc__ or "").partition("\n\n")[0].split())

    @property
    def group(self) -> str:
        """The heading in lists: those of a group need none."""
        return "Commands"

    @property
    def options(self) -> Iterator[Option]:
        """All options, groups taken apart."""
        for one in self.takes:
            if isinstance(one, Group):
                yield from one.options
            else:
                yield one

    def load(self) -> Command:
        """Return itself."""
        return self


ENV = Argument("env", "a lock file, an id or its beginning, or an alias", "ENV", completes="environment")
STORE_URL = Option("store", "where environments are kept", "URL", completes="folder", group=KEPT)
ACCEPT_ROLLBACK = Option(
    "accept_rollback", "believe a name that means something else than when you met it", group=KEPT
)
SIGN = Option("sign", "sign what the name means, with an SSH key", group=KEPT)
SIGNING_KEY = Option(
    "signing_key", "sign with this key; default: as configured", "FILE", completes="file", group=KEPT
)
PLATFORM = Option("platform", "default: this host's, if locked", "P", completes="platform")
PLATFORMS = PLATFORM._replace(help="this platform alone", repeats=True)

QUIET = Option("quiet", "errors and results alone", flags=("--quiet", "-q"), group=SAID)
VERBOSE = Option("verbose", "more about what is done and why", flags=("--verbose", "-v"), group=SAID)


class RequestOptions(NamedTuple):
    """Everything that says what environment is wanted; texts as they were typed."""

    file: Sequence[Path] = ()
    requirement: Sequence[Path] = ()
    pyproject: Sequence[Path] = ()
    extra: Sequence[str] = ()
    group: Sequence[str] = ()
    script: Sequence[Path] = ()
    conda: Sequence[str] = ()
    pypi: Sequence[str] = ()
    python: str | None = None
    constraint: Sequence[Path] = ()
    override: Sequence[Path] = ()
    platform: Sequence[str] = ()
    virtual_package: Sequence[str] = ()
    using: str | None = None
    channel: Sequence[str] = ()
    channel_priority: str | None = None
    index_url: str | None = None
    extra_index_url: Sequence[str] = ()
    find_links: Sequence[str] = ()
    python_source: str | None = None
    mapping: Path | None = None
    pre: bool | None = None
    only_binary: Sequence[str] = ()
    no_binary: Sequence[str] = ()
    strategy: str | None = None
    same_versions: bool | None = None
    prefer_conda: bool | None = None
    use_latest: str | None = None
    exclude_newer: str | None = None


def _file(name: str, help: str, short: str = "", *, group: str, repeats: bool = True) -> Option:
    flags = (f"--{name}", short) if short else ()
    return Option(name, help, "FILE", flags, type=Path, repeats=repeats, completes="file", group=group)


REQUEST = Group(
    "request",
    RequestOptions,
    (
        _file("file", "environment.yml", "-f", group=FILES),
        _file("requirement", "requirements.txt", "-r", group=FILES),
        _file("pyproject", "pyproject.toml, or its folder", "-p", group=FILES),
        Option("extra", "an extra of the pyproject.toml, too", "NAME", repeats=True, group=FILES),
        Option(
            "group",
            "a dependency group of the pyproject.toml (PEP 735), too",
            "NAME",
            repeats=True,
            group=FILES,
        ),
        _file("script", "a Python script that says what it needs (PEP 723)", group=FILES),
        Option("conda", "a conda package, e.g. 'numpy>=1.26'", "SPEC", repeats=True, group=TYPED),
        Option("pypi", "a PyPI package (PEP 508), e.g. 'requests>=2'", "REQ", repeats=True, group=TYPED),
        Option("python", "Python's version: 3.12, 3.11.7, '>=3.10,<3.13'", "V", group=TYPED),
        _file("constraint", "bounds on PyPI packages, in pip's format", group=TYPED),
        _file("override", "replaces what dependencies ask of PyPI packages, in pip's format", group=TYPED),
        PLATFORMS._replace(help="target, e.g. linux-64; default: this machine's", group=TYPED),
        Option("virtual_package", "what the target has, e.g. __cuda=12.4", "N=V", repeats=True, group=TYPED),
        Option(
            "using",
            "extend this environment: all of its packages stay",
            "ENV",
            completes="environment",
            group=TYPED,
        ),
        Option(
            "channel",
            "conda channel: name, URL or folder",
            "CHANNEL",
            ("--channel", "-c"),
            repeats=True,
            completes="folder",
            group=WHERE,
        ),
        Option(
            "channel_priority",
            "as conda's",
            "strict|flexible|disabled",
            choices=("strict", "flexible", "disabled"),
            group=WHERE,
        ),
        Option("index_url", "PyPI index instead of the default one", "URL", group=WHERE),
        Option("extra_index_url", "PyPI index before the default one", "URL", repeats=True, group=WHERE),
        Option(
            "find_links",
            "page or folder with wheels",
            "L",
            repeats=True,
            completes="folder",
            group=WHERE,
        ),
        Option(
            "python_source",
            "take Python from a channel, or this machine's",
            "channel|host",
            choices=("channel", "host"),
            group=WHERE,
        ),
        _file("mapping", "your own conda-PyPI name mapping", group=WHERE, repeats=False),
        Option("pre", "admit pre-releases", off="--no-pre", group=CHOICE),
        Option("only_binary", "PyPI project not to build, or :all:", "X", repeats=True, group=CHOICE),
        Option("no_binary", "PyPI project to build, or :all:", "X", repeats=True, group=CHOICE),
        Option(
            "strategy",
            "versions to prefer",
            "highest|lowest|lowest-direct",
            choices=("highest", "lowest", "lowest-direct"),
            group=CHOICE,
        ),
        Option(
            "same_versions",
            "hold each package at one version on all platforms",
            off="--no-same-versions",
            group=CHOICE,
        ),
        Option(
            "prefer_conda",
            "take what PyPI packages depend on from conda wherever it can be",
            off="--no-prefer-conda",
            group=CHOICE,
        ),
        Option(
            "use_latest",
            "whose resolution of the same request to take, if there is one; default: me",
            "none|me|any|USER,...",
            completes="users",
            group=CHOICE,
        ),
        Option("exclude_newer", "nothing uploaded after it", "DATE", group=CHOICE),
    ),
)


class StoreOptions(NamedTuple):
    """Where environments and packages are kept, and whether the network may be used."""

    store: str | None = None
    network: bool | None = None
    accept_rollback: bool = False

    @property
    def offline(self) -> bool:
        """Whether the network may not be used: as typed, else as configured."""
        if self.network is not None:
            return not self.network
        from conjoin.config.load import load_settings

        return load_settings().flag("offline")


STORE = Group(
    "options",
    StoreOptions,
    (
        STORE_URL._replace(help="where environments are kept; default: as configured"),
        Option(
            "network", "whether the network may be used", flags=("--online",), off="--offline", group=KEPT
        ),
        ACCEPT_ROLLBACK,
    ),
)


class OutputOptions(NamedTuple):
    """How much is said, and in which form."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


OUTPUT = Group(
    "output",
    OutputOptions,
    (Option("json", "the result as JSON, on stdout", group=SAID), QUIET, VERBOSE),
)
