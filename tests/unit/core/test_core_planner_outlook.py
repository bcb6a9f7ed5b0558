"""Goal: a plan says what its moves are going to be like, from all that is known, and warns in time.

How right a forecast is stands elsewhere; here it is only seen that the planner asks for it rightly.
"""

from dataclasses import replace
from typing import Any

import pytest

from godwit.core.model import (
    Calibration,
    Cluster,
    DirtyObservation,
    DirtySource,
    Estimate,
    Feature,
    Forecast,
    Host,
    HostName,
    Knowledge,
    PathKey,
    PathKnowledge,
    Reservation,
    VmId,
    VmKnowledge,
    VmPolicy,
)
from godwit.core.plan import Move, Plan, Recipe, Throttle
from godwit.core.planner import (
    PauseSettings,
    place_drain,
    plan_drain,
    plan_migration,
    recipe_for,
)
from godwit.core.planner.outlook import link_share
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import NOW_S, cluster, host, promise, vm

H1, H2 = HostName("h1"), HostName("h2")
ASKED_NOTHING = PauseSettings()
GIGABIT = 125e6


def _writes(bytes_per_s: float, name: str = "web1") -> VmKnowledge:
    """What is known of a guest that writes evenly over much memory."""
    seen = tuple(
        DirtyObservation(
            window_s=window_s,
            written_bytes=bytes_per_s * window_s,
            source=DirtySource.COPIED,
            taken_at_s=NOW_S - 60,
        )
        for window_s in (0.1, 0.5, 1.0, 4.0, 10.0)
    )
    used = Estimate(value=2.0 * GIB, spread_fraction=0.01, count=3, updated_at_s=NOW_S - 60)
    return VmKnowledge(vm=VmId(f"id-{name}"), observations=seen, first_pass=used, migrations=3)


def _cluster(
    *known: VmKnowledge,
    names: tuple[str, ...] = ("web1",),
    link: float | None = GIGABIT,
    **vm_changes: Any,
) -> Cluster:
    hosts = [host(name, migration_link_bytes_per_s=link) for name in ("h1", "h2")]
    seen = cluster(hosts, [vm(name, **vm_changes) for name in names])
    return replace(seen, known=Knowledge(vms={one.vm: one for one in known}))


def _forecast(of: Cluster, settings: PauseSettings = ASKED_NOTHING) -> Forecast:
    moving = next(one for one in of.vms if one.name == "web1")
    (move,) = plan_migration(of, moving, destination=H2, settings=settings).moves
    assert move.forecast is not None
    return move.forecast


def _warnings(of: Cluster) -> tuple[str, ...]:
    (move,) = plan_migration(of, of.vms[0], destination=None, settings=ASKED_NOTHING).moves
    return move.warnings


