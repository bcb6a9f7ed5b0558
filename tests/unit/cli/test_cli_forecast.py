"""Goal: a forecast is said whole, honestly and within 80 columns, before anything is asked.

Method: words over made-up values; the commands over the fake controller.
"""

import io

import pytest
from api_fakes import World
from api_forecasts import make_forecast
from cli_fakes import CommandLine
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from godwit import wire
from godwit.cli.forecast_words import (
    alternative_cells,
    chance_words,
    forecast_words,
    limit_words,
    range_words,
    recipe_words,
    span_words,
)
from godwit.cli.screen import Screen
from godwit.core.units import format_bytes, format_duration


def _range(low: float, likely: float, high: float) -> wire.Range:
    return wire.Range(low=low, likely=likely, high=high)


def _recipe(**changes: object) -> wire.Recipe:
    fields: dict[str, object] = {
        "pause_start_s": 0.02,
        "pause_max_s": 1.0,
        "bandwidth_bytes_per_s": None,
        "link_bytes_per_s": None,
    }
    return wire.Recipe(**(fields | changes))  # type: ignore[arg-type]


def test_a_forecast_is_one_sentence() -> None:
    forecast = wire.forecast_to_wire(make_forecast())
    assert forecast is not None
    assert forecast_words(forecast, _recipe()) == (
        "about 2.9 s (2.6 to 3.4), pause 60 ms (50 to 90), clients see 160 ms (120 to 240),"
        " 520 MiB (500 to 560) sent, 4 rounds (3 to 5);"
        " keeps the 1 s promise in 99 of 100"
    )
    doubtful = forecast.model_copy(update={"converges": 0.4, "keeps_promise": 0.001})
    assert forecast_words(doubtful, _recipe(deadline_s=600.0)).endswith(
        "; converges in 40 of 100, keeps the 1 s promise within 10 m in fewer than 1 of 100"
    )


def test_units_are_left_out_only_where_they_are_the_same() -> None:
    assert range_words(_range(0.9, 1.1, 2.0), format_duration) == "1.1 s (900 ms to 2.0 s)"
    assert range_words(_range(50, 65, 80), format_duration) == "1 m 05 s (50.0 s to 1 m 20 s)"
    assert range_words(_range(2, 2, 2), format_duration) == "2.0 s"
    assert span_words(_range(0.9, 1.1, 2.0), format_duration) == "900 ms-2.0 s"
    assert span_words(_range(60, 65, 80), format_duration) == "1 m 00 s-1 m 20 s"
    assert span_words(_range(2**20, 2**20, 2**21), format_bytes) == "1.0-2.0 MiB"


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [(1.0, "1 s"), (0.3, "300 ms"), (600.0, "10 m"), (3600.0, "1 h"), (1.05, "1.1 s")],
)
def test_what_somebody_set_is_written_without_zeroes(duration_s: float, words: str) -> None:
    assert limit_words(duration_s) == words


@given(st.floats(min_value=0, max_value=1))
def test_no_chance_is_called_certain(chance: float) -> None:
    words = chance_words(chance)
    assert words.endswith(" of 100")
    assert words not in {"100 of 100", "0 of 100"}


def test_a_recipe_says_what_it_may_do_to_the_guest() -> None:
    words = recipe_words(
        _recipe(
            throttle=wire.Throttle(
                initial_fraction=0.01, increment_fraction=0.2, most_fraction=0.8
            ),
            postcopy=True,
            deadline_s=90.0,
            pause_longer_s=3.0,
            pause_target_s=0.2,
            bandwidth_bytes_per_s=2.0**20,
            compression="xbzrle",
            xbzrle_cache_bytes=2**27,
        )
    )
    for said in (
        "one stream, xbzrle with a cache of 128 MiB",
        "at most 1.0 MiB/s at first",
        "20 ms, raised to 1 s if it must be",
        "aims at a pause of 200 ms",
        "as the last resort 3 s",
        "slow the vCPUs by up to 80 %",
        "post-copy",
        "given up after 1 m 30 s",
    ):
        assert said in words


