"""Goal: no bar runs backwards, no end is promised that is not in sight, and all fits a terminal.

Method: the board and the renderers alone, with made-up notices.
"""

import io

import pytest
from api_forecasts import make_forecast
from api_scene import T0, make_progress, make_round
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from godwit import wire
from godwit.cli.board import Board
from godwit.cli.remaining import Gauge, left_words, time_left
from godwit.cli.views.live import render_board
from godwit.cli.words import outage_words, pause_words, steps_line

_ACCEPTED = wire.Acceptance(plan="p-1", migrations=("m-1",), run=None, last_notice=1)

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


def _progress(iteration: int, remaining_mib: int, **changes: object) -> wire.Progress:
    progress = wire.progress_to_wire(make_progress(iteration, remaining_mib))
    return progress.model_copy(update=changes)


def _rounds(*remaining_mib: int) -> list[wire.Round]:
    """Write the rounds after the first sync, which is the start of the copy."""
    made = [make_round(number, left) for number, left in enumerate((2048, *remaining_mib), 1)]
    return [wire.round_to_wire(one) for one in made]


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=1, max_value=4),
            st.integers(min_value=0, max_value=2048),
            st.floats(min_value=0, max_value=100),
        ),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_the_bar_never_runs_backwards(
    readings: list[tuple[int, int, float]], forecasted: bool
) -> None:
    gauge = Gauge()
    migration = _migration(forecast=wire.forecast_to_wire(make_forecast()) if forecasted else None)
    before = 0.0
    seen: list[int] = []
    for iteration, remaining, elapsed_s in readings:
        seen = [*seen, remaining] if iteration > len(seen) + 1 else seen
        progress = _progress(iteration, remaining, elapsed_s=elapsed_s)
        gauge.update(migration, progress, _rounds(*seen))
        assert before <= gauge.share < 1.0
        before = gauge.share
        if gauge.left is not None:
            assert gauge.left.low_s >= 0
            assert gauge.left.high_s is None or gauge.left.high_s >= gauge.left.low_s


def test_the_forecast_tells_the_time_left_before_the_first_round_has_ended() -> None:
    forecast = wire.forecast_to_wire(make_forecast())
    left = time_left(_migration(forecast=forecast), _progress(1, 110, elapsed_s=1.0), [])
    assert left is not None
    assert (left.low_s, left.high_s) == pytest.approx((1.6, 2.4))
    assert left.converging is None
    without = time_left(_migration(), _progress(1, 110, elapsed_s=1.0), [])
    assert left_words(without) == "at least 1.0 s left"


def test_rounds_that_do_not_shrink_have_no_end_in_sight() -> None:
    left = time_left(_migration(), _progress(4, 110), _rounds(500, 300, 320))
    assert left is not None
    assert left.converging is False
    assert left_words(left) == "at least 1.0 s left, no end in sight"
    between = time_left(_migration(), _progress(5, 110), _rounds(500, 300, 400, 350))
    assert between is not None
    assert between.converging is False, "better than the last round, and not than the best"
    burst_over = time_left(_migration(), _progress(5, 110), _rounds(500, 300, 320, 200))
    assert burst_over is not None
    assert burst_over.converging is True, "it is the best round that counts"
    assert burst_over.high_s is not None


def test_a_round_within_the_limit_is_the_last() -> None:
    left = time_left(_migration(), _progress(5, 2), _rounds(300, 2, 3))
    assert left is not None
    assert left.converging is True, "3 MiB are sent within the limit of 30 ms"


def test_after_post_copy_has_begun_there_are_no_more_rounds() -> None:
    migration = _migration(phase="postcopy", runner="destination")
    progress = _progress(4, 220, postcopy_requests=31)
    left = time_left(migration, progress, _rounds(500, 600))
    assert left_words(left) == "2.0 to 3.0 s left"
    line = steps_line(migration, progress, left)
    assert line.startswith("post-copy: 220 MiB still to follow, 2.0 to 3.0 s left")
    assert "31 pages waited for" in line


