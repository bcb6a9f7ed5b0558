"""Goal: the price of a move is what its parts come to, so that a plan's figures can be checked.

Method: a link of 1 GiB/s and a VM of 4 GiB, and one thing more in each test.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from godwit.core.model import (
    DirtyObservation,
    DirtySource,
    Estimate,
    Knowledge,
    Vm,
    VmKnowledge,
)
from godwit.core.planner import Drain, PlanSettings, Weights, plan_request
from godwit.core.planner.pricing import estimate_prices
from godwit.core.units import GIB
from godwit.core.worth import MovePrice
from tests.unit.core.builders import NOW_S, cluster, host, vm

LINK = float(GIB)
CHURN, HOUR, SENT_GIB, RISK = (
    Weights().churn,
    Weights().move_hour,
    Weights().move_gib,
    Weights().pause_risk,
)


def writing(*rates_fraction: float, first_pass_bytes: float | None = None) -> Knowledge:
    """What is known of a guest that wrote so much of the link, the newest observation last."""
    seen = tuple(
        DirtyObservation(
            window_s=2.0, written_bytes=2 * one * LINK, source=DirtySource.COPIED, taken_at_s=NOW_S
        )
        for one in rates_fraction
    )
    first = (
        None
        if first_pass_bytes is None
        else Estimate(value=first_pass_bytes, spread_fraction=0.1, count=3, updated_at_s=NOW_S)
    )
    return Knowledge(vms={vm().id: VmKnowledge(vm=vm().id, observations=seen, first_pass=first)})


def price(
    one: Vm | None = None, known: Knowledge | None = None, settings: PlanSettings | None = None
) -> MovePrice:
    one = one or vm()
    seen = replace(cluster([host("h1"), host("h2")], [one]), known=known or Knowledge())
    each = estimate_prices(seen, [one], np.array([0]), np.array([LINK]), settings or PlanSettings())
    return each[0]


def test_a_calm_guest_costs_its_churn_its_time_and_its_bytes() -> None:
    found = price()
    assert (found.time_s, found.sent_bytes) == (4.0, 4.0 * GIB)
    assert found.pause_risk_fraction == 0.0
    assert found.points == pytest.approx(CHURN + HOUR * 4 / 3600 + SENT_GIB * 4)


def test_the_least_that_is_known_to_be_sent_counts() -> None:
    assert price(vm(resident_bytes=2 * GIB)).time_s == 2.0
    assert price(vm(resident_bytes=9 * GIB)).time_s == 4.0
    assert price(known=writing(first_pass_bytes=1.0 * GIB)).time_s == 1.0
    assert price(known=writing(first_pass_bytes=9.0 * GIB)).time_s == 4.0


@pytest.mark.parametrize(
    ("writes", "time_s", "risk"),
    [
        (0.0, 4.0, 0.0),
        (0.3, 4.0 / 0.7, 0.0),
        (0.5, 8.0, 0.2 / 0.7),
        (0.8, 20.0, 0.5 / 0.7),
        (1.0, 20.0, 1.0),
        (3.0, 20.0, 1.0),
    ],
)
def test_a_guest_that_writes_takes_longer_and_is_a_risk(
    writes: float, time_s: float, risk: float
) -> None:
    found = price(known=writing(9.0, writes))
    assert found.time_s == pytest.approx(time_s)
    assert found.sent_bytes == pytest.approx(time_s * LINK)
    assert found.pause_risk_fraction == pytest.approx(risk, abs=1e-9)
    own = CHURN + HOUR * time_s / 3600 + SENT_GIB * time_s
    assert found.points == pytest.approx(own + RISK * risk)


@pytest.mark.parametrize(
    ("age_s", "times"), [(0.0, 11.0), (-60.0, 11.0), (3600.0, 1 + 10 / math.e), (1e9, 1.0)]
)
def test_a_vm_that_has_just_moved_costs_more_to_move_again(age_s: float, times: float) -> None:
    moved = price(settings=PlanSettings(moved_at_s={vm().id: NOW_S - age_s}))
    assert moved.points - price().points == pytest.approx(CHURN * (times - 1))


def test_a_price_that_somebody_has_forecast_is_taken_as_it_is() -> None:
    said = MovePrice(time_s=1.0, sent_bytes=2.0, pause_risk_fraction=0.3, points=4.0)
    assert price(settings=PlanSettings(prices={vm().id: said})) == said


def test_of_many_vms_without_room_the_first_twenty_get_every_hosts_answer() -> None:
    vms = [vm(f"web{n:02}") for n in range(22)]
    seen = cluster([host("h1"), host("h2", memory_total_bytes=4 * GIB)], vms)
    made = plan_request(seen, Drain(hosts=(host("h1").name,)), PlanSettings(steps=10))
    assert len(made.unplaced) == 22
    assert [len(one.choice.candidates) for one in made.unplaced] == [1] * 20 + [0] * 2
    assert {one.refusals[0].rule for one in made.unplaced[:20]} == {"memory"}
    assert "web20 beside all others" in made.unplaced[20].refusals[0].why
