"""The same questions to the public index: it is what most users have."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from packaging.version import Version
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from conjoin.index.pypi.indexes import PypiIndexes
from conjoin.index.pypi.project import Wheel
from conjoin.spec.names import PypiName

pytestmark = pytest.mark.network


def test_the_largest_page_and_metadata_of_a_wheel(tmp_path: Path) -> None:
    async def ask() -> int:
        indexes = PypiIndexes([PYPI_SIMPLE_ENDPOINT], cache_dir=tmp_path)
        try:
            boto3 = await indexes.project(PypiName("boto3"))
            assert len(boto3.files) > 4000
            assert all(len(file.sha256 or "") == 64 for file in boto3.files)
            nobody = await indexes.project(PypiName("conjoin-test-no-such-project"))
            assert nobody.files == ()
            six = await indexes.project(PypiName("six"))
            (wheel,) = [
                file for file in six.files if isinstance(file, Wheel) and file.version == Version("1.16.0")
            ]
            known = await indexes.metadata(wheel)
            assert known.requires_dist == ()
            assert "3" in known.requires_python
            requests = [
                file
                for file in (await indexes.project(PypiName("requests"))).files
                if isinstance(file, Wheel) and file.version == Version("2.31.0")
            ]
            needed = (await indexes.metadata(requests[0])).requires_dist
            assert any(text.startswith("urllib3") for text in needed)
            sha256, size = await indexes.hash_of(wheel)
            assert sha256 == "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
            assert size in (0, 11053)
            return indexes.requests
        finally:
            await indexes.aclose()

    assert asyncio.run(ask()) > 0
    assert asyncio.run(ask()) == 0