class TestForecast:
    def test_it_is_of_the_time_of_the_reading(self) -> None:
        assert _forecast(_cluster()).made_at_s == NOW_S

    def test_what_is_known_of_the_vm_counts(self) -> None:
        cold, hot = _forecast(_cluster(_writes(1e6))), _forecast(_cluster(_writes(100e6)))
        assert cold.total_s.likely < hot.total_s.likely
        assert cold.keeps_promise > 0.9

    def test_what_is_known_of_the_path_counts_if_it_is_this_path_and_stream(self) -> None:
        slow = PathKnowledge(
            bandwidth=Estimate(
                value=GIGABIT / 10, spread_fraction=0.02, count=9, updated_at_s=NOW_S
            )
        )

        def total_s(**key: str) -> float:
            ends = {"source": "h1", "destination": "h2"} | key
            path = PathKey(**{name: HostName(value) for name, value in ends.items()})
            seen = _cluster(_writes(1e6))
            seen = replace(seen, known=replace(seen.known, paths={path: slow}))
            return _forecast(seen).total_s.likely

        usual = _forecast(_cluster(_writes(1e6))).total_s.likely
        assert total_s() > 3 * usual
        assert total_s(source="h2", destination="h1") == usual
        assert total_s(stream="multifd-2") == usual

    def test_the_cache_of_xbzrle_is_as_large_as_what_it_was_seen_to_write(self) -> None:
        can = frozenset(Feature)
        hosts = [
            host(name, features=can, migration_link_bytes_per_s=GIGABIT) for name in ("h1", "h2")
        ]
        known = _cluster(_writes(30e6)).known

        def caches(of: Cluster) -> set[int | None]:
            (move,) = plan_migration(of, of.vms[0], destination=H2, settings=ASKED_NOTHING).moves
            weighed = [one.recipe for one in move.alternatives if one.name.startswith("xbzrle")]
            assert weighed
            return {one.xbzrle_cache_bytes for one in weighed}

        seen = cluster(hosts, [vm("web1")])
        assert caches(seen) == {None}
        # 30 MB/s in 5 s are 143 MiB.
        assert caches(replace(seen, known=known)) == {256 * MIB}

    def test_the_calibration_widens_it(self) -> None:
        seen = _cluster(_writes(1e6))
        wider = replace(seen, known=replace(seen.known, calibration=Calibration(total_factor=3.0)))
        before, after = _forecast(seen).total_s, _forecast(wider).total_s
        assert after.high - after.low > 2 * (before.high - before.low)

    def test_migrations_in_flight_to_the_same_host_take_their_share(self) -> None:
        seen = _cluster(_writes(1e6))
        busy = replace(seen, reservations=(promise(vm("other", "h3"), "h2"),))
        alone = _forecast(seen).total_s.likely
        assert _forecast(busy).total_s.likely > 1.5 * alone

    def test_a_link_is_shared_by_those_from_the_same_host_and_those_to_the_same(self) -> None:
        names = ("web1", "web2", "web3")
        seen = _cluster(names=names, memory_bytes=3 * GIB, link=None)
        plan = place_drain(seen, H1, parallel=2, settings=ASKED_NOTHING)
        move = plan.moves[0]
        flying = [vm(f"x{n}", "h1") for n in range(2)]

        def share(*promises: Reservation, of: Plan | None = None) -> float:
            one = replace(seen, vms=(*seen.vms, *flying), reservations=promises)
            return link_share(one, move, of)

        leaving = [promise(one, "h3") for one in flying]
        arriving = promise(vm("y", "h3"), "h2")
        assert share() == 1
        assert share(*leaving) == pytest.approx(1 / 3)
        assert share(arriving) == pytest.approx(1 / 2)
        assert share(arriving, *leaving) == pytest.approx(1 / 3)
        assert share(promise(vm("z", "h3"), "h4")) == 1
        # Its own plan counts once, whether its moves are under way already or not.
        assert share(of=plan) == pytest.approx(1 / 2)
        assert share(*(promise(vm(name), "h2") for name in names), of=plan) == pytest.approx(1 / 2)

    def test_memory_that_the_host_holds_for_it_counts(self) -> None:
        whole = _forecast(_cluster(resident_bytes=4 * GIB)).sent_bytes.likely
        part = _forecast(_cluster(resident_bytes=GIB)).sent_bytes.likely
        assert part < 0.5 * whole


