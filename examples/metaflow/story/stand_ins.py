"""Makes small stand-ins for what the story needs: two conda channels, and a second PyPI index.

``python stand_ins.py DIR`` writes into DIR: the channels ``conda-forge`` (with the Python that runs this) and
``ml-team`` (with ``cuda-runtime``), the index ``cu116`` (with ``torch 1.13.1+cu116``), and ``config.toml``,
where Conjoin reads what the channels' names stand for.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(directory: Path) -> None:
    """Make everything."""
    forge(directory / "conda-forge")
    forge(directory / "ml-team", "--no-python", "--folder", str(HERE / "cuda-runtime"))
    index(directory / "cu116", "torch", wheel(directory / "cu116", "torch", "1.13.1+cu116"))
    channels = [f'{name} = "{(directory / name).as_uri()}"' for name in ("conda-forge", "ml-team")]
    (directory / "config.toml").write_text("\n".join(["[channel-aliases]", *channels, ""]))


def forge(channel: Path, *options: str) -> None:
    """Make a conda channel."""
    subprocess.run([sys.executable, "-m", "conjoin", "forge", str(channel), "--quiet", *options], check=True)


def wheel(folder: Path, name: str, version: str) -> Path:
    """Make a wheel of one module that knows its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record([*members, f"{info}/RECORD"])}.items():
            archive.writestr(zipfile.ZipInfo(member), text)
    return path


def record(members: list[str]) -> str:
    """Return the list of a wheel's files; hashes are optional."""
    return "".join(f"{member},,\n" for member in members)


def index(folder: Path, project: str, file: Path) -> None:
    """Make a simple index (PEP 503) of one file."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    page = folder / project / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text(f'<a href="../{file.name.replace("+", "%2B")}#sha256={digest}">{file.name}</a>\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
