"""The acceptance of plans: once each, against a fresh reading, and never what no longer holds."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from godwit.core.errors import PlanStale
from godwit.core.model import Cluster, HostName
from godwit.core.plan import Plan, PlanKind
from godwit.engine.auditing import refuse_unsound
from godwit.engine.migrations import Migrations
from godwit.engine.runs import Runs
from godwit.engine.views import Acceptance
from godwit.ports import Clock

__all__ = ["Acceptor"]


class Acceptor:
    """Sets plans going, one at a time. Used from one event loop only."""

    def __init__(
        self,
        *,
        migrations: Migrations,
        runs: Runs,
        clock: Clock,
        scan: Callable[[], Awaitable[Cluster]],
        close: Callable[[HostName], Awaitable[object]],
    ) -> None:
        self._migrations = migrations
        self._runs = runs
        self._clock = clock
        self._scan = scan
        self._close = close
        self._one_at_a_time = asyncio.Lock()

    async def accept(self, plan: Plan) -> Acceptance:
        """Set a plan going, and return at once. Accepting it again returns the same acceptance.

        Raises: PlanStale, Refused; then nothing was changed.
        """
        async with self._one_at_a_time:
            if (earlier := self._accepted_before(plan)) is not None:
                return earlier
            cluster = await self._scan()
            if plan.kind is PlanKind.MIGRATE:
                return self._begin_one(plan, cluster)
            return await self._begin_run(plan, cluster)

    def _accepted_before(self, plan: Plan) -> Acceptance | None:
        if (run := self._runs.of_plan(plan.id)) is not None:
            return Acceptance(plan=plan, migrations=(), run=run)
        found = tuple(one.id for one in self._migrations.of_plan(plan.id))
        return Acceptance(plan=plan, migrations=found, run=None) if found else None

    def _begin_one(self, plan: Plan, cluster: Cluster) -> Acceptance:
        if cluster.generation != plan.generation:
            raise PlanStale(
                "the cluster is not the one that the plan was made from",
                evidence=f"plan {plan.id} is of generation {plan.generation}, the cluster is"
                f" at {cluster.generation}: hosts or VMs have changed since",
                remedy="Plan again.",
            )
        started = tuple(self._migrations.start(plan, move) for move in plan.moves)
        return Acceptance(plan=plan, migrations=started, run=None)

    async def _begin_run(self, plan: Plan, cluster: Cluster) -> Acceptance:
        self._runs.refuse_in_the_way(plan)
        await self._clock.spend(partial(refuse_unsound, cluster, plan))
        for host in plan.closes:
            await self._close(host)
        return Acceptance(plan=plan, migrations=(), run=self._runs.begin(plan))