def test_a_line_says_the_round_the_trend_and_the_range() -> None:
    progress = _progress(4, 110, throttle_fraction=0.4, elapsed_s=5.0)
    left = time_left(_migration(), progress, _rounds(500, 250))
    line = steps_line(_migration(), progress, left)
    assert line.startswith("copying, round 4: 110 MiB left, converging: yes, 1.0 to ")
    assert "guest writes 30.0 MiB/s" in line
    assert "pause limit 30 ms of 300 ms" in line
    assert "vCPUs slowed by 40 %" in line
    first = steps_line(_migration(), _progress(1, 1100), None)
    assert "writes" not in first, "it is not known during the first round"


def test_a_board_keeps_the_rounds_it_was_told_of() -> None:
    board = Board(acceptance=_ACCEPTED)
    for one in _rounds(500, 300, 320):
        board.put(_migration(last_round=one, generation=5 + one.number), None)
        board.put(_migration(last_round=one, generation=5 + one.number), _progress(4, 110))
    assert [one.number for one in board.rounds["m-1"]] == [1, 2, 3, 4]
    assert board.gauges["m-1"].left is not None
    assert board.gauges["m-1"].left.converging is False


def test_a_pause_above_the_promise_is_said_to_be() -> None:
    result = wire.Result(
        pause_s=0.5, outage_s=None, outage_resolution_s=None, answers=False, total_s=1.0,
        transferred_bytes=1, rounds=1, announced_again=True, notes=("x",),
    )  # fmt: skip
    assert "NOT KEPT" in pause_words(_migration(result=result))
    longer = _RECIPE.model_copy(update={"pause_longer_s": 2.0})
    permitted = pause_words(_migration(result=result, recipe=longer))
    assert "up to 2 s permitted as the last resort" in permitted
    assert "NOT KEPT" not in permitted
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


def _run(**changes: object) -> wire.Run:
    fields = {
        "id": "r-1", "plan_id": "p-1", "kind": "drain", "host": "kvm1", "state": "running",
        "is_ended": False, "accepted_at_s": T0, "ended_at_s": None, "moves_planned": 3,
        "parallel": 2, "migrations": (), "unplaced": ("gpu1",),
        "remaining": ("web1", "web2", "web3", "gpu1"),
    }  # fmt: skip
    return wire.Run(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phases", "over"),
    [
        (("split", "copying"), False),  # the other place still works
        (("split", "lost"), True),  # both places are taken for good
        (("split", "done"), False),  # a third one is about to start
    ],
)
def test_a_run_whose_places_all_wait_for_a_person_is_over(
    phases: tuple[str, ...], over: bool
) -> None:
    acceptance = wire.Acceptance(plan="p-1", migrations=(), run="r-1", last_notice=1)
    board = Board(acceptance=acceptance)
    assert not board.is_over()
    board.put_run(_run())
    for number, phase in enumerate(phases):
        stuck = phase in {"split", "lost"}
        board.put(
            _migration(id=f"m-{number}", phase=phase, needs_person=stuck, is_ended=phase == "done"),
            None,
        )
    assert board.is_over() is over


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_display_fits_and_shows_what_matters(width: int) -> None:
    acceptance = wire.Acceptance(plan="p-1", migrations=(), run="r-1", last_notice=1)
    board = Board(acceptance=acceptance)
    board.put_run(_run())
    done = _migration(id="m-0", vm_name="web0", phase="done", is_ended=True)
    board.put(done, None)
    last = wire.round_to_wire(make_round(2, 120))
    board.put(
        _migration(last_round=last, rounds_done=1),
        _progress(3, 60, throttle_fraction=0.2),
    )
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(render_board(board, T0 + 12))
    text = captured.get()
    assert all(len(line) <= width for line in text.splitlines())
    for said in (
        "Drain of kvm1",
        "round 3",
        "60.0 MiB left",
        "converging: yes",
        " s left",
        "pause limit 30 ms",
        "slowed by 20 %",
    ):
        assert said in " ".join(text.split())
