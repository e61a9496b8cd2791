"""Make a relocatable ``python`` package, as conda knows it, of an interpreter on this machine.

What becomes of the parts:

- The standard library, the headers and the program are taken; packages installed beside them, tests, Tk
  (``tkinter``, ``idlelib``, ``turtledemo``), static libraries and compiled bytecode are not.
- Text files that name the old prefix (``sysconfig``'s data, ``pkg-config`` files, scripts) name the
  placeholder instead. Programs and libraries find the standard library by its place beside them; what they
  have compiled in is blanked.
- Libraries inside the old prefix travel along, found by a search path relative to the file that needs them.
  Libraries of the system (``libssl``, ``libsqlite3`` ...) do *not*: the package needs a host that has
  them, as the one it was made on. So nothing has to be rewritten that has no room for it, and a channel that
  does have ``openssl`` or ``libsqlite`` packages can be mixed in: the prefix's libraries are found first.
  Which ones are needed stands in ``info/about.json`` (``extra.host_libraries``, ``extra.glibc``).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conjoin.errors import UsageError
from conjoin.forge.elf import glibc_needed, is_elf, read_dynamic, set_runpath
from conjoin.forge.interpreter import Interpreter
from conjoin.forge.package import PLACEHOLDER, Package, PackageFile
from conjoin.spec.names import CondaName

__all__ = ["debian_layout", "python_abi_package", "python_package", "python_requirements", "relocate_text"]

_LEFT_OUT_FOLDERS = {
    "__pycache__",
    "dist-packages",
    "idle_test",
    "idlelib",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
_LEFT_OUT_FILES = re.compile(
    r".*\.(pyc|pyo|a|o|whl\.metadata)$|EXTERNALLY-MANAGED$|sitecustomize\.py$|"
    r"(_tkinter|_test\w*|_ctypes_test|_xxtestfuzz|xxlimited\w*|xxsubtype|_xxinterpchannels_test|nis)\..*"
)
# What is taken from bin/, and the links to it; a free-threaded python3.13t is also called python3.13.
_PROGRAMS = {
    "python{v}": ("python", "python3", "python{minor}"),
    "python{v}-config": ("python-config", "python3-config"),
    "pydoc{v}": ("pydoc", "pydoc3"),
    "2to3-{v}": ("2to3",),
}
# Files that record where Python was installed; other texts merely talk about such places.
_RECORDS = re.compile(
    r"bin/[^/]+|lib/pkgconfig/[^/]+|.*/(_sysconfigdata[^/]*\.py|_sysconfig_vars[^/]*\.json|build-details\.json"
    r"|config-[^/]*/(Makefile|python-config\.py))"
)
_SHEBANG = re.compile(rb"#![^\n]{0,4096}/python[0-9.]*t?(?=[ \n])")
_SITE = re.compile(r"lib\d*/python3\.\d+t?/site\.py")
_SYSCONFIG = re.compile(r"lib\d*/python3\.\d+t?/sysconfig(/__init__)?\.py")
_SITE_PACKAGES_TOO = (
    b'import os, site; site.addsitedir(os.path.join(os.path.dirname(os.__file__), "site-packages"))\n'
)
# Prefixes whose libraries are the system's: they stay where they are.
_SYSTEM_PREFIXES = ("/usr", "/")
_README = b"Packages are installed here.\n"


def python_package(interpreter: Interpreter) -> Package:
    """Return the ``python`` package of ``interpreter``; the same interpreter gives the same package.

    :raises UsageError: on macOS (not supported yet), and where the interpreter's layout is not understood.
    """
    if not interpreter.subdir.startswith("linux-"):
        raise UsageError(
            f"an interpreter of {interpreter.subdir} cannot be packed yet",
            where=str(interpreter.executable),
            advice="pack wheels and folders only, beside a channel that has Python",
        )
    files: dict[str, PackageFile] = {}
    for path, source in _sources(interpreter):
        files.setdefault(path, _read(source, interpreter, path))
    for name, links in _PROGRAMS.items():
        program = name.format(v=interpreter.wanted_as)
        for link in links if f"bin/{program}" in files else ():
            files.setdefault(f"bin/{link.format(minor=interpreter.minor)}", PackageFile(link=program))
    debian_layout(files, interpreter.site_packages, where=str(interpreter.prefix))
    files[f"{interpreter.site_packages}/README.txt"] = PackageFile(_README)
    needs = _relocate(files, interpreter)
    build = _build_string(interpreter, files)
    package = Package(
        name=CondaName("python"),
        version=interpreter.version,
        build=build,
        build_number=_build_number(interpreter),
        subdir=interpreter.subdir,
        license="Python-2.0",
        depends=["__glibc >=2.17,<3.0.a0"],
        run_exports={"noarch": ["python"], "weak": [_abi_requirement(interpreter)]},
        site_packages=interpreter.site_packages,
        # As on conda-forge: without this the solver would prefer the build without the GIL by its name.
        track_features="py_freethreading" if interpreter.free_threaded else "",
        about={"summary": "Python, packed by conjoin forge", "extra": needs},
    )
    # As on conda-forge: from 3.13 on Python depends on its ABI, before it constrains it.
    (package.depends if _numbers(interpreter) >= (3, 13) else package.constrains).append(
        _abi_requirement(interpreter)
    )
    for path, file in files.items():
        package.add(path, file)
    package.detect_placeholders()
    return package


def python_abi_package(interpreter: Interpreter) -> Package:
    """Return the ``python_abi`` package that arch packages for this Python depend on (as conda-forge's)."""
    suffix = f"*_{interpreter.abi}" if _numbers(interpreter) >= (3, 13) else "*_cpython"
    return Package(
        name=CondaName("python_abi"),
        version=interpreter.minor,
        build=f"8_{interpreter.abi}",
        build_number=8,
        subdir="noarch",
        noarch="generic",
        license="BSD-3-Clause",
        constrains=[f"python {interpreter.minor}.* {suffix}"],
    )


def python_requirements(minor: str, abi: str) -> list[str]:
    """Return what a package for one Python minor version (``3.11``) and ABI (``cp311``) depends on."""
    major, number = minor.split(".")
    return [f"python >={minor},<{major}.{int(number) + 1}.0a0", f"python_abi {minor}.* *_{abi}"]


def _abi_requirement(interpreter: Interpreter) -> str:
    return f"python_abi {interpreter.minor}.* *_{interpreter.abi}"


def _numbers(interpreter: Interpreter) -> tuple[int, ...]:
    return tuple(int(part) for part in interpreter.minor.split("."))


def _build_number(interpreter: Interpreter) -> int:
    # conda-forge gives GIL builds from 3.13 on 100 more, so that they are preferred.
    return 100 if _numbers(interpreter) >= (3, 13) and not interpreter.free_threaded else 0


def _build_string(interpreter: Interpreter, files: dict[str, PackageFile]) -> str:
    """``h<hash>_<number>_cpython``: the hash says which build of this version it is."""
    digest = hashlib.sha256()
    for path, file in sorted(files.items()):
        digest.update(f"{path}\0{file.executable}\0".encode() + hashlib.sha256(file.read()).digest())
    name = interpreter.abi if _numbers(interpreter) >= (3, 13) else "cpython"
    return f"h{digest.hexdigest()[:7]}_{_build_number(interpreter)}_{name}"


def _sources(interpreter: Interpreter) -> Iterator[tuple[str, Path]]:
    """Yield ``(path in the package, file here)`` for all that is taken."""
    prefix = interpreter.prefix
    version = interpreter.wanted_as
    yield f"bin/python{version}", interpreter.executable
    for pattern in list(_PROGRAMS)[1:]:
        script = prefix / "bin" / pattern.format(v=version)
        if script.is_file() and not is_elf(script.read_bytes()[:16]):
            yield f"bin/{script.name}", script
    for folder in dict.fromkeys((interpreter.stdlib, interpreter.platstdlib, interpreter.include)):
        if folder.is_dir():
            yield from _tree(folder, prefix)
    for folder in dict.fromkeys((interpreter.library_dir, prefix / "lib", prefix / "lib64")):
        for library in sorted(folder.glob(f"libpython{version}*.so*")) + sorted(folder.glob("libpython3.so")):
            # A library folder of the machine's architecture is flattened: one prefix, one architecture.
            yield f"lib/{library.name}", library
        for name in (f"python-{version}.pc", f"python-{version}-embed.pc"):
            if (folder / "pkgconfig" / name).is_file():
                yield f"lib/pkgconfig/{name}", folder / "pkgconfig" / name
    if str(prefix) not in _SYSTEM_PREFIXES:
        yield from _own_libraries(interpreter)


def _tree(folder: Path, prefix: Path) -> Iterator[tuple[str, Path]]:
    root = folder if folder.is_relative_to(prefix) else folder.resolve()
    relative = os.path.relpath(folder, prefix)
    if relative.startswith(".."):
        raise UsageError("a part of the interpreter lies outside its prefix", where=str(folder))
    for here, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT_FOLDERS)
        inside = Path(relative, os.path.relpath(here, root))
        for name in sorted(names):
            if not _LEFT_OUT_FILES.fullmatch(name):
                yield (inside / name).as_posix(), Path(here, name)


