"""Prints what is installed in the environment it runs in, and which side it came from."""

from importlib.metadata import distributions

for distribution in sorted(distributions(), key=lambda found: found.metadata["Name"].lower()):
    installer = (distribution.read_text("INSTALLER") or "?").strip()
    side = "conda" if installer == "conda" else "PyPI"
    print(f"{distribution.metadata['Name']:<24} {distribution.version:<14} {side}")
