"""What the extension reaches of Metaflow's own: each function against the Metaflow that is installed.

A test that fails here after an update of Metaflow names the function of ``metaflow_internals`` to look at.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("metaflow")
import metaflow
from metaflow import FlowSpec, conda_base, pypi_base, step
from metaflow_extensions.conjoin import metaflow_internals as internals
from test_architecture import EXTENSION, imports_of, modules

INTERNALS = EXTENSION / "conjoin" / "metaflow_internals.py"
OTHERS = [path for path in modules(EXTENSION) if path != INTERNALS]

FOR_EXTENSIONS = {
    "metaflow": "what users import",
    "metaflow.decorators": "the classes that decorators of extensions are",
    "metaflow.exception": "the class that errors of extensions are",
    "metaflow.metadata_provider": "what a decorator's task_pre_step registers",
    "metaflow.metaflow_config": "the settings, those of extensions among them",
    "metaflow.metaflow_config_funcs": "how an extension's settings are read",
    "metaflow.metaflow_environment": "the class that environments of extensions are",
    "metaflow.metaflow_version": "what metaflow.__version__ is made of",
    "metaflow.plugins": "the lists of plugins",
}
"""Modules of Metaflow that any module of the extension may import: extensions are written with them."""

# Attributes that named tuples have by the standard library, underscore and all.
OF_NAMED_TUPLES = {"_replace", "_fields"}


@conda_base(packages={"a": "1"})
class Above(FlowSpec):
    """A flow that another derives from."""

    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


@pypi_base(packages={"b": "1"})
class Below(Above):
    """Inherits a decorator, and has one."""


def test_click_is_metaflow_s_own() -> None:
    click = internals.metaflow_click()
    assert click.__name__ == "metaflow._vendor.click"
    from metaflow.cli import cli  # whose commands are of this very click

    assert isinstance(cli, click.Group)


def test_contexts_of_the_running_command() -> None:
    click = internals.metaflow_click()
    assert list(internals.click_contexts()) == []
    outer = click.Context(click.Command("flow.py"), info_name="flow.py")
    with outer, click.Context(click.Command("run"), parent=outer, info_name="run"):
        found = list(internals.click_contexts())
    assert [one.info_name for one in found] == ["run", "flow.py"]
    assert found[1].obj is None
    assert found[1].invoked_subcommand is None


def test_the_attributes_that_the_user_gave() -> None:
    from metaflow.plugins.project_decorator import ProjectDecorator

    decorator = ProjectDecorator(attributes={"name": "x"}, statically_defined=True)
    assert internals.user_defined_attributes(decorator) == {"name"}
    # What is added there, Metaflow sees.
    internals.user_defined_attributes(decorator).add("branch")
    assert "branch" in decorator._user_defined_attributes


def named(decorators: list[Any]) -> list[str]:
    return [one.name for one in decorators]


def test_a_flow_s_own_decorators_and_those_it_inherits() -> None:
    found = internals.flow_decorators(Below(use_cli=False))
    assert (named(found.inherited), named(found.own)) == (["conda_base"], ["pypi_base"])
    found = internals.flow_decorators(Above(use_cli=False))
    assert (named(found.inherited), named(found.own)) == ([], ["conda_base"])


def test_a_flow_whose_decorators_metaflow_does_not_tell_apart() -> None:
    """As in Metaflow before mutators; `_flow_decorators` is what both have."""
    both = Below(use_cli=False)._flow_decorators
    found = internals.flow_decorators(SimpleNamespace(_flow_decorators=both))
    assert (found.inherited, sorted(named(found.own))) == ([], ["conda_base", "pypi_base"])


def test_a_setting_is_handed_on_as_it_is_told_to_be() -> None:
    program = (
        "from metaflow.metaflow_config_funcs import config_values, from_conf\n"
        "from metaflow_extensions.conjoin.metaflow_internals import serialize_setting\n"
        "assert from_conf('CONDA_OF_A_TEST') == 'secret'\n"
        "serialize_setting('METAFLOW_CONDA_OF_A_TEST', lambda value: value.upper())\n"
        "print(dict(config_values())['METAFLOW_CONDA_OF_A_TEST'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "METAFLOW_CONDA_OF_A_TEST": "secret"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "SECRET\n"), done.stderr


PROGRAM = """
import json
from pathlib import Path
from metaflow import FlowSpec, step
from metaflow.client.core import MetaflowCode
from metaflow.datastore import FlowDataStore
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.package import MetaflowPackage
from metaflow.plugins.datastores.local_storage import LocalStorage
from metaflow_extensions.conjoin import metaflow_internals as internals