def _own_libraries(interpreter: Interpreter) -> Iterator[tuple[str, Path]]:
    """Yield the libraries inside the prefix that the interpreter needs, directly or through each other."""
    seen: set[str] = set()
    todo = [interpreter.executable, *sorted(interpreter.platstdlib.glob("lib-dynload/*.so"))]
    while todo:
        dynamic = read_dynamic(todo.pop().read_bytes())
        for name in dynamic.needed if dynamic else ():
            library = interpreter.prefix / "lib" / name
            if name not in seen and library.is_file():
                seen.add(name)
                todo.append(library)
                yield f"lib/{name}", library.resolve() if library.is_symlink() else library


def _read(source: Path, interpreter: Interpreter, path: str) -> PackageFile:
    """Read one file; links inside their own folder stay links, all others become what they point to."""
    if source.is_symlink():
        target = str(source.readlink())
        if "/" not in target and not source.name.startswith("python") and source.with_name(target).is_file():
            return PackageFile(link=target)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(source)) from error
    executable = bool(source.stat().st_mode & 0o111)
    if not is_elf(content):
        content = relocate_text(path, content, interpreter)
    return PackageFile(content, executable=executable)


def _relocate(files: dict[str, PackageFile], interpreter: Interpreter) -> dict[str, object]:
    """Strip programs and libraries and make them look for libraries beside themselves.

    Return what of the host they still need.
    """
    binaries = {path: file for path, file in files.items() if not file.link and is_elf(file.read())}
    _strip(binaries)
    shipped = {Path(path).name for path in files if path.startswith("lib/") and path.count("/") == 1}
    host: set[str] = set()
    glibc = (2, 17)
    for path, file in binaries.items():
        content = file.read()
        glibc = max(glibc, glibc_needed(content) or glibc)
        dynamic = read_dynamic(content)
        if dynamic is not None:
            host |= set(dynamic.needed) - shipped
            if dynamic.runpath is not None or set(dynamic.needed) & shipped:
                up = os.path.relpath("lib", Path(path).parent)
                changed = set_runpath(content, "$ORIGIN" if up == "." else f"$ORIGIN/{up}")
                if changed is None and set(dynamic.needed) & shipped:
                    raise UsageError("the file has no room for a relative library path", where=path)
                content = changed or content
        file.content = _blank_prefix(content, interpreter)
    return {"glibc": ".".join(map(str, glibc)), "host_libraries": sorted(host)}


