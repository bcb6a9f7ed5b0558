"""Goal: the outage is the gap around the switch-over, and probing is quick only when it is near.

Method: a prober that answers except in one stretch of simulated time, and counts what it is asked.
"""

import asyncio

import pytest

from godwit.core.model import Probe
from godwit.engine.outage import OutageWatch
from tests.unit.engine.stage import Stage

PROBE = Probe(address="192.0.2.7")


class SilentFor:
    """Answers at once, except between two times of the loop."""

    def __init__(self, begin_s: float, end_s: float) -> None:
        self.begin_s, self.end_s = begin_s, end_s
        self.asked_at_s: list[float] = []

    async def answers(self, probe: Probe, *, timeout_s: float) -> bool:  # noqa: ARG002 - a port
        now_s = asyncio.get_running_loop().time()
        self.asked_at_s.append(now_s)
        if self.begin_s <= now_s < self.end_s:
            await asyncio.sleep(timeout_s)
            return False
        return True


@pytest.fixture
def silent() -> SilentFor:
    return SilentFor(6.0, 6.3)


async def _watch_for_ten_seconds(
    stage: Stage, silent: SilentFor, *, hurry_at_s: float
) -> OutageWatch:
    clock, loop = stage.world.clock, asyncio.get_running_loop()
    begun_s = loop.time()
    silent.begin_s, silent.end_s = silent.begin_s + begun_s, silent.end_s + begun_s
    watch = OutageWatch(PROBE, prober=silent, clock=clock)
    watch.open()
    await asyncio.sleep(hurry_at_s)
    watch.hurry()
    await asyncio.sleep(10.0 - hurry_at_s)
    await watch.close()
    return watch


async def test_probing_is_slow_until_the_switch_over_is_near(
    stage: Stage, silent: SilentFor
) -> None:
    begun_s = asyncio.get_running_loop().time()

    await _watch_for_ten_seconds(stage, silent, hurry_at_s=5.0)

    before = [one for one in silent.asked_at_s if one < begun_s + 5.0]
    after = [one for one in silent.asked_at_s if one >= begun_s + 5.0]
    assert 20 <= len(before) <= 30
    assert 200 <= len(after) <= 260


async def test_the_gap_is_as_exact_as_the_quick_pace(stage: Stage, silent: SilentFor) -> None:
    begun_s = stage.world.clock.monotonic_s()

    watch = await _watch_for_ten_seconds(stage, silent, hurry_at_s=5.0)

    gap_s = watch.longest_gap_s(begun_s + 6.0)
    assert gap_s == pytest.approx(0.3, abs=2 * watch.every_s)
    answered_at_s = watch.answered_again_at_s(begun_s + 6.0)
    assert answered_at_s == pytest.approx(begun_s + 6.3, abs=2 * watch.every_s)
    assert watch.resolution_s(begun_s + 6.0) == watch.every_s


async def test_a_gap_that_was_over_before_the_switch_over_is_not_its_outage(
    stage: Stage, silent: SilentFor
) -> None:
    begun_s = stage.world.clock.monotonic_s()

    watch = await _watch_for_ten_seconds(stage, silent, hurry_at_s=1.0)

    gap_s = watch.longest_gap_s(begun_s + 8.0)
    assert gap_s == pytest.approx(watch.every_s, abs=watch.every_s)


async def test_a_switch_over_that_came_unannounced_is_told_with_a_coarser_resolution(
    stage: Stage, silent: SilentFor
) -> None:
    begun_s = stage.world.clock.monotonic_s()

    watch = await _watch_for_ten_seconds(stage, silent, hurry_at_s=9.0)

    assert watch.resolution_s(begun_s + 6.0) == pytest.approx(0.2)
