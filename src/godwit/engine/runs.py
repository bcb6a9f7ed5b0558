"""All plans that are carried out here: begun, shown, cancelled, and what became of earlier ones."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from godwit.core.errors import Refused, UnknownPlan
from godwit.core.migration import Phase
from godwit.core.model import Cluster, HostName, PlanId, RunId
from godwit.core.plan import Plan, PlanKind
from godwit.core.planner import Restore
from godwit.engine.migrations import Migrations
from godwit.engine.notices import NoticeKind, Notices
from godwit.engine.plan_run import PlanRun, view_of
from godwit.engine.views import RunView
from godwit.ports import Clock, Store, StoredRun

__all__ = ["LOOK_BACK", "Runs"]

#: Runs looked through to find one, and migrations to find those of a VM.
LOOK_BACK: Final = 200

#: What is urgent starts beside what runs already; each of its moves is checked as it starts.
_URGENT: Final = frozenset({PlanKind.DRAIN, PlanKind.EVACUATE})


class Runs:
    """Starts, finds and cancels runs. Used from one event loop only."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        notices: Notices,
        migrations: Migrations,
        scan: Callable[[], Awaitable[Cluster]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._notices = notices
        self._migrations = migrations
        self._scan = scan
        self._runs: dict[RunId, PlanRun] = {}
        self._tasks: dict[RunId, asyncio.Task[None]] = {}

    def end_interrupted(self) -> None:
        """Note of every run that an earlier controller left running that it was cut off."""
        for stored in self._store.runs(limit=LOOK_BACK):
            if stored.ended_at_s is None:
                now_s = self._clock.now_s()
                self._store.put_run(replace(stored, ended_at_s=now_s, interrupted=True))

    async def close(self) -> None:
        """Start no more moves. Migrations in flight go on by themselves."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return any(not task.done() for task in self._tasks.values())

    def _going(self) -> tuple[PlanRun, ...]:
        return tuple(one for one in self._runs.values() if not self._tasks[one.stored.id].done())

    def under_way(self) -> tuple[RunView, ...]:
        """Those that have not ended, newest first."""
        return tuple(self._view(one.stored) for one in reversed(self._going()))

    def emptying(self, host: HostName) -> RunId | None:
        """The run that empties this host and has not ended, if there is one."""
        for run in self._runs.values():
            if run.stored.ended_at_s is None and host in run.plan.closes:
                return run.stored.id
        return None

    def of_plan(self, plan: PlanId) -> RunId | None:
        """The run that this plan led to, if it was accepted before."""
        for stored in self._store.runs(limit=LOOK_BACK):
            if stored.plan == plan:
                return stored.id
        return None

    def refuse_in_the_way(self, plan: Plan) -> None:
        """Raises: Refused when what runs already is in the way of a plan."""
        for run in self._going():
            if both := set(plan.closes) & set(run.plan.closes):
                raise Refused(
                    f"{', '.join(sorted(both))} is being emptied already, by {run.stored.id}",
                    remedy="See `godwit status`.",
                )
            # What it has moved already it moves no more.
            waiting = set(self.get(run.stored.id).remaining)
            ours = {one.vm for one in plan.moves}
            theirs = {one.vm: one.vm_name for one in run.plan.moves if one.vm_name in waiting}
            if shared := sorted(theirs[one] for one in ours & theirs.keys()):
                raise Refused(
                    f"{run.stored.id} ({run.plan.kind.value}) moves {', '.join(shared)} already",
                    remedy=f"Wait for it, or cancel it: `godwit cancel {run.stored.id}`.",
                )
            if plan.kind not in _URGENT:
                raise Refused(
                    f"{run.stored.id} ({run.plan.kind.value}) is under way, and this plan was made"
                    " without knowing how it ends",
                    remedy=f"Wait for it, or cancel it: `godwit cancel {run.stored.id}`."
                    " Then plan again.",
                )

    def way_back(self, host: HostName) -> Restore:
        """What the last run that emptied a host moved away, as a request to bring it back.

        Raises: Refused when there was none.
        """
        for stored in self._store.runs(limit=LOOK_BACK):
            if host not in self._store.plan(stored.plan).closes:
                continue
            left = {
                one.move.vm
                for one in self._view(stored).migrations
                if one.phase is Phase.DONE and one.move.source == host
            }
            if placement := dict.fromkeys(sorted(left), host):
                return Restore(placement=placement)
        raise Refused(
            f"no drain or evacuation of {host} is known that moved a VM away",
            remedy="Name the VMs: `godwit migrate VM --to HOST`; or `godwit restore --from FILE`.",
        )

    def begin(self, plan: Plan) -> RunId:
        """Set a plan going; the hosts that it empties are in maintenance already."""
        stored = StoredRun(
            id=RunId(f"r-{secrets.token_hex(3)}"),
            plan=plan.id,
            host=plan.host,
            accepted_at_s=self._clock.now_s(),
        )
        self._store.put_run(stored)
        run = PlanRun(
            stored,
            plan,
            start=self._migrations.start,
            wait=self._migrations.wait,
            scan=self._scan,
            look=self._migrations.get,
            changed=lambda: self._tell(stored.id),
        )
        self._runs[stored.id] = run
        self._tasks[stored.id] = asyncio.create_task(self._carry_out(run))
        return stored.id

    async def _carry_out(self, run: PlanRun) -> None:
        finished = False
        try:
            await run.run()
            finished = True
        finally:
            # Also after a fault of ours: a run without an end would look as if it went on.
            run.stored = replace(
                run.so_far(), ended_at_s=self._clock.now_s(), interrupted=not finished
            )
            self._store.put_run(run.stored)
            self._tell(run.stored.id)

    def _tell(self, run_id: RunId) -> None:
        view = self.get(run_id)
        self._notices.publish(
            NoticeKind.RUN, at_s=self._clock.now_s(), run=view, text=view.state.value
        )

    def newest(self, *, limit: int) -> tuple[RunView, ...]:
        """The newest runs, newest first."""
        return tuple(self._view(one) for one in self._store.runs(limit=limit))

    def get(self, run_id: RunId) -> RunView:
        """Return one. Raises: UnknownPlan."""
        for stored in self._store.runs(limit=LOOK_BACK):
            if stored.id == run_id:
                return self._view(stored)
        raise UnknownPlan(f"there is no run {run_id!r}", remedy="See `godwit status`.")

    def _view(self, stored: StoredRun) -> RunView:
        run = self._runs.get(stored.id)
        if run is not None:
            stored = run.so_far()
            migrations = tuple(self._migrations.get(one) for one in run.migrations)
        else:
            migrations = self._migrations.of_plan(stored.plan)
        return view_of(
            stored,
            self._store.plan(stored.plan),
            migrations,
            running=run is not None and run.stored.ended_at_s is None,
        )

    def cancel(self, run_id: RunId) -> RunView:
        """Start no more moves and cancel those in flight. Raises: UnknownPlan, Refused."""
        view = self.get(run_id)
        run = self._runs.get(run_id)
        if run is None or run.stored.ended_at_s is not None:
            raise Refused(
                f"{run_id} is over: {view.state.value}",
                remedy=f"See `godwit show {run_id}`.",
            )
        for migration_id in run.cancel():
            with contextlib.suppress(Refused):
                self._migrations.cancel(migration_id)
        self._tell(run_id)
        return self.get(run_id)
