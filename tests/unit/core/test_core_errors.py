"""Goal: every error tells cause, evidence and remedy, and machines can tell them all apart.

Method: the tree is walked, not listed, so that a new class is tested too.
"""

from collections.abc import Iterator

import pytest

from godwit.core import errors
from godwit.core.errors import (
    Aborted,
    Bug,
    DriverError,
    GodwitError,
    IllegalTransition,
    InputError,
    OutcomeUnknown,
    Refused,
    StepRefused,
)


def tree(root: type[GodwitError]) -> Iterator[type[GodwitError]]:
    yield root
    for one in root.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from tree(one)


ALL = tuple(tree(GodwitError))


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_it_shows_cause_evidence_and_remedy_in_this_order(kind: type[GodwitError]) -> None:
    error = kind("it broke", evidence="a crack", remedy="glue it")
    assert str(error) == "it broke\nEvidence: a crack\nRemedy: glue it"
    assert (error.message, error.evidence, error.remedy) == ("it broke", "a crack", "glue it")


def test_it_shows_only_what_there_is() -> None:
    assert str(GodwitError("it broke")) == "it broke"
    assert str(GodwitError("it broke", remedy="glue it")) == "it broke\nRemedy: glue it"
    assert str(GodwitError("it broke", evidence="a crack")) == "it broke\nEvidence: a crack"


def test_every_class_has_its_own_code_and_is_exported() -> None:
    codes = [one.__dict__.get("code") for one in ALL]
    assert None not in codes
    assert len(set(codes)) == len(codes)
    assert sorted(one.__name__ for one in ALL) == sorted(errors.__all__)


def test_the_three_outcomes_are_told_apart() -> None:
    """It did not happen, and nobody can know: who catches one must never catch the other."""
    assert issubclass(Aborted, StepRefused)
    assert not issubclass(OutcomeUnknown, StepRefused)
    assert not issubclass(StepRefused, OutcomeUnknown)


def test_a_bug_is_neither_the_world_s_fault_nor_the_caller_s() -> None:
    assert issubclass(IllegalTransition, Bug)
    for kind in (InputError, Refused, DriverError):
        assert not issubclass(Bug, kind)
