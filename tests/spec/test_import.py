from __future__ import annotations

import subprocess
import sys

import pytest

import conjoin.spec

HEAVY = ("packaging", "ruamel", "rattler", "httpx", "pypi_simple", "msgspec", "requests")


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages a fresh interpreter has loaded after running ``code``."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_after("import conjoin.spec").intersection(HEAVY)


def test_naming_a_conda_request_loads_nothing_heavy():
    code = (
        "from conjoin import Requirements; from conjoin.spec import req_id\n"
        "req_id(Requirements.build(conda=['numpy=1.26'], python='3.11', index_url='https://i.example/simple'))"
    )
    assert not loaded_after(code).intersection(HEAVY)


@pytest.mark.parametrize("name", conjoin.spec.__all__)
def test_every_public_name_is_there(name):
    assert getattr(conjoin.spec, name) is not None


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        conjoin.spec.nonsense  # noqa: B018 - reading it is the test