def test_dry_run_shows_the_forecast_what_was_weighed_and_why(godwit: CommandLine) -> None:
    ran = godwit("migrate", "web1", "--dry-run")
    assert ran.status == 0
    for said in (
        "Forecast: about 2.9 s (2.6 to 3.4), pause 60 ms (50 to 90)",
        "keeps the 1 s promise within 10 m in 99 of 100",
        "plain*",
        "2.9-3.7 s",
        "70 %",
        "Not multifd-2-zstd: kvm1 has 0.4 idle cores",
        "Why this recipe: the plain stream is the fastest",
        "the guest wrote 38 MiB within 1 s, sampled 3 m ago",
    ):
        assert said in ran.out, said
    assert "Risk of post-copy" not in ran.out
    plan = godwit("migrate", "web1", "--dry-run", "-o", "json").json
    assert plan["moves"][0]["forecast"]["total_s"] == {"low": 2.6, "likely": 2.9, "high": 3.4}
    assert plan["moves"][0]["alternatives"][2]["recipe"]["compression"] == "zstd"


def test_a_move_that_is_carried_out_shows_the_forecast_alone(godwit: CommandLine) -> None:
    out = godwit("migrate", "web1", "--yes").out
    assert "Forecast: about 2.9 s (2.6 to 3.4)" in out
    assert "Why this recipe" in out
    assert "Recipes that were weighed" not in out
    assert "rests on" not in out


def test_the_risk_of_post_copy_is_stated_where_it_is_permitted(
    godwit: CommandLine, world: World
) -> None:
    world.controller.postcopy = True
    out = godwit("migrate", "web1", "--dry-run").out
    assert "Risk of post-copy" in out
    assert "if kvm1 or kvm2 dies before the end" in out


def test_a_drain_says_one_line_a_move(godwit: CommandLine) -> None:
    out = godwit("drain", "kvm1", "--dry-run").out
    line = "Forecast: about 2.9 s, pause 60 ms; keeps the 1 s promise in 99 of 100."
    assert out.count(line) == 2
    assert "Recipes that were weighed" not in out


def test_a_plan_fits_80_columns(godwit: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[io.StringIO] = []
    plain = Screen.__init__

    def on_a_terminal(self: Screen, output: object) -> None:
        plain(self, output)  # type: ignore[arg-type]
        made.append(io.StringIO())
        self.is_terminal = True
        self.console = Console(width=80, file=made[-1], highlight=False, markup=False)

    monkeypatch.setattr(Screen, "__init__", on_a_terminal)
    assert godwit("migrate", "web1", "--dry-run").status == 0
    lines = made[-1].getvalue().splitlines()
    assert any("multifd-2" in one and "70 %" in one for one in lines), "a row is one line"
    assert all(len(one) <= 80 for one in lines)


def test_the_widest_row_fits_80_columns() -> None:
    forecast = wire.forecast_to_wire(make_forecast())
    assert forecast is not None
    wide = forecast.model_copy(
        update={
            "total_s": _range(0.802, 2.0, 15.1),
            "pause_s": _range(0.102, 0.5, 1.2),
            "outage_s": _range(0.102, 0.5, 1.2),
            "sent_bytes": _range(2**29, 1000 * 2**20, 2**31),
            "keeps_promise": 1.0,
        }
    )
    name = "throttle, post-copy"
    one = wire.Alternative(name=name, recipe=_recipe(), forecast=wide, excluded="")
    cells = alternative_cells(one, chosen=True)
    assert sum(map(len, cells)) + 2 * (len(cells) - 1) <= 80
    assert cells[-1] == ">99 %"


def test_measuring_can_be_left_out(godwit: CommandLine, world: World) -> None:
    for command in (
        ("migrate", "web1", "--dry-run"),
        ("drain", "kvm1", "--dry-run"),
        ("forecast", "web1"),
    ):
        assert godwit(*command).status == 0
        assert godwit(*command, "--no-measure").status == 0
    assert world.controller.measured == [True, False] * 3
