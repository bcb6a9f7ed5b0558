"""Goal: no bar runs backwards, no total is promised, and what is drawn fits its terminal.

Method: the board and the renderers alone, with made-up notices.
"""

import io

import pytest
from api_scene import T0, make_progress, make_round
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from godwit import wire
from godwit.cli.board import Board, RoundGauge
from godwit.cli.views.live import render_board
from godwit.cli.words import outage_words, pause_words, round_rest, steps_line

_ACCEPTED = wire.Acceptance(plan="p-1", migrations=("m-1",), drain=None, last_notice=1)

_RECIPE = wire.Recipe(
    pause_start_s=0.02, pause_max_s=0.3, bandwidth_bytes_per_s=None, link_bytes_per_s=None
)


def _migration(**changes: object) -> wire.Migration:
    fields = {
        "id": "m-1", "plan": "p-1", "vm": "u", "vm_name": "web1", "source": "kvm1",
        "destination": "kvm2",
        "attempt": 1, "phase": "copying", "phase_says": "memory is copied", "runner": "source",
        "is_ended": False, "needs_person": False, "cancel_by_person": False, "generation": 5,
        "accepted_at_s": T0, "entered_at_s": T0, "started_at_s": T0, "stopped_at_s": None,
        "ended_at_s": None,
        "memory_bytes": 2**31, "pause_limit_s": 0.03, "pause_max_s": 0.3, "rounds_done": 0,
        "last_round": None,
        "last_reading": "", "failure": None, "result": None, "recipe": _RECIPE,
    }  # fmt: skip
    return wire.Migration(**(fields | changes))  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(st.integers(min_value=1, max_value=4), st.integers(min_value=0, max_value=2048)),
        min_size=1,
        max_size=30,
    )
)
def test_the_bar_of_a_round_never_runs_backwards(readings: list[tuple[int, int]]) -> None:
    gauge = RoundGauge()
    before: tuple[int, float] = (-1, 0.0)
    for iteration, remaining in sorted(readings, key=lambda one: one[0]):
        gauge.update(wire.progress_to_wire(make_progress(iteration, remaining)))
        assert 0.0 <= gauge.share <= 1.0
        if iteration == before[0]:
            assert gauge.share >= before[1]
        before = (iteration, gauge.share)


def test_the_first_round_is_measured_against_the_whole_memory() -> None:
    gauge = RoundGauge()
    gauge.update(wire.progress_to_wire(make_progress(1, 1024)))
    assert gauge.share == 0.5


def test_the_rest_is_of_this_round_and_at_least() -> None:
    text = round_rest(wire.progress_to_wire(make_progress(2, 1100)))
    assert text == "≥ 10.0 s, this round"
    line = steps_line(_migration(), wire.progress_to_wire(make_progress(2, 1100)))
    assert "round 2" in line
    assert "guest writes 30.0 MiB/s" in line
    first = steps_line(_migration(), wire.progress_to_wire(make_progress(1, 1100)))
    assert "writes" not in first  # it is not known during the first round


def test_a_pause_above_the_promise_is_said_to_be() -> None:
    result = wire.Result(
        pause_s=0.5, outage_s=None, outage_resolution_s=None, answers=False, total_s=1.0,
        transferred_bytes=1, rounds=1, announced_again=True, notes=("x",),
    )  # fmt: skip
    assert "NOT KEPT" in pause_words(_migration(result=result))
    assert "does not answer" in outage_words(result)


def test_an_older_value_does_not_overwrite_a_newer_one() -> None:
    board = Board(acceptance=_ACCEPTED)
    board.put(_migration(generation=9, phase="done", is_ended=True), None)
    board.put(_migration(generation=8), None)
    assert board.migrations["m-1"].phase == "done"
    assert board.is_over()


def test_notices_of_others_are_not_ours() -> None:
    board = Board(acceptance=_ACCEPTED)
    other = _migration(id="m-2", plan="p-2")
    notice = wire.Notice(number=2, at_s=T0, kind="migration", migration=other)
    assert not board.concerns(notice)
    assert board.concerns(notice.model_copy(update={"migration": _migration()}))


def _drain(**changes: object) -> wire.Drain:
    fields = {
        "id": "d-1", "plan_id": "p-1", "host": "kvm1", "state": "running", "is_ended": False,
        "accepted_at_s": T0, "ended_at_s": None, "moves_planned": 3, "parallel": 2,
        "migrations": (), "unplaced": ("gpu1",),
        "remaining": ("web1", "web2", "web3", "gpu1"),
    }  # fmt: skip
    return wire.Drain(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phases", "over"),
    [
        (("split", "copying"), False),  # the other place still works
        (("split", "lost"), True),  # both places are taken for good
        (("split", "done"), False),  # a third one is about to start
    ],
)
def test_a_drain_whose_places_all_wait_for_a_person_is_over(
    phases: tuple[str, ...], over: bool
) -> None:
    acceptance = wire.Acceptance(plan="p-1", migrations=(), drain="d-1", last_notice=1)
    board = Board(acceptance=acceptance)
    assert not board.is_over()
    board.put_drain(_drain())
    for number, phase in enumerate(phases):
        stuck = phase in {"split", "lost"}
        board.put(
            _migration(id=f"m-{number}", phase=phase, needs_person=stuck, is_ended=phase == "done"),
            None,
        )
    assert board.is_over() is over


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_display_fits_and_shows_what_matters(width: int) -> None:
    acceptance = wire.Acceptance(plan="p-1", migrations=(), drain="d-1", last_notice=1)
    board = Board(acceptance=acceptance)
    board.put_drain(_drain())
    done = _migration(id="m-0", vm_name="web0", phase="done", is_ended=True)
    board.put(done, None)
    last = wire.round_to_wire(make_round(1, 120))
    board.put(
        _migration(last_round=last, rounds_done=1),
        wire.progress_to_wire(make_progress(2, 60)),
    )
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(render_board(board, T0 + 12))
    text = captured.get()
    assert all(len(line) <= width for line in text.splitlines())
    for said in ("Draining kvm1", "round 2", "60.0 MiB left", "this round", "pause limit 30 ms"):
        assert said in " ".join(text.split())