here = Path(__file__).parent

class Flow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

def added():
    if BROKEN:
        raise ValueError("this cannot be listed")
    return [
        internals.code_member(str(here / "code.txt"), "engine/code.txt"),
        internals.other_member(str(here / "other.txt"), "locks/other.txt"),
    ]

flow = Flow(use_cli=False)
environment = MetaflowEnvironment(flow)
environment.add_to_package = added
store = FlowDataStore(flow.name, environment, storage_impl=LocalStorage, ds_root=str(here / "store"))
package = MetaflowPackage(flow, environment, print, suffixes=[".py"], flow_datastore=store)
if BROKEN:
    try:
        print(len(list(internals.listed_content(package))))
    except Exception as error:
        print(type(error).__name__, error)
else:
    listed = {name: origin for origin, name in internals.listed_content(package) if isinstance(origin, str)}
    # Without them listing would wait for packing, and nobody would notice.
    assert {"_cached_user_members", "_is_package_available"} <= set(vars(package))
    code = {"location": package.package_url(), "sha": package.package_sha(), "ds_type": "local"}
    code["metadata"] = package.package_metadata
    internals.extract_code(MetaflowCode(flow.name, json.dumps(code)), here / "into")
    print(json.dumps(listed))
"""


def packaged(folder: Path, *, broken: bool) -> str:
    """Return what a process says that has Metaflow make a code package of a flow in ``folder``."""
    for name in ("code.txt", "other.txt"):
        (folder / name).write_text(name)
    (folder / "into").mkdir()
    (folder / "flow.py").write_text(f"BROKEN = {broken}\n{PROGRAM}")
    done = subprocess.run(
        [sys.executable, str(folder / "flow.py")],
        env={**os.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder / "store"), "METAFLOW_USER": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_in_a_code_package_is_listed_and_is_extracted_when_the_run_is_over(tmp_path: Path) -> None:
    listed = json.loads(packaged(tmp_path, broken=False))
    root = str(Path(metaflow.__file__).parent)
    assert listed[".mf_code/metaflow/cli.py"] == f"{root}/cli.py"
    assert listed[".mf_code/engine/code.txt"] == str(tmp_path / "code.txt")
    assert listed[".mf_meta/locks/other.txt"] == str(tmp_path / "other.txt")
    assert "flow.py" not in listed
    into = tmp_path / "into"
    assert (into / "flow.py").read_text() == (tmp_path / "flow.py").read_text()
    assert (into / ".mf_code/engine/code.txt").read_text() == "code.txt"
    assert (into / ".mf_meta/locks/other.txt").read_text() == "other.txt"


def test_a_code_package_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    assert "this cannot be listed" in packaged(tmp_path, broken=True)


def test_metaflow_as_it_is_installed_here() -> None:
    found = {name: origin for origin, name in internals.installed_metaflow()}
    assert found[".mf_code/metaflow/cli.py"] == str(Path(metaflow.__file__).parent / "cli.py")
    assert ".mf_code/metaflow_extensions/conjoin/metaflow_internals.py" in found
    [information] = [origin for name, origin in found.items() if name.endswith("/INFO")]
    assert isinstance(information, bytes)
    assert "production_token" not in information.decode()


def test_the_parameters_of_a_run(tmp_path: Path) -> None:
    from metaflow.datastore import FlowDataStore
    from metaflow.plugins.datastores.local_storage import LocalStorage

    root = str(tmp_path)
    store = FlowDataStore("Flow", None, storage_impl=LocalStorage, ds_root=root)
    assert internals.parameter_artifacts("Flow", "7", "local", root) is None
    task = store.get_task_datastore("7", "_parameters", "1", attempt=0, mode="w")
    task.init_task()
    task.save_artifacts([("size", 3), ("name", "x")])
    task.done()
    found = internals.parameter_artifacts("Flow", "7", "local", root)
    assert found is not None
    assert {"size", "name"} <= {name for name, _ in found.items()}
    assert (found["size"], found["name"]) == (3, "x")


def test_how_the_runner_waits_for_its_commands(tmp_path: Path) -> None:
    utils = internals.runner_module()
    process = subprocess.Popen(["true"])
    process.wait()
    command = SimpleNamespace(process=process, log_files={}, command=["true"])
    with utils.with_dir(str(tmp_path)):
        assert Path.cwd() == tmp_path
    for _ in range(2):
        with utils.temporary_fifo() as (path, descriptor):
            with Path(path).open("w") as file:
                file.write("{}")
            if _:
                assert asyncio.run(utils.async_handle_timeout(descriptor, command, 5)) == "{}"
            else:
                assert utils.handle_timeout(descriptor, command, 5) == "{}"
    assert callable(utils.make_process_error_message)


def is_private(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and name[:1] == "_" and name[:2] != "__"


def attributes(tree: ast.AST) -> list[ast.Attribute]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr)]


def texts(tree: ast.AST) -> list[ast.Constant]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and is_private(node.value)]


REACHED = {
    "_all_configs",
    "_cached_user_members",
    "_code_metadata",
    "_code_obj",
    "_flow_decorators",
    "_flow_state",
    "_is_package_available",
    "_mfcontent",
    "_user_defined_attributes",
}
"""Private names of Metaflow's objects: a new one is a decision, and wants a function and a test above."""