def _blank_prefix(content: bytes, interpreter: Interpreter) -> bytes:
    """Overwrite the prefix that was compiled in: it cannot grow to the placeholder's length, nor may it leak.

    Its last component is kept: linkers merge strings, and where the folder is called ``3.11.7`` the version
    that Python reports may be the tail of this very string.
    """
    for old in {str(interpreter.prefix), interpreter.recorded_prefix}:
        head, _, tail = old.rpartition("/")
        if len(head) >= len("/nonexistent") and not old.startswith(_SYSTEM_PREFIXES[0] + "/"):
            content = content.replace(
                old.encode(), "/nonexistent".ljust(len(head), "/").encode() + f"/{tail}".encode()
            )
    return content


def _strip(binaries: dict[str, PackageFile]) -> None:
    """Drop debug information, three quarters of libpython, where ``strip`` is installed."""
    strip = shutil.which("strip")
    if strip is None:
        return
    with tempfile.TemporaryDirectory(prefix="conjoin-strip-") as folder:
        places = {path: Path(folder, f"{number}.so") for number, path in enumerate(binaries)}
        for path, place in places.items():
            place.write_bytes(binaries[path].read())
        subprocess.run(
            [strip, "--strip-unneeded", *map(str, places.values())], check=False, capture_output=True
        )
        for path, place in places.items():
            binaries[path].content = place.read_bytes()


def relocate_text(path: str, content: bytes, interpreter: Interpreter) -> bytes:
    """Return a text file's content with the placeholder where it named the interpreter's prefix."""
    if not _RECORDS.fullmatch(path):
        return content
    if path.startswith("bin/"):
        program = f"#!{PLACEHOLDER}/bin/python{interpreter.wanted_as}".encode()
        content = _SHEBANG.sub(lambda _: program, content, count=1)
    for old in sorted(
        {str(interpreter.prefix), interpreter.recorded_prefix} - {"", "/"}, key=len, reverse=True
    ):
        # Neither the middle of another path nor the tools of the system, such as /usr/bin/install.
        pattern = rb"(?<![\w./-])" + re.escape(old).encode() + rb"(?![\w.-])(?!/bin/(?!python))"
        if len(old) > len("/usr/local"):
            pattern = re.escape(old).encode()
        content = re.sub(pattern, PLACEHOLDER.encode(), content)
    return content


def debian_layout(files: dict[str, PackageFile], site_packages: str, *, where: str) -> None:
    """Undo what Debian changed in a Python of its own: in a prefix, packages live in ``site-packages``.

    Debian's ``site`` and ``sysconfig`` know only ``dist-packages`` outside of virtual environments; a conda
    prefix is none, so neither conda packages nor pip's would be found.

    :param site_packages: where packages are to be, relative to the prefix.
    :raises UsageError: where the changes are not the known ones.
    """
    for path, file in list(files.items()):
        if _SITE.fullmatch(path) and b"dist-packages" in file.read():
            # site itself is frozen into the program since Python 3.11: editing it would change nothing.
            files["lib/python3/dist-packages/site-packages.pth"] = PackageFile(_SITE_PACKAGES_TOO)
        elif _SYSCONFIG.fullmatch(path) and b"dist-packages" in file.read():
            content = file.read()
            file.content = content.replace(
                b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'"
            )
            if file.content == content or not site_packages.endswith("/site-packages"):
                raise UsageError(f"{path} has a layout of its own that is not known", where=where)
