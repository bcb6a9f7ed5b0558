"""Carries one plan out, and finds another host for a move that failed where the purpose allows it.

Resuming after a restart is not here yet.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

from godwit.core.migration import Migration, Phase
from godwit.core.model import Cluster, HostName, MigrationId
from godwit.core.plan import Move, Plan, Recipe
from godwit.core.planner import (
    PauseSettings,
    choose_destination,
    explain,
    move_outlook,
    recipe_for,
)
from godwit.engine.conducting import Conducting, StartMove, WaitMigration
from godwit.engine.views import RunState, RunView
from godwit.ports import StoredRun

__all__ = ["PlanRun", "view_of"]


class PlanRun:
    """One plan while it is carried out."""

    def __init__(
        self,
        stored: StoredRun,
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
        self._scan = scan
        self._look = look
        self._conducting = Conducting(
            plan, start=start, wait=wait, elsewhere=self._elsewhere, changed=changed
        )

    @property
    def migrations(self) -> tuple[MigrationId, ...]:
        """Those that were started, in their order."""
        return tuple(self._conducting.migrations)

    def cancel(self) -> tuple[MigrationId, ...]:
        """Start no more moves; returns the migrations that are still to be cancelled."""
        self._conducting.cancel()
        return tuple(one for one in self.migrations if not self._look(one).is_ended)

    def so_far(self) -> StoredRun:
        """What is to be kept of it now, while it runs or when it has ended."""
        return replace(
            self.stored,
            cancelled=self._conducting.is_cancelled,
            given_up=self._conducting.given_up,
        )

    async def run(self) -> None:
        """Carry all moves out that can be. A fault of ours is raised when all others are over."""
        await self._conducting.run()

    async def _elsewhere(self, move: Move, tried: frozenset[HostName]) -> Move | None:
        """The same move to another host; None when no other fits, or would serve the purpose.

        Who has to leave a host may go anywhere. What a balance gains, it gains on that host only.
        """
        if move.source not in self.plan.closes:
            return None
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
                return move_outlook(cluster, self.plan, another)
        return None


def _asked(recipe: Recipe) -> PauseSettings:
    """What a person asked for, as far as a recipe keeps it; the rest is chosen anew."""
    return PauseSettings(
        pause_max_s=recipe.pause_max_s,
        bandwidth_bytes_per_s=recipe.bandwidth_bytes_per_s if recipe.bandwidth_is_hard else None,
    )


def view_of(
    stored: StoredRun, plan: Plan, migrations: tuple[Migration, ...], *, running: bool
) -> RunView:
    """Make the view of a run from what is stored and what its migrations came to."""
    # A VM that goes over a stop has a move for each part of its way.
    missing = Counter(move.vm for move in plan.moves)
    missing.subtract(one.move.vm for one in migrations if one.phase is Phase.DONE)
    names = {move.vm: move.vm_name for move in plan.moves}
    remaining = [name for vm, name in names.items() if missing[vm] > 0]
    remaining += [one.vm_name for one in plan.left_out]
    if running:
        state = RunState.RUNNING
    elif stored.cancelled:
        state = RunState.CANCELLED
    elif stored.interrupted or stored.ended_at_s is None:
        state = RunState.INTERRUPTED
    else:
        state = RunState.PARTLY if remaining else RunState.DONE
    return RunView(
        id=stored.id,
        plan=plan,
        host=stored.host,
        state=state,
        accepted_at_s=stored.accepted_at_s,
        ended_at_s=stored.ended_at_s,
        migrations=migrations,
        remaining=tuple(remaining),
        given_up=stored.given_up,
    )
