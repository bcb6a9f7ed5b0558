"""Goal: the policies that Godwit is compared with do what their sources say, and no worse."""

import pytest

from bench.forecast.baselines import constant_rate, memory_over_bandwidth
from bench.peers.ladders import LADDERS, Abort, Kubevirt, Nova, Ovirt, Proxmox, Seen, SetLimit

GIB = 2**30
MIB = 2**20


def seen(
    elapsed_s: float,
    *,
    iteration: int = 2,
    rest: int = 100 * MIB,
    sent: int = 0,
    at_sync: bool = False,
    bandwidth: float = 100.0 * MIB,
) -> Seen:
    return Seen(
        elapsed_s=elapsed_s,
        iteration=iteration,
        is_iteration=at_sync,
        remaining_bytes=rest,
        transferred_bytes=sent,
        bandwidth_bytes_per_s=bandwidth,
        memory_bytes=GIB // 2,
    )


def test_every_policy_has_a_name_of_its_own() -> None:
    assert len({ladder().name for ladder in LADDERS}) == len(LADDERS) == 5


def test_nova_takes_ten_linear_steps_scaled_by_memory() -> None:
    nova = Nova()
    assert nova.first_limit_ms == 50
    # Half a GiB counts as two: 150 s a step.
    limits = [nova.decide(seen(at_s)) for at_s in range(0, 1600, 50)]
    steps = [order.limit_ms for order in limits if isinstance(order, SetLimit)]
    assert steps == [95, 140, 185, 230, 275, 320, 365, 410, 455, 500]
    assert isinstance(nova.decide(seen(1601)), Abort)


def test_ovirt_counts_iterations_without_success_and_then_aborts() -> None:
    ovirt = Ovirt()
    orders = [ovirt.decide(seen(10.0 * i, iteration=i)) for i in range(1, 9)]
    limits = [order.limit_ms for order in orders if isinstance(order, SetLimit)]
    assert limits == [150, 200, 300, 400, 400, 500]
    assert isinstance(orders[-1], Abort)
    assert ovirt.decide(seen(90, iteration=8)) is None, "the iteration did not grow"


def test_kubevirt_waits_for_a_stall_and_a_good_moment() -> None:
    kubevirt = Kubevirt()
    calm = [kubevirt.decide(seen(t, rest=100 * MIB, at_sync=True)) for t in range(0, 40, 4)]
    assert calm == [None] * len(calm)
    assert kubevirt.decide(seen(45, rest=130 * MIB, at_sync=True)) is None, (
        "stalled, no good moment"
    )
    assert kubevirt.decide(seen(48, rest=101 * MIB, at_sync=True)) == SetLimit(1350)


def test_kubevirt_gives_up_when_the_stop_would_be_too_long() -> None:
    kubevirt = Kubevirt()
    for at_s in range(0, 44, 4):
        kubevirt.decide(seen(at_s, rest=300 * MIB, at_sync=True))
    assert isinstance(kubevirt.decide(seen(48, rest=300 * MIB, at_sync=True)), Abort)


def test_proxmox_doubles_when_the_rest_grew_six_times_and_knows_no_ceiling() -> None:
    proxmox = Proxmox()
    limits = []
    for turn in range(80):
        rest = 100 * MIB if turn % 2 else 50 * MIB
        order = proxmox.decide(seen(turn, rest=rest, sent=(turn + 1) * MIB))
        if isinstance(order, SetLimit):
            limits.append(order.limit_ms)
    assert limits == [200, 400, 800, 1600, 3200, 6400]


def test_memory_over_bandwidth() -> None:
    guess = memory_over_bandwidth(1000.0, 100.0)
    assert (guess.total_s, guess.sent_bytes, guess.converges) == (10.0, 1000.0, True)


def test_the_constant_rate_is_the_geometric_series() -> None:
    # 1000 + 500 + 250 + 125 + 62.5: the last is within 100/s * 0.7 s.
    guess = constant_rate(1000.0, 100.0, 50.0, 0.7)
    assert guess.sent_bytes == pytest.approx(1937.5)
    assert guess.total_s == pytest.approx(19.375)
    assert guess.pause_s == pytest.approx(0.625)
    assert not constant_rate(1000.0, 100.0, 100.0, 0.7).converges
