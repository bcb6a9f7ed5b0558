"""Goal: the benchmark of schedules compares with what it says, on cases that a seed gives again."""

import pytest

from bench.schedule.baseline import two_at_a_time
from bench.schedule.clusters import FAMILIES, Case, make_case
from bench.schedule.report import figures_of, outcome_of
from godwit.core.model import HostName
from godwit.core.schedule import Effort, Wanted
from godwit.core.timed import Bounds, Limits
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, vm


def case(
    *places: tuple[str, str], room: int = 64, written: float = 0.0, apart: bool = False
) -> Case:
    """VMs of 4 GiB on links of 1 GiB/s, each from a host to a host."""
    vms = [vm(f"v{n}", source) for n, (source, _) in enumerate(places)]
    names = sorted({name for pair in places for name in pair})
    effort = Effort(first_bytes=4.0 * GIB, dirty_bytes_per_s=written * GIB)
    return Case(
        family="test",
        seed=0,
        cluster=cluster(
            [
                host(
                    name,
                    memory_total_bytes=(room + 1) * GIB,
                    migration_link_bytes_per_s=float(GIB),
                )
                for name in names
            ],
            vms,
            groups=[group("g", *vms, together=False)] if apart else (),
        ),
        wanted=tuple(
            Wanted(vm=one.id, destination=HostName(to), effort=effort)
            for one, (_, to) in zip(vms, places, strict=True)
        ),
        bounds=Bounds(limits=Limits()),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_the_same_case_again(family: str) -> None:
    assert make_case(family, 7) == make_case(family, 7)
    assert make_case(family, 7).wanted != make_case(family, 8).wanted


def test_two_of_a_host_share_its_link_alike() -> None:
    places = [("h1", "h2"), ("h1", "h3"), ("h1", "h4")]
    # 1 s of set-up, two copies at half the link, 1 s of ending; then the third alone.
    assert two_at_a_time(case(*places)) == pytest.approx(1 + 8 + 1 + 6)


def test_copies_that_share_a_link_lengthen_each_other() -> None:
    places = [("h1", "h2"), ("h1", "h3")]
    assert two_at_a_time(case(*places, written=0.25)) == pytest.approx(1 + 4 / 0.25 + 1)


def test_guests_that_write_more_than_their_part_never_end() -> None:
    assert two_at_a_time(case(("h1", "h2"), ("h1", "h3"), written=0.6)) is None


def test_it_waits_for_room_and_is_stuck_in_a_ring() -> None:
    assert two_at_a_time(case(("h1", "h2"), ("h2", "h3"), room=4)) == pytest.approx(12)
    assert two_at_a_time(case(("h1", "h2"), ("h2", "h1"), room=4)) is None


def test_it_keeps_vms_apart() -> None:
    assert two_at_a_time(case(("h1", "h2"), ("h2", "h3"), apart=True)) == pytest.approx(12)


def test_the_outcome_of_a_case_is_what_is_sure_of_all_its_moves() -> None:
    assert outcome_of([]) == "found"
    assert outcome_of(["impossible", "impossible"]) == "impossible"
    assert outcome_of(["impossible", "not found"]) == "not found"


def test_the_figures_count_every_case_once() -> None:
    row = {
        "wanted": 3,
        "outcome": "found",
        "transits": 1,
        "makespan_s": 11.0,
        "lower_bound_s": 10.0,
        "two_at_a_time_s": 22.0,
        "violations": 0,
        "planning_s": 0.1,
    }
    lost = row | {"outcome": "impossible", "two_at_a_time_s": None, "violations": 2}
    found = figures_of([row, lost])
    assert (found["cases"], found["found"], found["proven_impossible"]) == (2, 1, 1)
    assert found["over_bound_median"] == pytest.approx(0.1)
    assert found["two_at_a_time_over_bound_median"] == pytest.approx(1.2)
    assert found["sooner_than_two_at_a_time_median"] == pytest.approx(2.0)
    assert found["audit_violations"] == 2
