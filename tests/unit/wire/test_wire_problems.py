"""Goal: every error has its statuses in the one table, and crosses the wire as the same class.

Method: walk the subclasses of the root, with every room imported that may define one.
"""

import importlib
from collections.abc import Iterator

import pytest

import godwit.client
from godwit.core.errors import BadValue, GodwitError, UnknownHost, Unsupported
from godwit.wire.problems import (
    TABLE,
    ExitStatus,
    Problem,
    error_from_problem,
    exit_status_of,
    problem_from_error,
)

assert godwit.client  # it defines an error of its own
# The lab's errors leave with a status, too, where the lab is there.
importlib.import_module("godwit.lab.problems")


def _all(kind: type[GodwitError] = GodwitError) -> Iterator[type[GodwitError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("godwit."):
            yield from _all(child)


@pytest.mark.parametrize("kind", sorted(set(_all()), key=lambda one: one.code))
def test_every_error_is_in_the_table_and_comes_back_as_itself(kind: type[GodwitError]) -> None:
    assert kind.code in TABLE
    sent = kind("the cause", evidence="what was seen", remedy="what helps")
    problem = Problem.model_validate_json(
        problem_from_error(sent, request_id="r1").model_dump_json()
    )
    got = error_from_problem(problem)
    assert type(got) is kind
    assert (got.message, got.remedy) == (sent.message, sent.remedy)
    assert sent.evidence in got.evidence


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in set(_all())]
    assert sorted(codes) == sorted(set(codes))


def test_the_table_has_no_row_for_an_error_that_is_not_there() -> None:
    assert set(TABLE) == {kind.code for kind in _all()}


def test_a_code_from_another_version_is_not_taken_for_something_else() -> None:
    got = error_from_problem(Problem(code="from_the_future", message="so"))
    assert type(got) is Unsupported
    assert "from_the_future" in got.evidence


def test_exit_statuses_are_those_that_are_documented() -> None:
    assert exit_status_of(BadValue("x")) is ExitStatus.BAD_INPUT
    assert exit_status_of(UnknownHost("x")) is ExitStatus.BAD_INPUT
    # A full disk, a damaged store, one of a newer version: none of these is a bug.
    assert exit_status_of(GodwitError("x")) is ExitStatus.WORLD_WRONG
    assert {one.value for one in ExitStatus} == {0, 1, 2, 3, 4, 5, 70, 130}
    assert all(one.http >= 400 and one.exit is not ExitStatus.OK for one in TABLE.values())
