"""Goal: a move's price goes by the VM, its link, what was learnt, and when it was moved last."""

import dataclasses

import numpy as np
import pytest

from godwit.core.model import Cluster, Vm
from godwit.core.planner import Consolidate, PlanSettings, consolidating, plan_request
from godwit.core.planner.pricing import Prices, estimate_prices
from godwit.core.units import GIB
from godwit.core.worth import MovePrice
from tests.unit.core.builders import cluster, group, host, vm

LINK_BYTES_PER_S = 1e9


def prices(vms: list[Vm], bundle: list[int], settings: PlanSettings | None = None) -> Prices:
    links = np.full(len(vms), LINK_BYTES_PER_S)
    seen = dataclasses.replace(cluster([host("h1")], vms), taken_at_s=10_000.0)
    return estimate_prices(
        seen, vms, np.array(bundle, dtype=np.int64), links, settings or PlanSettings()
    )


class TestPrices:
    def test_it_is_the_time_of_the_memory_in_use_on_the_link(self) -> None:
        found = prices([vm("a", memory_bytes=8 * GIB, resident_bytes=2 * GIB)], [0])[0]
        assert found.time_s == pytest.approx(2 * GIB / LINK_BYTES_PER_S)
        assert found.sent_bytes == pytest.approx(2 * GIB)
        assert found.points == pytest.approx(0.1 + 0.001 * found.time_s + 0.005 * 2)

    def test_what_moves_together_costs_what_all_of_it_does(self) -> None:
        three = [vm("a", memory_bytes=GIB), vm("b", memory_bytes=2 * GIB), vm("c")]
        alone, together = prices(three, [0, 1, 2]), prices(three, [0, 0, 1])
        assert together.points[0] == pytest.approx(alone.points[0] + alone.points[1])
        assert together[0].time_s == pytest.approx(alone[0].time_s + alone[1].time_s)
        assert together.points[1] == alone.points[2]

    def test_who_has_just_moved_costs_more_and_soon_less_again(self) -> None:
        one = vm("a")
        just, late, never = (
            prices([one], [0], PlanSettings(moved_at_s=moved)).points[0]
            for moved in ({one.id: 10_000.0}, {one.id: 0.0}, {})
        )
        assert just > late > never

    def test_a_price_that_somebody_has_forecast_is_taken(self) -> None:
        one = vm("a")
        known = MovePrice(time_s=7.0, sent_bytes=8.0, pause_risk_fraction=0.9, points=10.0)
        assert prices([one], [0], PlanSettings(prices={one.id: known}))[0] == known

    def test_of_nothing_there_are_none(self) -> None:
        assert len(prices([], [])) == 0


def test_hosts_are_emptied_alike_whether_the_cluster_is_read_once_or_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = [host(f"h{n}", memory_total_bytes=32 * GIB) for n in range(6)]
    vms = [vm(f"vm{n}", f"h{n % 6}", memory_bytes=(1 + n % 3) * GIB) for n in range(20)]
    seen, reads = cluster(hosts, vms), []

    def counted(cluster: Cluster, *rest: object, **named: object) -> object:
        reads.append(1)
        return read(cluster, *rest, **named)

    read = consolidating.read_cluster
    monkeypatch.setattr(consolidating, "read_cluster", counted)
    once = plan_request(seen, Consolidate(hosts_least=1))
    assert len(reads) == 1
    assert len({one.source for one in once.moves}) > 1, "several hosts were emptied"
    # Tied VMs may be split over hosts by who leaves: then each try reads anew. One alone is no tie.
    tied = dataclasses.replace(seen, groups=(group("g", vms[0], together=True),))
    each = plan_request(tied, Consolidate(hosts_least=1))
    assert len(reads) > 3
    assert [(one.vm, one.destination) for one in each.moves] == [
        (one.vm, one.destination) for one in once.moves
    ]
