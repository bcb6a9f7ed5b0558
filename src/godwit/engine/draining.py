"""All drains of this controller: begun, shown, cancelled, and what became of earlier ones."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from godwit.core.errors import Refused, UnknownPlan
from godwit.core.model import Cluster, DrainId, HostName, PlanId
from godwit.core.plan import Plan
from godwit.engine.drains import DrainRun, view_of
from godwit.engine.migrations import Migrations
from godwit.engine.notices import NoticeKind, Notices
from godwit.engine.views import DrainView
from godwit.ports import Clock, Store, StoredDrain

__all__ = ["LOOK_BACK", "Drains"]

#: Plans, drains and migrations looked through to find what a plan led to.
LOOK_BACK: Final = 200


class Drains:
    """Starts, finds and cancels drains. Used from one event loop only."""

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
        self._runs: dict[DrainId, DrainRun] = {}
        self._tasks: dict[DrainId, asyncio.Task[None]] = {}

    def end_interrupted(self) -> None:
        """Note of every drain that an earlier controller left running that it was cut off."""
        for stored in self._store.drains(limit=LOOK_BACK):
            if stored.ended_at_s is None:
                now_s = self._clock.now_s()
                self._store.put_drain(replace(stored, ended_at_s=now_s, interrupted=True))

    async def close(self) -> None:
        """Start no more moves. Migrations in flight go on by themselves."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_busy(self) -> bool:
        """Whether a drain is under way."""
        return any(not task.done() for task in self._tasks.values())

    def under_way(self, host: HostName) -> DrainId | None:
        """The drain of this host that has not ended, if there is one."""
        for run in self._runs.values():
            if run.stored.ended_at_s is None and run.plan.host == host:
                return run.stored.id
        return None

    def of_plan(self, plan: PlanId) -> DrainId | None:
        """The drain that this plan led to, if it was accepted before."""
        for stored in self._store.drains(limit=LOOK_BACK):
            if stored.plan == plan:
                return stored.id
        return None

    def refuse_second(self, host: HostName) -> None:
        """Raises: Refused when the host is being drained already."""
        running = [run for run in self._runs.values() if run.plan.host == host]
        if any(not self._tasks[run.stored.id].done() for run in running):
            raise Refused(f"{host} is being drained already", remedy="See `godwit status`.")

    def begin(self, plan: Plan) -> DrainId:
        """Set the drain of a plan going; its host is in maintenance already."""
        assert plan.host is not None, "a drain names its host"
        stored = StoredDrain(
            id=DrainId(f"d-{secrets.token_hex(3)}"),
            plan=plan.id,
            host=plan.host,
            accepted_at_s=self._clock.now_s(),
        )
        self._store.put_drain(stored)
        run = DrainRun(
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

    async def _carry_out(self, run: DrainRun) -> None:
        finished = False
        try:
            await run.run()
            finished = True
        finally:
            # Also after a fault of ours: a drain without an end would look as if it went on.
            run.stored = replace(
                run.so_far(), ended_at_s=self._clock.now_s(), interrupted=not finished
            )
            self._store.put_drain(run.stored)
            self._tell(run.stored.id)

    def _tell(self, drain_id: DrainId) -> None:
        view = self.get(drain_id)
        self._notices.publish(
            NoticeKind.DRAIN, at_s=self._clock.now_s(), drain=view, text=view.state.value
        )

    def newest(self, *, limit: int) -> tuple[DrainView, ...]:
        """The newest drains, newest first."""
        return tuple(self._view(one) for one in self._store.drains(limit=limit))

    def get(self, drain_id: DrainId) -> DrainView:
        """Return one. Raises: UnknownPlan."""
        for stored in self._store.drains(limit=LOOK_BACK):
            if stored.id == drain_id:
                return self._view(stored)
        raise UnknownPlan(f"there is no drain {drain_id!r}", remedy="See `godwit status`.")

    def _view(self, stored: StoredDrain) -> DrainView:
        run = self._runs.get(stored.id)
        if run is not None:
            stored = run.so_far()
            migrations = tuple(self._migrations.get(one) for one in run.migrations)
        else:
            newest = self._migrations.newest(limit=LOOK_BACK)
            migrations = tuple(one for one in reversed(newest) if one.plan == stored.plan)
        return view_of(
            stored,
            self._store.plan(stored.plan),
            migrations,
            running=run is not None and run.stored.ended_at_s is None,
        )

    def cancel(self, drain_id: DrainId) -> DrainView:
        """Start no more moves and cancel those in flight. Raises: UnknownPlan, Refused."""
        view = self.get(drain_id)
        run = self._runs.get(drain_id)
        if run is None or run.stored.ended_at_s is not None:
            raise Refused(
                f"drain {drain_id} is over: {view.state.value}",
                remedy=f"See `godwit show {drain_id}`.",
            )
        for migration_id in run.cancel():
            with contextlib.suppress(Refused):
                self._migrations.cancel(migration_id)
        self._tell(drain_id)
        return self.get(drain_id)
