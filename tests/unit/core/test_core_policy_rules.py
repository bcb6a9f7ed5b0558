"""Goal: what holds for a VM is its own word first, then the first rule of the site that says it."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godwit.core.model import VmPolicy
from godwit.core.rules import PolicyRule, apply_policy_rules
from tests.unit.core.builders import vm

RULE = PolicyRule(patterns=("db-*", "pg?"), pause_max_s=0.3, may_postcopy=True)


def _policy(rules: list[PolicyRule], name: str = "db-1", **own: object) -> VmPolicy:
    given_here = frozenset(own) - {"labels"}
    return apply_policy_rules(rules, vm(name, policy=VmPolicy(given=given_here, **own))).policy


@pytest.mark.parametrize(("name", "meant"), [("db-1", True), ("pg7", True), ("web", False)])
def test_a_rule_speaks_of_the_names_that_match(name: str, meant: bool) -> None:
    found = _policy([RULE], name)
    assert (found.pause_max_s, found.may_postcopy) == ((0.3, True) if meant else (1.0, False))


def test_all_labels_of_a_rule_must_be_there() -> None:
    rule = PolicyRule(labels={"tier": "db", "site": "a"}, priority=7)
    assert _policy([rule], labels={"tier": "db", "site": "a", "more": "x"}).priority == 7
    assert _policy([rule], labels={"tier": "db"}).priority == 0
    assert _policy([rule], labels={"tier": "db", "site": "b"}).priority == 0


def test_name_and_labels_must_both_match() -> None:
    rule = PolicyRule(patterns=("db-*",), labels={"tier": "db"}, priority=7)
    assert _policy([rule], "db-1", labels={"tier": "db"}).priority == 7
    assert _policy([rule], "web", labels={"tier": "db"}).priority == 0
    assert _policy([rule], "db-1").priority == 0


def test_a_rule_without_names_and_labels_is_for_every_vm() -> None:
    assert _policy([PolicyRule(deadline_s=60.0)], "anything").deadline_s == 60.0


def test_the_metadata_wins_field_by_field() -> None:
    found = _policy([RULE], pause_max_s=0.9)
    assert (found.pause_max_s, found.may_postcopy) == (0.9, True)
    # Also where it says what would be the default.
    assert _policy([RULE], may_postcopy=False).may_postcopy is False
    assert found.given == frozenset({"pause_max_s"})


def test_the_first_rule_that_says_it_wins_and_later_ones_fill_the_rest() -> None:
    first = PolicyRule(pause_max_s=0.2, may_throttle=False)
    second = PolicyRule(pause_max_s=0.4, may_throttle=True, priority=3)
    found = _policy([first, second])
    assert (found.pause_max_s, found.may_throttle, found.priority) == (0.2, False, 3)


def test_without_a_rule_that_matches_the_vm_is_as_it_was() -> None:
    one = vm("web", policy=VmPolicy(pause_max_s=0.7))
    assert apply_policy_rules([RULE], one) is one


RULES = st.lists(
    st.builds(
        PolicyRule,
        patterns=st.sampled_from([(), ("db-*",), ("x*",)]),
        pause_max_s=st.none() | st.floats(0.01, 2),
        priority=st.none() | st.integers(-3, 3),
        may_throttle=st.none() | st.booleans(),
    ),
    max_size=4,
)


@given(RULES, st.sets(st.sampled_from(["pause_max_s", "priority", "may_throttle"])))
def test_every_field_comes_from_the_metadata_or_the_first_rule_or_is_the_default(
    rules: list[PolicyRule], own: set[str]
) -> None:
    values = {"pause_max_s": 0.5, "priority": 9, "may_throttle": True}
    mine = {name: values[name] for name in own}
    found = _policy(rules, **mine)
    for one in fields(VmPolicy):
        if one.name == "given":
            continue
        said = [
            value
            for rule in rules
            if rule.patterns != ("x*",) and (value := getattr(rule, one.name, None)) is not None
        ]
        expected = [mine[one.name]] if one.name in mine else said
        default = getattr(VmPolicy(), one.name)
        wanted = expected[0] if expected and one.name in values else default
        assert getattr(found, one.name) == wanted
