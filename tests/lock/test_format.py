from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import ConjoinError, IntegrityError, UsageError
from conjoin.lock.format import decode, encode, read_lock, write_lock
from conjoin.lock.identity import lock_digest, make_lock, platform_digest, requirements_id
from conjoin.lock.model import SCHEMA, Lock, LockedPackage, LockedPlatform

hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.from_regex(r"[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)


@st.composite
def packages(draw: st.DrawFn) -> LockedPackage:
    kind = draw(st.sampled_from(["conda", "pypi", "python"]))
    name = draw(names)
    if kind == "python":
        return LockedPackage(
            kind="python",
            name="python",
            version="3.11.7",
            file="cpython-3.11.7-cp311",
            implementation="cpython",
            abi="cp311",
        )
    common: dict[str, Any] = {
        "name": name,
        "version": draw(st.sampled_from(["1.0", "1!2.0", "2.0+local", "0.1a1"])),
        "sha256": draw(hexes),
        "size": draw(st.integers(0, 2**40)),
        "dependencies": tuple(draw(st.lists(texts.filter(str.strip), max_size=3))),
    }
    if kind == "pypi":
        url = f"https://files.example/{name}-1.whl"
        return LockedPackage(kind="pypi", file=f"{name}-1.whl", url=url, **common)
    build = draw(st.sampled_from(["0", "py311h1_0", "*_cp311".strip("*")]))
    url = f"https://conda.example/noarch/{name}.conda"
    return LockedPackage(
        kind="conda",
        file=f"{name}.conda",
        build=build,
        subdir="noarch",
        url=url,
        channel="https://conda.example/",
        license=draw(texts),
        **common,
    )


def _key(package: LockedPackage) -> tuple[str, str]:
    return package.kind, package.name


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    requirements = {"scheme": 1, "conda": draw(st.lists(texts, max_size=3))}
    platforms = draw(
        st.dictionaries(
            st.sampled_from(["linux-64", "osx-arm64", "win-64"]),
            st.lists(packages(), max_size=5, unique_by=_key),
            min_size=1,
        )
    )
    return make_lock(
        requirements,
        requirements_id(requirements),
        {
            name: LockedPlatform(virtual_packages={"__glibc": "2.28"}, packages=tuple(found))
            for name, found in platforms.items()
        },
    )


@given(locks())
def test_what_is_encoded_decodes_to_the_same_lock(lock: Lock) -> None:
    assert decode(encode(lock), "test") == lock
    assert encode(decode(encode(lock), "test")) == encode(lock)


@given(locks())
def test_the_bytes_are_json_with_sorted_keys_indented_by_one_space(lock: Lock) -> None:
    content = encode(lock).decode()
    assert content == json.dumps(json.loads(content), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@given(locks(), st.randoms(use_true_random=False))
def test_the_same_decision_has_the_same_bytes_in_whatever_order_it_was_made(lock: Lock, random: Any) -> None:
    shuffled = {}
    for name in random.sample(sorted(lock.platforms), len(lock.platforms)):
        locked = lock.platforms[name]
        mixed = tuple(random.sample(locked.packages, len(locked.packages)))
        shuffled[name] = LockedPlatform(virtual_packages=locked.virtual_packages, packages=mixed)
    requirements = dict(reversed(lock.requirements.items()))
    again = make_lock(requirements, lock.req_id, shuffled)
    assert again.full_id == lock.full_id
    assert encode(again) == encode(lock)
    unsorted = Lock(
        schema=SCHEMA,
        req_id=lock.req_id,
        full_id=lock.full_id,
        requirements=requirements,
        platforms=shuffled,
    )
    assert encode(unsorted) == encode(lock)


@given(locks(), st.data())
def test_no_change_of_one_byte_passes_for_another_decision(lock: Lock, data: st.DataObject) -> None:
    content = bytearray(encode(lock))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] = data.draw(st.integers(32, 126).filter(lambda byte: byte != content[position]))
    try:
        read = decode(bytes(content), "test")
    except ConjoinError:
        return
    # What no id covers (a dependency's text, where from) may change, what is installed may not; and the
    # digest of the whole covers all but where from.
    assert (read.req_id, read.full_id, read.requirements) == (lock.req_id, lock.full_id, lock.requirements)
    assert {name: platform_digest(name, each) for name, each in read.platforms.items()} == {
        name: platform_digest(name, each) for name, each in lock.platforms.items()
    }
    assert lock_digest(read) != lock_digest(lock) or _without_origins(read) == _without_origins(lock)


def _without_origins(lock: Lock) -> Any:
    document = json.loads(encode(lock))
    for locked in document["platforms"].values():
        for package in locked["packages"]:
            package.pop("url", None)
            package.pop("channel", None)
    return document


@given(st.binary(max_size=200))
def test_junk_is_a_usage_error_that_says_where(junk: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        decode(junk, "some/file")
    assert caught.value.where == "some/file"


def example() -> dict[str, Any]:
    package = LockedPackage(
        kind="conda",
        name="zlib",
        version="1.3",
        build="h0_0",
        file="zlib-1.3-h0_0.conda",
        url="https://conda.example/linux-64/zlib-1.3-h0_0.conda",
        channel="https://conda.example/",
        sha256="ab" * 32,
        size=7,
        subdir="linux-64",
    )
    wheel = LockedPackage(
        kind="pypi",
        name="six",
        version="1.17.0",
        file="six-1.17.0-py3-none-any.whl",
        url="https://files.example/six-1.17.0-py3-none-any.whl",
        sha256="cd" * 32,
    )
    platform = LockedPlatform(virtual_packages={"__glibc": "2.28"}, packages=(wheel, package))
    lock = make_lock({"scheme": 1}, requirements_id({"scheme": 1}), {"linux-64": platform})
    return json.loads(encode(lock))


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def test_a_newer_schema_asks_for_an_upgrade() -> None:
    document = example() | {"schema": SCHEMA + 1, "platforms": "something new"}
    with pytest.raises(UsageError, match="upgrade conjoin"):
        decode(encoded(document), "test")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", "../zlib.conda"),
        ("file", "a/b.conda"),
        ("file", "/etc/passwd.conda"),
        ("file", ".hidden.conda"),
        ("file", "zlib\n.conda"),
        ("file", "zlib.exe"),
        ("build", "../../x"),
        ("version", "1/../../x"),
        ("name", "../zlib"),
        ("sha256", "ab" * 31),
        ("sha256", "AB" * 32),
        ("sha256", "../" + "a" * 61),
        ("md5", "short"),
        ("size", -1),
        ("url", "https://user:word@conda.example/zlib.conda"),
        ("kind", "deb"),
        ("python_site_packages_path", "lib/python3.13/site-packages"),
        ("subdir", "osx-64"),
        ("subdir", "../linux-64"),
        ("noarch", "yes"),
        ("build_number", -1),
        ("timestamp", 10**30),
        ("timestamp", -1),
        ("size", 2**60),
        ("license", "MIT\x1b[2J"),
        ("license", "MIT\nBSD"),
        ("dependencies", ["zlib\0"]),
        ("dependencies", [""]),
        ("constrains", ["x" * 5000]),
        ("track_features", ["a b"]),
        ("provides", ["Not_Normal"]),
        ("editable", True),
        ("direct", True),
        ("extras", ["x"]),
        ("source_url", "https://files.example/x.tar.gz"),
        ("abi", "cp311"),
        ("url", "zlib-1.3-h0_0.conda"),
        ("url", "http://[x/zlib-1.3-h0_0.conda"),
        ("url", "https://conda.example:port/linux-64/zlib-1.3-h0_0.conda"),
        ("channel", "https://user:word@conda.example/"),
        ("later", 1),
    ],
)
def test_a_field_that_could_lead_astray_is_refused(field: str, value: object) -> None:
    document = example()
    document["platforms"]["linux-64"]["packages"][0][field] = value
    with pytest.raises(UsageError) as caught:
        decode(encoded(document), "test")
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Not-Normal"),
        ("file", "six.tar.gz"),
        ("url", "ftp"),
        ("url", "https://user:word@files.example/six-1.17.0-py3-none-any.whl"),
        ("source_url", "https://files.example/six.tar.gz"),  # beside a url
        ("requires_python", ">=3\n"),
        ("extras", ["a_b"]),
        ("build_key", "short"),
        ("built_with", ["x.whl"]),
        ("built_with", ["../x.whl#sha256=" + "0" * 64]),
        ("editable", True),  # of no folder
        ("subdir", "noarch"),
        ("python_site_packages_path", "x"),
    ],
)
def test_a_field_of_a_wheel_that_could_lead_astray_is_refused(field: str, value: object) -> None:
    document = example()
    document["platforms"]["linux-64"]["packages"][1][field] = value
    with pytest.raises(UsageError) as caught:
        decode(encoded(document), "test")
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "/abs",
        "../up",
        "lib/../../up",
        "lib//x",
        "./lib",
        "lib/",
        "lib/.hidden",
        "lib/a b",
        "lib\\x",
        "C:x",
        "~",
    ],
)
def test_a_python_keeps_its_packages_below_its_prefix(place: str) -> None:
    document = example()
    package = document["platforms"]["linux-64"]["packages"][0]
    for field in ("name", "file", "url"):
        package[field] = package[field].replace("zlib", "python")
    package["python_site_packages_path"] = place
    with pytest.raises(UsageError, match="python_site_packages_path"):
        decode(encoded(document), "test")


