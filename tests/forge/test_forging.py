"""A forged channel, installed with py-rattler into a prefix: does what is in it work there?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conjoin.errors import UsageError
from conjoin.forge import forge
from conjoin.forge.package import PLACEHOLDER, Package
from conjoin.forge.subdirs import host_subdir
from worlds import forge_test_channel, make_wheel


def install(channel: Path | str, prefix: Path, *specs: str) -> Path:
    """Solve and link ``specs`` with py-rattler, as any conda client would."""
    from rattler import Channel, Gateway, VirtualPackage, install, solve

    async def work() -> None:
        url = channel if isinstance(channel, str) else channel.as_uri()
        records = await solve(
            sources=[Channel(url)],
            specs=list(specs),
            gateway=Gateway(cache_dir=prefix.parent / "repodata"),
            virtual_packages=VirtualPackage.detect(),
        )
        await install(
            records, target_prefix=prefix, cache_dir=prefix.parent / "packages", show_progress=False
        )
        await asyncio.sleep(0.05)

    asyncio.run(work())
    return prefix


def run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
)


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def packages_of(channel: Path) -> dict[str, str]:
    found = [path for path in files_of(channel) if path.name.endswith((".conda", ".tar.bz2"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def other_pythons() -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    found = {tuple(int(n) for n in p.name.split(".")[:2]) for p in root.glob("3.*.*") if p.name[-1].isdigit()}
    return [f"{major}.{minor}" for major, minor in sorted(found - {sys.version_info[:2]}) if minor >= 9]


@pytest.fixture(scope="module")
def prefix(forged_channel, tmp_path_factory):
    return install(
        forged_channel, tmp_path_factory.mktemp("env") / "prefix", "python", "tinyapp", "forgedemo"
    )


def test_python_runs_in_the_prefix_with_its_compiled_modules(prefix):
    code = "import ctypes, lzma, sqlite3, ssl, sys, venv, zlib; print(sys.prefix, ssl.OPENSSL_VERSION)"
    out = run(prefix / "bin" / "python", "-c", code)
    assert out.startswith(f"{prefix} OpenSSL")


def test_sysconfig_names_the_prefix_and_nothing_of_where_python_came_from(prefix):
    code = (
        "import json, sysconfig; print(json.dumps({k: v for k, v in sysconfig.get_config_vars().items()"
        " if isinstance(v, str)}))"
    )
    known = json.loads(run(prefix / "bin" / "python", "-c", code))
    assert known["prefix"] == str(prefix)
    assert known["INCLUDEPY"].startswith(f"{prefix}/include/python3")
    origin = Path(sys.base_prefix).resolve()
    if str(origin) not in ("/usr", "/usr/local"):
        assert [key for key, value in known.items() if str(origin) in value] == []


def test_no_file_of_the_original_interpreter_is_loaded(prefix):
    origin = Path(sys.base_prefix).resolve()
    if str(origin) in ("/usr", "/usr/local"):
        pytest.skip("the system's interpreter cannot be told from the system")
    loaded = run(
        prefix / "bin" / "python", "-c", "import ssl, sqlite3; print(open('/proc/self/maps').read())"
    )
    assert f"{prefix}/lib" in loaded
    assert str(origin) not in loaded


def test_console_scripts_of_noarch_packages_run(prefix):
    assert run(prefix / "bin" / "tinyapp") == "tinyapp 1.0 with tinylib 1.0\n"


def test_packages_made_of_wheels_are_known_to_importlib_metadata_as_condas(prefix):
    code = (
        "import importlib.metadata as m; d = m.distribution('tinyapp');"
        "print(d.version, d.read_text('INSTALLER').strip(), all(f.locate().exists() for f in d.files))"
    )
    assert run(prefix / "bin" / "python", "-c", code) == "1.0 conda True\n"


@needs_compiler
def test_the_c_program_prints_the_prefix_that_replaced_its_binary_placeholder(prefix):
    assert run(prefix / "bin" / "forgedemo").splitlines() == [
        str(prefix),
        "Hello from forgedemo.",
        "6 * 7 = 42",
    ]


@needs_compiler
def test_text_placeholders_are_replaced(prefix):
    assert f"-L{prefix}/lib" in run(prefix / "bin" / "forgedemo-config")
    assert f"prefix={prefix}\n" in (prefix / "lib/pkgconfig/forgedemo.pc").read_text()
    linked = [path for path in files_of(prefix) if path.parent.name != "conda-meta"]
    left = [path for path in linked if PLACEHOLDER.encode() in path.read_bytes()]
    assert left == []


@needs_compiler
@pytest.mark.slow
def test_c_extensions_can_be_compiled_in_the_prefix(prefix, tmp_path):
    include = run(
        prefix / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('include'))"
    ).strip()
    if not Path(include, "Python.h").exists():
        pytest.skip("the interpreter came without headers")
    (tmp_path / "answer.c").write_text(
        "#include <Python.h>\n"
        'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer"};\n'
        "PyMODINIT_FUNC PyInit_answer(void) { PyObject *m = PyModule_Create(&module);\n"
        ' PyModule_AddIntConstant(m, "value", 42); return m; }\n'
    )
    shared = tmp_path / "answer.so"
    run("cc", "-shared", "-fPIC", f"-I{include}", "-o", shared, tmp_path / "answer.c")
    out = run(prefix / "bin" / "python", "-c", "import answer; print(answer.value)", PYTHONPATH=str(tmp_path))
    assert out == "42\n"


@pytest.mark.slow
def test_virtual_environments_can_be_made_in_the_prefix(prefix, tmp_path):
    run(prefix / "bin" / "python", "-m", "venv", "--without-pip", tmp_path / "venv")
    code = "import sys; print(sys.base_prefix)"
    assert run(tmp_path / "venv" / "bin" / "python", "-c", code).strip() == str(prefix)


def test_the_channel_is_served_over_http_with_all_its_indexes(channel_server, tmp_path):
    import httpx

    for subdir in ("noarch", host_subdir()):
        for index in ("repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst"):
            assert httpx.get(f"{channel_server.url}/{subdir}/{index}").status_code == 200, (subdir, index)
    prefix = install(channel_server.url, tmp_path / "prefix", "tinylib 2.*", "python")
    assert run(prefix / "bin" / "python", "-c", "import tinylib; print(tinylib.__version__)") == "2.0\n"


def test_forging_twice_gives_byte_identical_packages(forged_channel, tmp_path):
    again = forge_test_channel(tmp_path / "again")
    one, two = packages_of(forged_channel), packages_of(again)
    assert one == two
    assert len(one) >= 5


def test_forging_into_the_same_channel_makes_only_what_is_new(tmp_path):
    one = make_wheel(tmp_path, "one", "1.0")
    made = [p.made for p in forge(tmp_path / "c", pythons=[], wheels=[one])]
    two = make_wheel(tmp_path, "two", "1.0")
    again = {p.name: p.made for p in forge(tmp_path / "c", pythons=[], wheels=[one, two])}
    assert made == [True]
    assert again == {"one": False, "two": True}
    indexed = json.loads((tmp_path / "c/noarch/repodata.json").read_text())["packages.conda"]
    assert {record["name"] for record in indexed.values()} == {"one", "two"}


def test_a_damaged_package_is_made_again_and_indexed_with_its_right_hash(tmp_path):
    wheel = make_wheel(tmp_path, "one", "1.0")
    (first,) = forge(tmp_path / "c", pythons=[], wheels=[wheel])
    first.path.write_bytes(b"damaged")
    forge(tmp_path / "c", pythons=[])
    (second,) = forge(tmp_path / "c", pythons=[], wheels=[wheel])
    assert second.made
    assert second.sha256 == first.sha256
    indexed = json.loads((tmp_path / "c/noarch/repodata.json").read_text())["packages.conda"]
    assert indexed[first.file]["sha256"] == first.sha256


def test_a_package_packed_differently_replaces_the_old_one_in_the_index(tmp_path):
    wheel = make_wheel(tmp_path, "one", "1.0", files={"one.py": "x = 1\n" * 5000})
    for level in (1, 19, 1):
        (made,) = forge(tmp_path / "c", pythons=[], wheels=[wheel], level=level)
        indexed = json.loads((tmp_path / "c/noarch/repodata.json").read_text())["packages.conda"]
        assert indexed[made.file]["sha256"] == made.sha256 == packages_of(tmp_path / "c")[made.file]


def test_a_file_in_the_channel_that_is_no_package_is_named(tmp_path):
    (tmp_path / "c" / "noarch").mkdir(parents=True)
    (tmp_path / "c" / "noarch" / "junk-1.0-0.conda").write_bytes(b"junk")
    with pytest.raises(UsageError, match=r"junk-1\.0-0\.conda: it cannot be indexed"):
        forge(tmp_path / "c", pythons=[])


def test_a_fault_while_writing_leaves_no_half_package_and_the_next_run_completes(tmp_path, monkeypatch):
    wheel = make_wheel(tmp_path, "one", "1.0")
    with monkeypatch.context() as broken:
        broken.setattr(Package, "info", lambda self: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            forge(tmp_path / "c", pythons=[], wheels=[wheel])
    assert list((tmp_path / "c" / "noarch").iterdir()) == []
    assert [p.made for p in forge(tmp_path / "c", pythons=[], wheels=[wheel])] == [True]


def test_a_channel_of_tar_bz2_packages_installs_too(tmp_path):
    wheels = [make_wheel(tmp_path, "one", "1.0", data={"share/one/data.txt": "data"})]
    made = forge(tmp_path / "c", wheels=wheels, fmt="tar.bz2")
    assert {package.path.name.endswith(".tar.bz2") for package in made} == {True}
    prefix = install(tmp_path / "c", tmp_path / "prefix", "python", "one")
    assert run(prefix / "bin" / "python", "-c", "import one; print(one.__version__)") == "1.0\n"
    assert (prefix / "share/one/data.txt").read_text() == "data"


@pytest.mark.slow
def test_two_pythons_live_side_by_side_in_one_channel(tmp_path):
    versions = other_pythons()
    if not versions:
        pytest.skip("pyenv has no other Python than the running one")
    own = ".".join(map(str, sys.version_info[:2]))
    wheel = make_wheel(tmp_path, "backport", "1.0", [f"tinylib; python_version == '{own}'"])
    lib = make_wheel(tmp_path, "tinylib", "1.0")
    forge(tmp_path / "c", pythons=[own, versions[0]], wheels=[wheel, lib], level=3)
    for number, (version, expected) in enumerate([(own, True), (versions[0], False)]):
        prefix = install(
            tmp_path / "c", tmp_path / f"e{number}" / "prefix", f"python {version}.*", "backport"
        )
        code = "import sys, ssl, sqlite3, backport; print('%d.%d' % sys.version_info[:2])"
        assert run(prefix / "bin" / "python", "-c", code) == f"{version}\n"
        assert any((prefix / "lib").glob("python*/site-packages/tinylib")) is expected


def test_a_wheel_for_one_python_becomes_a_package_of_this_platform_and_python(tmp_path):
    own = f"cp3{sys.version_info.minor}"
    machine = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}[host_subdir()]
    wheel = make_wheel(
        tmp_path,
        "native",
        "1.0",
        tags=f"{own}-{own}-manylinux_2_17_{machine}.manylinux2014_{machine}",
        files={"native/__init__.py": "def main():\n    print('native')\n"},
        entry_points={"native": "native:main"},
        scripts={"native-script": "#!python\nimport native\nnative.main()\n"},
    )
    found = {p.name: p for p in forge(tmp_path / "c", wheels=[wheel], level=3)}
    assert found["native"].subdir == host_subdir()
    assert "__glibc >=2.17,<3.0.a0" in found["native"].depends
    prefix = install(tmp_path / "c", tmp_path / "prefix", "native")
    assert run(prefix / "bin" / "native") == "native\n"
    assert run(prefix / "bin" / "native-script") == "native\n"
    code = "import importlib.metadata as m; print(all(f.locate().exists() for f in m.files('native')))"
    assert run(prefix / "bin" / "python", "-c", code) == "True\n"


@pytest.mark.slow
def test_the_systems_own_python_can_be_packed(tmp_path):
    system = Path("/usr/bin/python3")
    if not system.exists():
        pytest.skip("the system has no Python")
    lib = make_wheel(tmp_path, "tinylib", "1.0")
    forge(tmp_path / "c", pythons=[str(system)], wheels=[lib], level=3)
    prefix = install(tmp_path / "c", tmp_path / "prefix", "python", "tinylib")
    code = "import sys, ssl, sqlite3, sysconfig, tinylib; print(sys.prefix, sysconfig.get_path('purelib'))"
    out = run(prefix / "bin" / "python", "-c", code).split()
    assert out[0] == str(prefix)
    assert Path(out[1]) == next((prefix / "lib").glob("python3.*/site-packages"))
