"""Goal: inventory, plans, runs and the generation survive, all of a change or none of it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from godwit.core.conductor import GivenUp
from godwit.core.errors import Bug, GodwitError, UnknownHost, UnknownPlan
from godwit.core.model import HostName, HostRecord, PlanId, RunId, VmId
from godwit.core.plan import Plan, PlanKind
from godwit.core.units import GIB
from godwit.ports import Store, StoredRun
from godwit.store import Database, SqlStore, records
from tests.unit.core.builders import cluster, host, moving, vm


def _record(name: str) -> HostRecord:
    uri = f"qemu+ssh://{name}/system"
    return HostRecord(name=HostName(name), uri=uri, peer_uri=uri, labels={"rack": "a"})


def _plan() -> Plan:
    return Plan(id=PlanId(""), kind=PlanKind.DRAIN, generation=3, made_at_s=5.0, moves=())


def _run(name: str, plan: PlanId) -> StoredRun:
    return StoredRun(id=RunId(name), plan=plan, host=HostName("one"), accepted_at_s=1.0)


def test_a_plan_comes_back_with_its_times(store: SqlStore) -> None:
    full = [vm(name, on, memory_bytes=64 * GIB) for name, on in (("a", "h1"), ("b", "h2"))]
    plan = moving(cluster([host(f"h{n}") for n in (1, 2, 3)], full), a="h2", b="h1")
    assert len(plan.moves) == 3
    kept = store.add_plan(plan)
    assert store.plan(kept.id) == kept == plan.with_id(kept.id)


def test_a_run_comes_back_with_what_was_given_up(store: SqlStore) -> None:
    plan = store.add_plan(_plan())
    left = GivenUp(
        vm=VmId("u"), vm_name="a", source=HostName("h1"), destination=HostName("h2"), why="so"
    )
    run = replace(_run("r-1", plan.id), given_up=(left,))
    store.put_run(run)
    assert store.runs(limit=1) == (run,)


def test_the_store_is_what_the_engine_asks_for(store: SqlStore) -> None:
    asked: Store = store
    assert asked.hosts() == ()


def test_hosts_are_kept_by_name_and_over_a_reopening(store: SqlStore, tmp_path: Path) -> None:
    store.put_hosts([_record("two"), _record("one")])
    store.put_hosts([replace(_record("two"), in_maintenance=True)])
    again = Database(tmp_path)
    found = SqlStore(again).hosts()
    again.close()
    assert found == (_record("one"), replace(_record("two"), in_maintenance=True))


def test_hosts_are_put_all_or_none(store: SqlStore) -> None:
    broken = replace(_record("two"), name=None)  # type: ignore[arg-type]
    with pytest.raises(GodwitError):
        store.put_hosts([_record("one"), broken])
    assert store.hosts() == ()


def test_a_host_is_removed_once(store: SqlStore) -> None:
    store.put_hosts([_record("one")])
    store.remove_host(HostName("one"))
    assert store.hosts() == ()
    with pytest.raises(UnknownHost, match="'one'"):
        store.remove_host(HostName("one"))


def test_the_generation_grows_by_one_and_survives(store: SqlStore, tmp_path: Path) -> None:
    first = store.generation()
    assert [store.next_generation(), store.next_generation()] == [first + 1, first + 2]
    again = Database(tmp_path)
    assert SqlStore(again).generation() == first + 2
    again.close()


def test_a_plan_is_kept_under_a_new_short_id(store: SqlStore) -> None:
    kept = store.add_plan(_plan())
    assert re.fullmatch(r"p-[a-z0-9]{6}", kept.id)
    assert store.plan(kept.id) == kept == _plan().with_id(kept.id)
    assert store.add_plan(_plan()).id != kept.id


def test_a_plan_that_is_not_there_is_unknown(store: SqlStore) -> None:
    with pytest.raises(UnknownPlan, match="'p-000000'"):
        store.plan(PlanId("p-000000"))


def test_old_plans_go_unless_a_run_needs_them(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_PLANS_KEPT", 2)
    needed = store.add_plan(_plan())
    store.put_run(_run("r-1", needed.id))
    forgotten, *kept = [store.add_plan(_plan()).id for _ in range(3)]
    assert [store.plan(one).id for one in (needed.id, *kept)] == [needed.id, *kept]
    with pytest.raises(UnknownPlan):
        store.plan(forgotten)


def test_runs_come_newest_first_and_keep_their_place_when_they_end(store: SqlStore) -> None:
    plan = store.add_plan(_plan()).id
    first, second, third = (_run(name, plan) for name in ("r-1", "r-2", "r-3"))
    for run in (first, second, third):
        store.put_run(run)
    ended = replace(first, ended_at_s=9.0, cancelled=True)
    store.put_run(ended)
    assert store.runs(limit=2) == (third, second)
    assert store.runs(limit=9) == (third, second, ended)


def test_a_run_without_its_plan_is_a_fault_of_ours(store: SqlStore) -> None:
    with pytest.raises(Bug, match="breaks its rules"):
        store.put_run(_run("r-1", PlanId("p-000000")))
