"""Origins that are no web servers."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest

from conjoin.cli.main import main
from conjoin.forge import forge
from conjoin.store.backend.address import Address, parse_address
from object_stores import ObjectServer


def test_a_channel_in_s3_from_resolving_to_a_prefix(
    s3: ObjectServer, isolated_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tool = tmp_path / "tool"
    (tool / "share").mkdir(parents=True)
    (tool / "share" / "tool.txt").write_text("a tool\n")
    (tool / "forge.toml").write_text('[package]\nname = "tool"\nversion = "1.0"\nnoarch = "generic"\n')
    made = tmp_path / "channel"
    forge(made, pythons=[], folders=[tool], level=3)
    address = parse_address(f"s3://{s3.new_bucket()}")
    assert isinstance(address, Address)
    bucket = address.open()
    for file in made.rglob("*.*"):
        if file.is_file():
            obstore.put(bucket, f"our/channel/{file.relative_to(made).as_posix()}", file.read_bytes())
    asked = ["-c", f"{address.text}/our/channel", "--conda", "tool", "--platform", "linux-64"]
    assert main(["resolve", *asked, "--alias", "tool", "-v"]) == 0
    assert main(["push", "tool", "--store", str(tmp_path / "team")]) == 0
    assert main(["create", "tool", "--prefix", str(tmp_path / "prefix")]) == 0
    assert (tmp_path / "prefix" / "share" / "tool.txt").read_text() == "a tool\n"
    # Neither the keys nor what was signed with them is kept.
    for path in (*isolated_home.rglob("*"), *(tmp_path / "team").rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(secret in content for secret in (b"loopback-key", b"loopback-secret", b"X-Amz")), path
    said = capsys.readouterr()
    assert "loopback-key" not in said.out + said.err
    [gone] = [meta["path"] for batch in obstore.list(bucket) for meta in batch if "tool-1.0" in meta["path"]]
    obstore.delete(bucket, gone)
    for cached in (isolated_home / "store" / "packages").rglob("*.conda"):
        cached.unlink()
    assert main(["push", "tool", "--store", str(tmp_path / "other")]) == 4
    assert "there is no such object; it was removed there: resolve again" in capsys.readouterr().err
