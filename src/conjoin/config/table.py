"""Every setting there is: its name, kind, meaning, variable, default, and where it may be said."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from conjoin.errors import UsageError

__all__ = ["OTHER_VARIABLES", "REQUEST_KEYS", "SETTINGS", "Kind", "Setting", "setting_named", "unknown_key"]


class Kind(Enum):
    """What a setting's value is, and how a variable spells it."""

    TEXT = "text"
    PLACE = "folder or URL"
    FOLDER = "folder"
    FLAG = "true or false"
    NAMES = "list of names"
    URLS = "list of URLs"
    TIMES = "number or none"
    TABLE = "table of texts"
    TABLE_OF_LISTS = "table of texts or lists"


class Setting(NamedTuple):
    """One setting.

    :ivar name: as files spell it; ``_`` for ``-`` is understood too.
    :ivar meaning: what it decides, in a few words.
    :ivar variable: the environment variable that says it.
    :ivar default: what counts where nobody says anything, for people.
    :ivar in_project: whether a project's ``[tool.conjoin]`` may say it. A project is somebody else's text as
        soon as it is cloned: it may say what is asked for, and nothing about this machine or this user.
    :ivar other_names: other spellings that are understood.
    """

    name: str
    kind: Kind
    meaning: str
    variable: str
    default: str
    in_project: bool = True
    other_names: tuple[str, ...] = ()


SETTINGS = (
    Setting(
        name="store",
        kind=Kind.PLACE,
        meaning="where packages, locks and aliases are kept",
        variable="CONJOIN_STORE",
        default="<user data>/conjoin/store",
        in_project=False,
    ),
    Setting(
        name="envs",
        kind=Kind.FOLDER,
        meaning="where prefixes are made",
        variable="CONJOIN_ENVS",
        default="<user data>/conjoin/envs",
        in_project=False,
    ),
    Setting(
        name="state",
        kind=Kind.FOLDER,
        meaning="what is known of this user's prefixes",
        variable="CONJOIN_STATE",
        default="<user data>/conjoin/state",
        in_project=False,
    ),
    Setting(
        name="cache",
        kind=Kind.FOLDER,
        meaning="caches, all of which may be deleted",
        variable="CONJOIN_CACHE",
        default="<user cache>/conjoin",
        in_project=False,
    ),
    Setting(
        name="offline",
        kind=Kind.FLAG,
        meaning="resolve and make environments without the network",
        variable="CONJOIN_OFFLINE",
        default="false",
        in_project=False,
    ),
    Setting(
        name="expansion-limit",
        kind=Kind.TIMES,
        meaning="how many times its size an archive of more than 100 MB may unpack to, or none",
        variable="CONJOIN_EXPANSION_LIMIT",
        default="200",
        in_project=False,
    ),
    Setting(
        name="use-remote-latest",
        kind=Kind.TEXT,
        meaning="whose resolution to take instead of solving again: none, me, any, or user names",
        variable="CONJOIN_USE_REMOTE_LATEST",
        default="me",
        in_project=False,
    ),
    Setting(
        name="push-toolkit",
        kind=Kind.FLAG,
        meaning="pushing to an object store keeps there what bare containers need as well",
        variable="CONJOIN_PUSH_TOOLKIT",
        default="true",
        in_project=False,
    ),
    Setting(
        name="keyring-provider",
        kind=Kind.TEXT,
        meaning="subprocess: logins may come from the keyring command; or disabled",
        variable="CONJOIN_KEYRING_PROVIDER",
        default="uv's or pip's, else disabled",
        in_project=False,
    ),
    Setting(
        name="credentials",
        kind=Kind.URLS,
        meaning="URLs with a user name and password in them, for what lies below",
        variable="CONJOIN_CREDENTIALS",
        default="",
        in_project=False,
    ),
    Setting(
        name="trust",
        kind=Kind.TABLE_OF_LISTS,
        meaning="who must have signed which names, by the beginning of the name: one of the principals",
        variable="CONJOIN_TRUST",
        default="",
        in_project=False,
    ),
    Setting(
        name="allowed-signers",
        kind=Kind.TEXT,
        meaning="file of the keys that may sign, as OpenSSH and git have it",
        variable="CONJOIN_ALLOWED_SIGNERS",
        default="<user config>/conjoin/allowed_signers",
        in_project=False,
    ),
    Setting(
        name="signing-key",
        kind=Kind.TEXT,
        meaning="SSH key to sign names with: its file, or a public key that ssh-agent has the other half of",
        variable="CONJOIN_SIGNING_KEY",
        default="",
        in_project=False,
    ),
    Setting(
        name="secret-parameters",
        kind=Kind.NAMES,
        meaning="names of parameters in URLs whose values are secrets, beside those that are known",
        variable="CONJOIN_SECRET_PARAMETERS",
        default="",
        in_project=False,
    ),
    Setting(
        name="channels",
        kind=Kind.NAMES,
        meaning="conda channels in order of priority",
        variable="CONJOIN_CHANNELS",
        default="conda-forge",
    ),
    Setting(
        name="channel-aliases",
        kind=Kind.TABLE_OF_LISTS,
        meaning="what the name of a channel stands for: a URL, or several that count as one channel",
        variable="CONJOIN_CHANNEL_ALIASES",
        default="",
    ),
    Setting(
        name="channel-priority",
        kind=Kind.TEXT,
        meaning="strict, flexible or disabled, as conda's",
        variable="CONJOIN_CHANNEL_PRIORITY",
        default="strict",
    ),
    Setting(
        name="index-url",
        kind=Kind.TEXT,
        meaning="the default PyPI index",
        variable="CONJOIN_INDEX_URL",
        default="uv's or pip's, else PyPI",
    ),
    Setting(
        name="extra-index-urls",
        kind=Kind.URLS,
        meaning="PyPI indexes asked before the default one",
        variable="CONJOIN_EXTRA_INDEX_URL",
        default="uv's or pip's",
        other_names=("extra-index-url", "indexes"),
    ),
    Setting(
        name="find-links",
        kind=Kind.URLS,
        meaning="pages and folders with wheels",
        variable="CONJOIN_FIND_LINKS",
        default="",
    ),
    Setting(
        name="platforms",
        kind=Kind.NAMES,
        meaning="targets to resolve for",
        variable="CONJOIN_PLATFORMS",
        default="this machine's",
    ),
    Setting(
        name="virtual-packages",
        kind=Kind.TABLE,
        meaning="what the target has",
        variable="CONJOIN_VIRTUAL_PACKAGES",
        default="per platform",
    ),
    Setting(
        name="python-source",
        kind=Kind.TEXT,
        meaning="channel, or host for this machine's Python",
        variable="CONJOIN_PYTHON_SOURCE",
        default="channel",
    ),
    Setting(
        name="mapping",
        kind=Kind.TEXT,
        meaning="file that maps conda names to PyPI names",
        variable="CONJOIN_MAPPING",
        default="",
    ),
    Setting(
        name="strategy",
        kind=Kind.TEXT,
        meaning="versions to prefer: highest, lowest or lowest-direct",
        variable="CONJOIN_STRATEGY",
        default="highest",
    ),
    Setting(
        name="same-versions",
        kind=Kind.FLAG,
        meaning="hold each package at one version on all platforms",
        variable="CONJOIN_SAME_VERSIONS",
        default="false",
    ),
    Setting(
        name="prefer-conda",
        kind=Kind.FLAG,
        meaning="take what PyPI packages depend on from conda wherever it can be",
        variable="CONJOIN_PREFER_CONDA",
        default="false",
    ),
    Setting(
        name="exclude-newer",
        kind=Kind.TEXT,
        meaning="nothing uploaded after this date or instant",
        variable="CONJOIN_EXCLUDE_NEWER",
        default="",
    ),
    Setting(
        name="prereleases",
        kind=Kind.FLAG,
        meaning="admit pre-releases",
        variable="CONJOIN_PRERELEASES",
        default="false",
        other_names=("pre",),
    ),
    Setting(
        name="only-binary",
        kind=Kind.NAMES,
        meaning="PyPI projects not to build, or :all:",
        variable="CONJOIN_ONLY_BINARY",
        default="",
    ),
    Setting(
        name="no-binary",
        kind=Kind.NAMES,
        meaning="PyPI projects to build, or :all:",
        variable="CONJOIN_NO_BINARY",
        default="",
    ),
)
"""Those that may stand in a project decide on what is asked for: they are written out into the request."""

