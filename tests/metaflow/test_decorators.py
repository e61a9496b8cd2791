"""Decorators: the attributes they take, what they make of them, and that ``--with`` gives them back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("metaflow")
import metaflow
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request import flow_decorators, step_decorators
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask

STEP = {one.name: one for one in map(step_decorators.__dict__.get, step_decorators.__all__)}
FLOW = {one.name: one for one in map(flow_decorators.__dict__.get, flow_decorators.__all__)}

# Section by section: Metaflow's own, the Netflix extension's, and those that both call deprecated.
ATTRIBUTES = {
    "conda": {"packages", "libraries", "channels", "python", "disabled"}
    | {"pip_packages", "pip_sources", "name", "pathspec", "fetch_at_exec"},
    "pypi": {"packages", "conda_only", "extra_indices", "sources", "extras", "python", "disabled"}
    | {"name", "pathspec", "fetch_at_exec"},
    "named_env": {"name", "pathspec", "fetch_at_exec", "disabled"},
    "sys_packages": {"packages", "disabled"},
}
ATTRIBUTES["pip"] = ATTRIBUTES["pypi"]


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_every_attribute_of_both_is_taken(name: str) -> None:
    assert set(STEP[name].defaults) == set(FLOW[f"{name}_base"].defaults) == ATTRIBUTES[name]


@pytest.mark.parametrize("name", [*STEP, *FLOW])
def test_metaflow_offers_the_decorator_and_calls_its_init(name: str) -> None:
    decorator = {**STEP, **FLOW}[name]
    assert getattr(metaflow, name).args[0] is decorator
    # Metaflow calls `init` only where the class itself has one.
    assert "init" in vars(decorator)
    assert decorator.allow_multiple


def ask_of(decorator: str, /, **attributes: object) -> Ask:
    return {**STEP, **FLOW}[decorator](attributes=attributes, statically_defined=True).ask()


def test_conda() -> None:
    ask = ask_of(
        "conda",
        packages={"numpy": "1.26"},
        libraries={"numpy": "1.0", "scipy": ""},
        channels=["x"],
        python=3.11,
    )
    assert ask == Ask(conda={"numpy": "1.26", "scipy": ""}, channels=("x",), python="3.11")


def test_pypi() -> None:
    ask = ask_of(
        "pypi_base",
        packages={"requests[socks]": ">=2"},
        conda_only={"git-lfs": "3"},
        extra_indices=["https://a.example/"],
        extras=["pre"],
    )
    assert ask == Ask(
        pypi={"requests[socks]": ">=2"},
        conda={"git-lfs": "3"},
        indexes=("https://a.example/",),
        pip_options=("pre",),
    )


def test_named_env_and_sys_packages() -> None:
    assert ask_of("named_env", name="a:v1", fetch_at_exec=True) == Ask(named="a:v1", fetch_at_exec=True)
    assert ask_of("named_env", pathspec="F/1/s") == Ask(named="step:F/1/s")
    assert ask_of("sys_packages", packages={"__cuda": "==12.4"}) == Ask(system={"__cuda": "12.4"})


def test_deprecated_attributes_work_and_say_what_to_write() -> None:
    ask = ask_of("conda", pip_packages={"a": "1"}, pip_sources=["https://a.example/"], name="x")
    assert (ask.pypi, ask.indexes, ask.named) == ({"a": "1"}, ("https://a.example/",), "x")
    assert [note.partition("; write ")[2] for note in ask.notes] == [
        "@pypi(packages=...)",
        "@pypi(extra_indices=...)",
        "@named_env(name=...)",
    ]
    assert ask_of("pip_base", packages={"a": "1"}).notes == ("@pip_base is deprecated; write @pypi_base",)


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("conda", {"packages": ["numpy"]}, r"@conda: packages=\['numpy'\] is no dictionary"),
        ("conda", {"packages": {"numpy": ["1"]}}, "is no version of numpy"),
        ("conda", {"packages": {"numpy": True}}, "is no version of numpy"),
        ("conda", {"python": 3.1}, 'write python="3.10"'),
        ("conda", {"channels": [1]}, "is no list of texts"),
        ("conda", {"disabled": "maybe"}, "is neither True nor False"),
        ("named_env", {"name": "a", "pathspec": "F/1/s"}, "choose one"),
        ("sys_packages", {"packages": {"__linux": "5"}}, "__linux cannot be set; known are __cuda, __glibc"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, attributes: dict[str, object], message: str) -> None:
    with pytest.raises(EnvironmentProblem, match=message):
        ask_of(name, **attributes)


def test_where_libraries_went_others_find_packages() -> None:
    decorator = STEP["conda"](attributes={"libraries": {"a": "1"}})
    decorator.external_init()
    assert decorator.attributes["packages"] == {"a": "1"}
    assert decorator.is_attribute_user_defined("packages")
    assert not decorator.is_attribute_user_defined("python")


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
tables = st.dictionaries(texts.filter(str.strip), texts, max_size=3)


@given(
    packages=tables,
    channels=st.lists(texts, max_size=3),
    python=st.sampled_from([None, "3.10", "3.11.7", ">=3.10,<3.13", "3.13t"]),
    disabled=st.sampled_from([None, True, False]),
    name=st.one_of(st.none(), st.sampled_from(["team/x:v1", "@{A},b=c", 'a "b" c'])),
)
def test_every_attribute_survives_the_way_through_with(
    packages: dict[str, str],
    channels: list[str],
    python: str | None,
    disabled: bool | None,
    name: str | None,
) -> None:
    """What ``run --with`` attaches reaches tasks as a text on their command line."""
    decorator = STEP["conda"](
        attributes={
            "packages": packages,
            "channels": channels,
            "python": python,
            "disabled": disabled,
            "name": name,
        }
    )
    spec = decorator.make_decorator_spec()
    assert spec.split(":")[0] == "conda"
    again = STEP["conda"].parse_decorator_spec(spec.partition(":")[2])
    assert again.ask() == decorator.ask()
    assert again.make_decorator_spec() == spec


def test_a_python_on_the_command_line_is_no_number() -> None:
    assert STEP["conda"].parse_decorator_spec("python=3.10").ask().python == "3.10"
    assert STEP["pypi"].parse_decorator_spec('packages={"a": "1"},python=3.10').ask().python == "3.10"
