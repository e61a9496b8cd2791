"""Which rule counts for a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.config.settings import Layer, Settings
from conjoin.errors import UsageError
from conjoin.trust.policy import rule_for, rule_for_some, signing_key


def settings(**trust: tuple[str, ...]) -> Settings:
    values = {"trust": {key.replace("__", "/"): texts for key, texts in trust.items()}}
    return Settings([Layer("user", values, {"trust": "config.toml:3"}, Path("/somewhere"))])


@pytest.mark.parametrize(
    ("name", "principals"),
    [
        ("team", ("a",)),
        ("team/torch", ("a",)),
        ("team/torch/gpu", ("a",)),
        ("team/secure/x", ("b",)),
        ("teams/x", None),  # whole parts
        ("other", None),
    ],
)
def test_the_longest_prefix_of_whole_parts_counts(name: str, principals: tuple[str, ...] | None) -> None:
    rule = rule_for(name, settings(team=("a",), team__secure=("b",)))
    assert (rule.principals if rule else None) == principals
    assert rule is None or rule.where == "config.toml:3"


def test_a_star_is_every_name_that_has_no_rule_of_its_own() -> None:
    said = Settings([Layer("user", {"trust": {"*": ("a",), "team/*": ("b",)}})])
    rules = [rule_for(name, said) for name in ("x", "team/x")]
    assert [rule and rule.principals for rule in rules] == [("a",), ("b",)]


@pytest.mark.parametrize("key", ["Team", "te*", "a//b", "../x", "", "team:v1"])
def test_what_is_no_beginning_of_names_is_refused(key: str) -> None:
    """A policy that protects nothing because of a typo must not pass for one."""
    said = Settings([Layer("user", {"trust": {key: ("a",)}}, {"trust": "config.toml:3"})])
    with pytest.raises(UsageError, match=r"^config.toml:3: trust: .* is no beginning of names"):
        rule_for("something/else", said)


@pytest.mark.parametrize("principal", ["a,b", "a b", "-f", " "])
def test_what_is_no_principal_is_refused(principal: str) -> None:
    with pytest.raises(UsageError, match="principals are words"):
        rule_for("team/x", settings(team=(principal,)))


@pytest.mark.parametrize(
    ("start", "covered"), [("team/", True), ("te", True), ("", True), ("team/x/", True), ("other/", False)]
)
def test_a_rule_for_some_name_that_begins_so(start: str, covered: bool) -> None:
    assert (rule_for_some(start, settings(team=("a",))) is not None) == covered


def test_files_are_relative_to_where_they_are_said() -> None:
    values = {"trust": {"team": ("a",)}, "allowed-signers": "signers", "signing-key": "key.pub"}
    said = Settings([Layer("user", values, {}, Path("/somewhere"))])
    rule = rule_for("team/x", said)
    assert rule is not None
    assert rule.allowed_signers == Path("/somewhere/signers")
    assert signing_key(said) == "/somewhere/key.pub"
    literal = "ssh-ed25519 AAAA me"
    assert signing_key(Settings([Layer("user", {"signing-key": literal})])) == literal
    with pytest.raises(UsageError, match="no key to sign with is named"):
        signing_key(Settings([]))