@pytest.mark.parametrize(
    ("name", "value"), [("glibc", "2.28"), ("__glibc", "2.28\n"), ("__glibc", "2 28"), ("__GLIBC", "2.28")]
)
def test_a_virtual_package_has_a_grammar(name: str, value: str) -> None:
    document = example()
    document["platforms"]["linux-64"]["virtual_packages"] = {name: value}
    with pytest.raises(UsageError, match="virtual_packages"):
        decode(encoded(document), "test")


def test_a_lock_of_a_schema_that_nobody_published_is_refused() -> None:
    with pytest.raises(UsageError, match="no published version"):
        decode(encoded(example() | {"schema": 1}), "test")


def test_two_packages_of_one_name_are_refused() -> None:
    document = example()
    found = document["platforms"]["linux-64"]["packages"]
    found.append(dict(found[0]))
    with pytest.raises(UsageError, match="second conda package 'zlib'"):
        decode(encoded(document), "test")


@pytest.mark.parametrize("key", ["req_id", "full_id"])
def test_an_id_of_other_content_is_an_integrity_error(key: str) -> None:
    with pytest.raises(IntegrityError, match=key):
        decode(encoded(example() | {key: "0" * 40}), "test")


def test_an_exchanged_hash_is_an_integrity_error() -> None:
    document = example()
    document["platforms"]["linux-64"]["packages"][0]["sha256"] = "ef" * 32
    with pytest.raises(IntegrityError, match="full_id"):
        decode(encoded(document), "test")


