"""A script that says what it needs (PEP 723), and gets exactly that.

conjoin run --script script.py
"""

# /// script
# requires-python = ">=3.10"
# dependencies = ["rich>=13"]
#
# [tool.conjoin]
# python-source = "host"
# ///

import sys
from importlib.metadata import version

from rich import print

print(f"[bold green]rich {version('rich')}[/] on Python {sys.version.split()[0]}, in {sys.prefix}")
