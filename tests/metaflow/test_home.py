"""Which folders of a code package can be links: packages of Metaflow and of extensions, nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("metaflow")
from metaflow_extensions.conjoin.plugins.environment.run.code_home import linked_folders

SITE = "/site-packages"


def at(*members: str, site: str = SITE) -> dict[str, str | bytes]:
    return {".mf_code/" + member: f"{site}/{member}" for member in members}


def test_metaflow_and_each_extension_are_one_link() -> None:
    members = {
        **at("metaflow/cli.py", "metaflow/plugins/cards/card_cli.py"),
        **at("metaflow_extensions/conjoin/plugins/x.py", site="/checkout/src"),
        **at("metaflow_extensions/other/toplevel/y.py"),
        ".mf_code/metaflow_extensions/__init__.py": b"",
        ".mf_meta/INFO": b"{}",
    }
    assert linked_folders(members) == {
        ".mf_code/metaflow": f"{SITE}/metaflow",
        ".mf_code/metaflow_extensions/conjoin": "/checkout/src/metaflow_extensions/conjoin",
        ".mf_code/metaflow_extensions/other": f"{SITE}/metaflow_extensions/other",
    }


@pytest.mark.parametrize(
    "members",
    [
        # A package that lies in two places, or is made up in part, or under another name.
        {
            **at("metaflow_extensions/org/plugins/a.py"),
            **at("metaflow_extensions/org/config/b.py", site="/elsewhere"),
        },
        {**at("metaflow/cli.py"), ".mf_code/metaflow/made.py": b"x = 1"},
        {".mf_code/metaflow/cli.py": "/site-packages/metaflow-patched/cli.py"},
        {".mf_code/metaflow/cli.py": "/site-packages/metaflow/command_line.py"},
        # Other packages: of them, what is in the package shall be there and no more.
        at("helpers/one.py"),
        at("six.py"),
        {".mf_meta/metaflow/data.json": "/site-packages/metaflow/data.json"},
    ],
)
def test_what_is_no_folder_of_its_own_is_not_linked(members: dict[str, str | bytes]) -> None:
    assert linked_folders(members) == {}