def test_the_private_names_that_are_reached() -> None:
    tree = ast.parse(INTERNALS.read_text("utf-8"))
    found = {node.attr for node in attributes(tree)} | {node.value for node in texts(tree)}
    # `_replace` is of named tuples; `_parameters` is what Metaflow calls the task that keeps them.
    assert found - {"_replace", "_parameters"} == REACHED


def test_no_other_module_touches_what_is_private() -> None:
    wrong = []
    for path in OTHERS:
        tree = ast.parse(path.read_text("utf-8"))
        wrong += [
            f"{path.relative_to(EXTENSION)}:{node.lineno}: {ast.unparse(node)}"
            for node in attributes(tree)
            # Of a decorator or an environment, `self` is half Metaflow's.
            if node.attr in REACHED
            or (
                not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
                and node.attr not in OF_NAMED_TUPLES
            )
        ]
        wrong += [
            f"{path.relative_to(EXTENSION)}: {one.value}" for one in texts(tree) if one.value in REACHED
        ]
    assert wrong == []


def test_other_modules_import_what_is_meant_for_extensions() -> None:
    taken = [one for path in OTHERS for one in imports_of(path) if one.root == "metaflow"]
    assert [str(one) for one in taken if one.module not in FOR_EXTENSIONS] == []
    assert {one.module for one in taken} == set(FOR_EXTENSIONS)


def test_every_function_is_used() -> None:
    everything = "".join(path.read_text("utf-8") for path in OTHERS)
    assert [name for name in internals.__all__ if name not in everything] == ["FlowDecorators"]


def test_what_is_imported_from_metaflow_is_there() -> None:
    """Imports inside of functions, too, which fail when somebody needs them."""
    taken = {
        (node.module, alias.name)
        for path in (*OTHERS, INTERNALS)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "metaflow"
        for alias in node.names
    }
    assert len(taken) > 20
    for module, name in sorted(taken):
        if not hasattr(importlib.import_module(module), name):
            importlib.import_module(f"{module}.{name}")
