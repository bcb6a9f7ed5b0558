"""Carries one drain: its moves in order, so many at a time, each with its preconditions read again.

A move that fails is tried on another host where one fits, else reported; the others go on. Nothing
is ever stopped. Deadlines, the way back and resuming after a restart are not here yet.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from godwit.core.errors import GodwitError
from godwit.core.migration import Migration, Phase
from godwit.core.model import Cluster, HostName, MigrationId
from godwit.core.plan import Move, Plan, Recipe
from godwit.core.planner import (
    PauseSettings,
    choose_destination,
    drain_outlook,
    explain,
    recipe_for,
)
from godwit.engine.views import DrainState, DrainView
from godwit.ports import StoredDrain

__all__ = ["DrainRun", "view_of"]

#: Attempts for one VM, each on another host than the ones before.
_ATTEMPTS_MAX: Final = 3

StartMove = Callable[[Plan, Move, int], MigrationId]
WaitMigration = Callable[[MigrationId], Awaitable[Migration]]


class DrainRun:
    """One drain while it runs."""

    def __init__(
        self,
        stored: StoredDrain,
        plan: Plan,
        *,
        start: StartMove,
        wait: WaitMigration,
        scan: Callable[[], Awaitable[Cluster]],
        look: Callable[[MigrationId], Migration],
        changed: Callable[[], None],
    ) -> None:
        self.stored = stored
        self.plan = plan
        self._start = start
        self._wait = wait
        self._scan = scan
        self._look = look
        self._changed = changed
        self._cancelled = False
        self.migrations: list[MigrationId] = []

    def cancel(self) -> tuple[MigrationId, ...]:
        """Start no more moves; returns the migrations that are still to be cancelled."""
        self._cancelled = True
        return tuple(one for one in self.migrations if not self._look(one).is_ended)

    @property
    def is_cancelled(self) -> bool:
        """Whether a person cancelled it."""
        return self._cancelled

    async def run(self) -> None:
        """Carry all moves out, at most ``parallel`` at once, in the order of the plan.

        A fault of ours in one ends with the last of the others: none goes on behind a drain that
        is said to be over, where nobody could cancel it.
        """
        slots = asyncio.Semaphore(self.plan.parallel)

        async def one(move: Move) -> None:
            async with slots:
                await self._carry_out(move)

        done = await asyncio.gather(*map(one, self.plan.moves), return_exceptions=True)
        for fault in done:
            if fault is not None:
                raise fault

    async def _carry_out(self, move: Move) -> None:
        tried: set[HostName] = set()
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            if self._cancelled:
                return
            if not await self._fails(move, attempt):
                return
            tried.add(move.destination)
            another = await self._elsewhere(move, tried)
            if another is None:
                return
            move = another

    async def _fails(self, move: Move, attempt: int) -> bool:
        """Carry out one attempt; whether it did not happen, so that another host may be tried."""
        try:
            migration_id = self._start(self.plan, move, attempt)
        except GodwitError:
            # Somebody moves the VM already, or its host has left the inventory. The VM stays in
            # ``remaining``, and the other moves go on.
            return True
        self.migrations.append(migration_id)
        self._changed()
        ended = await self._wait(migration_id)
        self._changed()
        return ended.phase is Phase.FAILED

    async def _elsewhere(self, move: Move, tried: set[HostName]) -> Move | None:
        """The same move to another host, or None when no other fits."""
        cluster = await self._scan()
        vm = next((one for one in cluster.vms if one.id == move.vm), None)
        if vm is None or vm.host != move.source:
            return None
        choice = choose_destination(cluster, vm)
        if choice.vm_refusals:
            return None
        for candidate in choice.candidates:
            if candidate.fits and candidate.host not in tried:
                recipe, notes = recipe_for(cluster, vm, candidate.host, _asked(move.recipe))
                another = replace(
                    move,
                    destination=candidate.host,
                    recipe=recipe,
                    choice=choice,
                    warnings=candidate.warnings + notes,
                    reason=f"after {', '.join(sorted(tried))} failed: "
                    + explain(choice, candidate),
                )
                return drain_outlook(cluster, self.plan, another)
        return None


def _asked(recipe: Recipe) -> PauseSettings:
    """What a person asked for, as far as a recipe keeps it; the rest is chosen anew."""
    return PauseSettings(
        pause_max_s=recipe.pause_max_s,
        bandwidth_bytes_per_s=recipe.bandwidth_bytes_per_s if recipe.bandwidth_is_hard else None,
    )


def view_of(
    stored: StoredDrain, plan: Plan, migrations: tuple[Migration, ...], *, running: bool
) -> DrainView:
    """Make the view of a drain from what is stored and what its migrations came to."""
    last = {one.move.vm: one for one in migrations}
    done = {vm for vm, one in last.items() if one.phase is Phase.DONE}
    remaining = [move.vm_name for move in plan.moves if move.vm not in done]
    remaining += [one.vm_name for one in plan.unplaced]
    if running:
        state = DrainState.RUNNING
    elif stored.cancelled:
        state = DrainState.CANCELLED
    elif stored.interrupted or stored.ended_at_s is None:
        state = DrainState.INTERRUPTED
    else:
        state = DrainState.PARTLY if remaining else DrainState.EMPTIED
    return DrainView(
        id=stored.id,
        plan=plan,
        host=stored.host,
        state=state,
        accepted_at_s=stored.accepted_at_s,
        ended_at_s=stored.ended_at_s,
        migrations=migrations,
        remaining=tuple(remaining),
    )
