"""Install this project for development into the environment of the Python that runs this.

uv does in seconds what takes pip minutes, but reads none of pip's settings: where this machine gets packages
from, and whom it trusts. So pip is asked for them (files and variables), and uv gets them as options. What
has no translation here, and whatever uv cannot do, is pip's.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Sequence

WANTED = ("--editable", ".[dev]")

# pip's settings by their long names, and uv's options for them; pip parts values at white space.
OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
    "constraint": "--constraints",
}
# What these say changes neither what is found nor who is trusted.
HARMLESS = re.compile(
    r"(default-)?timeout|retries|resume-retries|disable-pip-version-check|cache-dir|no-cache-dir|no-input|no-color"
    r"|quiet|verbose|progress-bar|root-user-action|require-virtualenv|break-system-packages|user|log"
)
_SETTING = re.compile(r"(?P<section>:env:|[\w-]+)\.(?P<name>[\w-]+)=(?P<value>.*)")


class Untranslatable(Exception):
    """A setting of pip that uv has no option for here."""


def settings(listed: str) -> dict[str, str]:
    """Return pip's settings of an installation by name; variables win, then ``install``, then ``global``.

    :param listed: what ``pip config list`` prints: ``section.name='value'``, a line each.
    """
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        setting = _SETTING.fullmatch(line.strip())
        if setting and setting["section"] in found:
            found[setting["section"]][setting["name"]] = ast.literal_eval(setting["value"])
    return {**found["global"], **found["install"], **found[":env:"]}


def for_uv(asked: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return uv's options and variables for settings of pip.

    :raises Untranslatable: there are none for one of them.
    """
    options, variables = [], {}
    for name, value in asked.items():
        if name in OPTIONS:
            options += [word for one in value.split() for word in (OPTIONS[name], one)]
        elif name == "cert":
            variables["SSL_CERT_FILE"] = value
        elif name == "proxy":
            variables |= {"HTTPS_PROXY": value, "HTTP_PROXY": value}
        elif not HARMLESS.fullmatch(name):
            raise Untranslatable(name)
    # As pip does: the best version of all indexes, whichever has it.
    return [*options, "--index-strategy", "unsafe-best-match"], variables


def main() -> int:
    """Install by uv, or by pip."""
    pip = [sys.executable, "-m", "pip"]
    by_pip = [*pip, "install", "--quiet", *WANTED]
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
    try:
        options, variables = for_uv(settings(listed))
    except Untranslatable as setting:
        print(f"pip installs: uv has no option for its setting {setting}", file=sys.stderr)
        return _call(by_pip)
    # uv comes first, and alone: it is one wheel without dependencies.
    if _call([*pip, "install", "--quiet", "uv>=0.13"]) == 0:
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
        if _call([*uv, *options, *WANTED], variables) == 0:
            return 0
        print("pip installs: uv could not", file=sys.stderr)
    return _call(by_pip)


def _call(command: Sequence[str], variables: dict[str, str] | None = None) -> int:
    return subprocess.run(command, env={**os.environ, **(variables or {})}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
