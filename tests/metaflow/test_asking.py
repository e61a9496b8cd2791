"""What decorators ask for together: the rules of merging, by their sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("metaflow")
import metaflow  # noqa: F401 (before its extensions)
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request.ask import NOTHING, Ask, merged, overridden

names = st.sampled_from(["numpy", "Tiny_Lib", "a.b", "torch"])
versions = st.sampled_from(["", "1.0", ">=1", "<2", "==1.2.*"])
tables = st.dictionaries(names, versions, max_size=3)
asks = st.builds(
    Ask,
    conda=tables,
    pypi=tables,
    channels=st.lists(st.sampled_from(["x", "y", "z"]), max_size=2).map(tuple),
    indexes=st.lists(st.sampled_from(["https://a.example/", "https://b.example/"]), max_size=2).map(tuple),
    python=st.sampled_from([None, "3.11", "3.12"]),
    named=st.sampled_from([None, "team/x:v1"]),
    fetch_at_exec=st.sampled_from([None, True, False]),
    disabled=st.sampled_from([None, True, False]),
    pip_options=st.just(()),
    system=st.just({}),
    notes=st.just(()),
)


@given(asks)
def test_one_decorator_alone_asks_for_what_it_asks_for(ask: Ask) -> None:
    channels, indexes = tuple(dict.fromkeys(ask.channels)), tuple(dict.fromkeys(ask.indexes))
    assert merged([ask], "step s") == ask._replace(channels=channels, indexes=indexes)


@given(asks)
def test_a_flow_or_a_step_that_says_nothing_changes_nothing(ask: Ask) -> None:
    plain = merged([ask], "step s")
    assert overridden(plain, NOTHING) == plain
    enabled = plain.disabled if plain.disabled is not None or not plain.anything else False
    fetch = plain.fetch_at_exec
    assert overridden(NOTHING, plain) == plain._replace(disabled=enabled, fetch_at_exec=fetch)


@given(asks, asks)
def test_the_step_overrides_its_flow_package_by_package(flow: Ask, step: Ask) -> None:
    both = overridden(merged([flow], "flow"), merged([step], "step"))
    assert {name: both.conda[name] for name in step.conda} == step.conda
    assert {name: both.pypi[name] for name in step.pypi} == step.pypi
    rest = {name: version for name, version in both.conda.items() if name not in step.conda}
    assert rest.items() <= flow.conda.items()
    assert set(both.conda) == set(flow.conda) | set(step.conda)
    assert both.python == (step.python or (None if step.named else flow.python))
    if step.disabled is not None:
        assert both.disabled == step.disabled


@given(asks, asks)
def test_decorators_of_one_level_add_up_or_disagree(first: Ask, second: Ask) -> None:
    def agree(one: object, other: object) -> bool:
        return one is None or other is None or one == other

    singles = ("python", "named", "fetch_at_exec", "disabled")
    if not all(agree(getattr(first, one), getattr(second, one)) for one in singles):
        with pytest.raises(EnvironmentProblem, match="step s: decorators disagree on"):
            merged([first, second], "step s")
        return
    both = merged([first, second], "step s")
    assert set(both.conda) == {*first.conda, *second.conda}
    assert set(both.channels) == {*first.channels, *second.channels}
    # The order of decorators says nothing about versions.
    other = merged([second, first], "step s")
    assert {n: set(v.split(",")) for n, v in both.pypi.items()} == {
        n: set(v.split(",")) for n, v in other.pypi.items()
    }


def test_versions_of_one_level_must_all_hold() -> None:
    both = merged([Ask(conda={"numpy": "1.26.4"}), Ask(conda={"numpy": ">=1.2"})], "step s")
    assert both.conda == {"numpy": "==1.26.4,>=1.2"}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (Ask(pypi={"a": "1"}), Ask(pypi={"a": "git+https://x.example/a"}), "step s: a is asked for as"),
        (Ask(conda={"numpy": "1"}), Ask(conda={"conda-forge::numpy": "1"}), "are the same package"),
        (Ask(pypi={"a-b": "1"}), Ask(pypi={"A_b[x]": "1"}), "are the same package"),
        (Ask(system={"__cuda": "11"}), Ask(system={"__cuda": "12"}), "disagree on __cuda: 11 and 12"),
    ],
)
def test_what_cannot_be_merged_is_refused(first: Ask, second: Ask, message: str) -> None:
    with pytest.raises(EnvironmentProblem, match=message):
        merged([first, second], "step s")


def test_names_are_the_same_as_their_ecosystem_says() -> None:
    flow = Ask(conda={"conda-forge::NumPy": "1"}, pypi={"Tiny_Lib[extra]": "1", "other": "3"})
    both = overridden(flow, Ask(conda={"numpy": "2"}, pypi={"tiny-lib": "2"}))
    assert both.conda == {"numpy": "2"}
    assert both.pypi == {"other": "3", "tiny-lib": "2"}


@pytest.mark.parametrize(
    ("flow", "step", "disabled"),
    [
        (Ask(), Ask(), None),
        (Ask(disabled=True), Ask(), True),
        (Ask(disabled=True), Ask(conda={"a": ""}), False),
        (Ask(disabled=True), Ask(named="x"), False),
        (Ask(disabled=True), Ask(disabled=False), False),
        (Ask(conda={"a": ""}), Ask(disabled=True), True),
        (Ask(disabled=False), Ask(conda={"a": ""}, disabled=True), True),
    ],
)
def test_who_says_whether_a_step_has_an_environment(flow: Ask, step: Ask, disabled: bool | None) -> None:
    assert overridden(flow, step).disabled is disabled