class TestRecipe:
    def hosts(self, **changes: Any) -> list[Host]:
        observed = {"features": frozenset(Feature), "migration_link_bytes_per_s": GIGABIT}
        return [host(name, **(observed | changes)) for name in ("h1", "h2")]

    def move(self, *known: VmKnowledge, hosts: list[Host] | None = None, **policy: Any) -> Move:
        moving = vm(policy=VmPolicy(**policy))
        seen = cluster(hosts or self.hosts(), [moving])
        seen = replace(seen, known=Knowledge(vms={one.vm: one for one in known}))
        return plan_migration(seen, moving, destination=H2, settings=ASKED_NOTHING).moves[0]

    def excluded(self, move: Move) -> dict[str, str]:
        return {one.name: one.excluded for one in move.alternatives if one.excluded}

    def test_the_plan_keeps_what_was_weighed_the_chosen_first(self) -> None:
        move = self.move(_writes(1e6))
        first = move.alternatives[0]
        assert (first.recipe, first.forecast) == (move.recipe, move.forecast)
        assert first.name == "plain"
        assert "plain pre-copy" in move.recipe_reason
        assert len(move.alternatives) > 3

    def test_what_the_policy_permits_is_taken_where_it_is_needed(self) -> None:
        permits = {"may_throttle": True, "may_postcopy": True}
        calm = self.move(_writes(1e6), **permits)
        assert calm.alternatives[0].name == "plain, throttle in reserve"
        assert not calm.recipe.postcopy
        hot = self.move(_writes(300e6), pause_max_s=0.3, **permits)
        assert hot.recipe.throttle is not None or hot.recipe.postcopy
        assert hot.forecast.converges > 0.8

    def test_what_is_not_permitted_or_not_possible_has_its_reason(self) -> None:
        assert "policy" in self.excluded(self.move())["post-copy"]
        lacking = self.hosts(features=frozenset())
        told = self.excluded(self.move(hosts=lacking, may_postcopy=True))
        assert "can't do" in told["post-copy"]

    def test_how_busy_the_hosts_are_counts(self) -> None:
        idle, busy, unknown = (
            self.excluded(self.move(hosts=self.hosts(cores=8, busy_cores=cores)))
            for cores in (0.0, 7.5, None)
        )
        assert "xbzrle" not in idle
        assert "0.5 of 8 cores free" in busy["xbzrle"]
        assert "not known" in unknown["xbzrle"]

    @pytest.mark.parametrize(("count", "all_are_weighed"), [(8, True), (9, False)])
    def test_up_to_eight_moves_every_recipe_is_weighed(
        self, count: int, all_are_weighed: bool
    ) -> None:
        vms = [vm(f"web{n}", memory_bytes=GIB) for n in range(count)]
        plan = plan_drain(cluster(self.hosts(), vms), H1, parallel=1, settings=ASKED_NOTHING)
        assert len(plan.moves) == count
        assert all((len(one.alternatives) > 1) is all_are_weighed for one in plan.moves)

    def test_in_a_plan_of_many_moves_only_what_is_needed_is_weighed(self) -> None:
        names = [f"web{n}" for n in range(12)]
        hot = set(names[:4])
        vms = [
            # To web9 it is permitted, who does well without.
            vm(
                name,
                policy=VmPolicy(pause_max_s=0.3, may_postcopy=name in {"web0", "web1", "web9"}),
            )
            for name in names
        ]
        known = {VmId(f"id-{name}"): _writes(300e6 if name in hot else 1e6, name) for name in names}
        seen = replace(cluster(self.hosts(), vms), known=Knowledge(vms=known))
        plan = plan_drain(seen, H1, parallel=1, settings=ASKED_NOTHING)
        for move in plan.moves:
            needed = move.vm_name in {"web0", "web1"}
            assert move.recipe.postcopy is needed
            assert len(move.alternatives) == (2 if needed else 1)
            assert move.alternatives[0].forecast == move.forecast
            assert bool(move.warnings) == (move.vm_name in hot and not needed)


class TestWarning:
    def test_a_guest_that_writes_faster_than_the_link(self) -> None:
        (said,) = _warnings(_cluster(_writes(200e6), policy=VmPolicy(pause_max_s=0.3)))
        assert said.startswith("web1 has little chance (")
        assert "a pause of at most 300 ms" in said
        assert "runs on" in said

    def test_the_deadline_is_part_of_the_promise(self) -> None:
        (said,) = _warnings(_cluster(_writes(1e6), policy=VmPolicy(deadline_s=2.0)))
        assert "within 2" in said

    def test_a_calm_one_has_none(self) -> None:
        assert _warnings(_cluster(_writes(1e6))) == ()

    def test_not_knowing_is_no_reason_to_warn(self) -> None:
        seen = _cluster()
        assert _forecast(seen).keeps_promise < 0.9
        assert _warnings(seen) == ()


class TestDrain:
    NAMES = ("web1", "web2", "web3", "web4")

    def seen(self, link: float | None, writes: float = 1e6) -> Cluster:
        known = [_writes(writes, name) for name in self.NAMES]
        return _cluster(*known, names=self.NAMES, memory_bytes=3 * GIB, link=link)

    def drain(self, parallel: int, link: float | None = GIGABIT) -> Plan:
        return plan_drain(self.seen(link), H1, parallel=parallel, settings=ASKED_NOTHING)

    def test_moves_share_a_link_of_unknown_speed(self) -> None:
        one, two, many = (self.drain(parallel, None) for parallel in (1, 2, 64))
        alone_s = one.moves[0].forecast.total_s.likely
        assert two.moves[0].forecast.total_s.likely > 1.7 * alone_s
        # There are never more than there are moves.
        assert 3 * alone_s < many.moves[0].forecast.total_s.likely < 4.5 * alone_s
        assert "50% of it" in " ".join(two.moves[0].forecast.grounds)

    def test_on_a_link_of_known_speed_each_has_it_whole_in_its_turn(self) -> None:
        one, many = (self.drain(parallel) for parallel in (1, 64))
        assert [move.forecast for move in many.moves] == [move.forecast for move in one.moves]

    def test_a_guest_too_hot_for_a_part_of_the_link_converges_in_its_turn(self) -> None:
        hot = 45e6
        shares, turns = (
            plan_drain(self.seen(link, hot), H1, parallel=4, settings=ASKED_NOTHING).moves[0]
            for link in (None, GIGABIT)
        )
        assert turns.forecast.converges > 0.9
        assert turns.forecast.converges > shares.forecast.converges


