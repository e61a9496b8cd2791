"""Render the pictures of the README: what commands really print, as SVG.

``python docs/pictures/render.py``, from the root of the repository, with Conjoin installed. Needs what the
demo needs: the public index.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
CONJOIN = str(Path(sys.executable).with_name("conjoin"))
COLUMNS = 96


def main() -> None:
    """Render them all."""
    with tempfile.TemporaryDirectory(prefix="conjoin-pictures-") as folder:
        # A first time forges the channel: the picture shows the second.
        command = [CONJOIN, "demo", "--dir", folder]
        subprocess.run(command, check=True, capture_output=True)
        picture("demo", "conjoin demo", shortened(in_terminal(command), folder, "demo"))


def in_terminal(command: list[str]) -> str:
    """Return what a command writes to a terminal; its progress, on stderr, is not shown."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not read:
            break
        written += read
    if process.wait():
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return written.decode().replace("\r\n", "\n")


def shortened(written: str, folder: str, shown: str) -> str:
    """Replace a path by a shorter one; the right borders of boxes stay where they are."""
    lines = []
    for line in written.split("\n"):
        filled = " " * (len(folder) - len(shown)) * line.count(folder)
        left, border, right = line.replace(folder, shown).rpartition("│")
        lines.append(f"{left}{filled if border else ''}{border}{right}")
    return "\n".join(lines)


def picture(name: str, title: str, written: str) -> None:
    """Write ``<name>.svg``."""
    lines = [Text.from_ansi(line) for line in written.rstrip().splitlines()]
    width = max(line.cell_len for line in lines)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, soft_wrap=True)
    # Fonts are the viewer's own: a picture that loads nothing.
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "", console.export_svg(title=title), flags=re.DOTALL)
    (HERE / f"{name}.svg").write_text(svg.rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