OTHER_VARIABLES = {
    "CONJOIN_CONFIG": "the user's file, instead of the usual one; `/dev/null` for none",
    "CONJOIN_PROJECT": "the project's pyproject.toml or folder, not the nearest; `/dev/null` for none",
    "CONJOIN_DEBUG": "show tracebacks",
}
"""Variables that no file can say."""

REQUEST_KEYS = ("conda", "constraints", "no-index", "overrides", "pypi", "python")
"""Keys of ``[tool.conjoin]`` that are no settings: they count only where that file itself is asked for."""

_BY_NAME = {name: one for one in SETTINGS for name in (one.name, *one.other_names)}


def setting_named(text: str) -> Setting | None:
    """Return the setting of a name, in any of its spellings; None where there is none."""
    return _BY_NAME.get(text.strip().lower().replace("_", "-"))


def unknown_key(text: str, *, project: bool = False) -> UsageError:
    """Return the error for a key that is none, with the near ones, else all.

    :param project: of ``[tool.conjoin]``, where keys of a request are known and a machine's are not.
    """
    import difflib

    names = [one.name for one in SETTINGS if one.in_project or not project]
    known = sorted([*names, *(REQUEST_KEYS if project else ())])
    near = difflib.get_close_matches(text.lower().replace("_", "-"), known, n=1)
    return UsageError(
        f"key {text!r} is unknown{' in [tool.conjoin]' if project else ''}",
        advice=f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}",
    )