class TestPermissions:
    ALL = frozenset(Feature)

    def recipe(
        self,
        policy: VmPolicy,
        features: tuple[frozenset[Feature], frozenset[Feature]] = (ALL, ALL),
        asked: PauseSettings = ASKED_NOTHING,
    ) -> tuple[Recipe, tuple[str, ...]]:
        hosts = [
            host(name, features=one, migration_link_bytes_per_s=GIGABIT)
            for name, one in zip(("h1", "h2"), features, strict=True)
        ]
        moving = vm(policy=policy)
        return recipe_for(cluster(hosts, [moving]), moving, H2, asked)

    def test_nothing_is_permitted_that_the_policy_does_not(self) -> None:
        made, notes = self.recipe(VmPolicy())
        assert (made.throttle, made.postcopy, made.pause_longer_s, made.deadline_s, notes) == (
            None,
            False,
            None,
            None,
            (),
        )

    def test_what_the_policy_permits_is_there_where_both_hosts_can(self) -> None:
        permits = VmPolicy(may_throttle=True, may_postcopy=True, deadline_s=600.0)
        made, notes = self.recipe(permits)
        bounds = Throttle.within(made.pause_max_s)
        assert (made.throttle, made.postcopy, made.deadline_s) == (bounds, True, 600.0)
        assert notes == ()

    @pytest.mark.parametrize("lacking", [0, 1])
    def test_what_one_host_can_not_do_is_noted(self, lacking: int) -> None:
        features = [self.ALL, self.ALL]
        features[lacking] = frozenset()
        permits = VmPolicy(may_throttle=True, may_postcopy=True)
        made, notes = self.recipe(permits, (features[0], features[1]))
        assert (made.throttle, made.postcopy) == (None, False)
        assert len(notes) == 2
        assert "post-copy" in notes[1]

    def test_the_target_is_aimed_at_from_a_small_limit(self) -> None:
        made = self.recipe(VmPolicy(pause_target_s=0.1))[0]
        assert (made.pause_start_s, made.pause_target_s) == (0.02, 0.1)
        small = self.recipe(VmPolicy(pause_target_s=0.01))[0]
        assert (small.pause_start_s, small.pause_target_s) == (0.01, 0.01)
        lower = self.recipe(VmPolicy(pause_max_s=0.05, pause_target_s=0.1))[0]
        assert (lower.pause_max_s, lower.pause_target_s) == (0.05, None)

    def test_a_longer_pause_is_a_permission_of_its_own(self) -> None:
        made, _ = self.recipe(VmPolicy(pause_max_s=0.3, pause_longer_s=2.0))
        assert (made.pause_max_s, made.pause_longer_s, made.pause_ceiling_s) == (0.3, 2.0, 2.0)
        assert self.recipe(VmPolicy(pause_max_s=3.0, pause_longer_s=2.0))[0].pause_longer_s is None

    def test_who_asks_for_less_gets_no_more(self) -> None:
        policy = VmPolicy(pause_max_s=0.3, pause_longer_s=2.0)
        made, _ = self.recipe(policy, asked=PauseSettings(pause_max_s=0.2))
        assert (made.pause_ceiling_s, made.pause_longer_s) == (0.2, None)
        # Who asks for more than the policy has not lowered anything.
        made, _ = self.recipe(policy, asked=PauseSettings(pause_max_s=0.9))
        assert (made.pause_max_s, made.pause_longer_s) == (0.3, 2.0)

    def test_a_cap_that_a_person_sets_is_hard_and_lifted_for_the_switch_over(self) -> None:
        capped = PauseSettings(bandwidth_bytes_per_s=10.0 * MIB)
        made, _ = self.recipe(VmPolicy(), asked=capped)
        assert (made.bandwidth_is_hard, made.switchover_bytes_per_s) == (True, GIGABIT)
        made, _ = self.recipe(VmPolicy(), (self.ALL, frozenset()), capped)
        assert (made.bandwidth_is_hard, made.switchover_bytes_per_s) == (True, None)
        made, _ = self.recipe(VmPolicy())
        assert (made.bandwidth_is_hard, made.switchover_bytes_per_s) == (False, None)