def test_a_lock_reads_in_lines_and_ends_with_one(tmp_path: Path) -> None:
    lock = decode(encoded(example()), "test")
    write_lock(tmp_path / "lock.json", lock)
    text = (tmp_path / "lock.json").read_text()
    assert text.endswith("}\n")
    assert '\n     "name": "zlib",\n' in text
    assert read_lock(tmp_path / "lock.json") == lock
    assert [path.name for path in tmp_path.iterdir()] == ["lock.json"]


def test_a_missing_file_and_a_missing_folder_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_lock(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot be written"):
        write_lock(tmp_path / "none" / "lock.json", decode(encoded(example()), "test"))


def test_the_ids_are_those_of_all_versions_to_come() -> None:
    # Golden: a store is addressed by these.
    document = example()
    assert document["req_id"] == "9106ab837da22bf93dd9c72ab1f1cd9e96c801a5"
    assert document["full_id"] == "cc41eba816ef1615975aac7727170945161aad6d"
    lock = decode(encoded(document), "test")
    digest = platform_digest("linux-64", lock.platforms["linux-64"])
    assert digest == "75a24ca6e1e32b76742f54113fcbfeeaf669c505"
    assert lock_digest(lock) == "d45cf6e5d16dc5b6895a1a77f1035517c8f86b0718029c0d60c84d0f47411b71"


def test_an_empty_list_is_left_out_whichever_way_python_made_it() -> None:
    """On Python 3.10, ``tuple(x for x in [])`` is not the object ``()``, which msgspec compares with."""
    common: dict[str, Any] = {
        "kind": "pypi",
        "name": "a",
        "version": "1",
        "file": "a-1.whl",
        "sha256": "0" * 64,
    }
    made = LockedPackage(**common, extras=tuple(x for x in ()), dependencies=tuple(x for x in ()))
    one, two = (
        encode(
            make_lock(
                {}, requirements_id({}), {"linux-64": LockedPlatform(virtual_packages={}, packages=(p,))}
            )
        )
        for p in (made, LockedPackage(**common))
    )
    assert one == two
    assert b"extras" not in one
