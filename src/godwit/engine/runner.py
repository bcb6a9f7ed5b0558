"""Carries one migration from acceptance to its end, or adopts one that another controller began.

The runner orders and watches; what an event means is judged by ``step``, who runs the guest by both
hypervisors. It can be dropped at any instant: whatever it ordered is in the journal.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from godwit.core.errors import DriverError, OutcomeUnknown
from godwit.core.migration import (
    DEADLINES_S,
    CancelOrdered,
    ControllerRestarted,
    DeadlinePassed,
    Migration,
    PersonAsked,
    Phase,
    PreconditionsBroke,
    PreconditionsHeld,
    StartOrdered,
)
from godwit.core.model import Cluster, Feature, HostName, Probe, Vm, VmId
from godwit.engine.announcing import Announcing
from godwit.engine.companions import Companion, Companions
from godwit.engine.confirmation import ADOPTED_AFTER_S, JOB_LINGERS_S, Confirmation
from godwit.engine.fleet import Fleet
from godwit.engine.links import Links
from godwit.engine.outage import ICMP_EVERY_S, OutageWatch
from godwit.engine.preconditions import what_broke
from godwit.engine.record import Record
from godwit.engine.recovering import Recovery
from godwit.engine.verification import Verification
from godwit.engine.watch import Watch, WatchLimits
from godwit.ports import Clock, ForwardingReader, MigrationOrder, Prober, RepairAction

__all__ = ["Runner", "World"]

#: QEMU's own, which a domain has when nobody ever set one.
_QEMU_PAUSE_LIMIT_S: Final = 0.3


#: Nothing has been decided yet, or memory still moves.
_UNDER_WAY: Final = frozenset(
    {Phase.CONFIRMING, Phase.UNKNOWN, Phase.COPYING, Phase.POSTCOPY, Phase.RECOVERING}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What every runner shares. ``companions`` go along with each migration."""

    fleet: Fleet
    scan: Callable[[], Awaitable[Cluster]]
    prober: Prober
    clock: Clock
    limits: WatchLimits
    probe_every_s: float = ICMP_EVERY_S
    companions: tuple[Companion, ...] = ()
    tables: ForwardingReader | None = None


class Runner:
    """Runs one migration. ``run`` and ``adopt`` end when its phase needs nothing more."""

    def __init__(
        self,
        record: Record,
        world: World,
        *,
        together_with: tuple[tuple[VmId, HostName], ...] = (),
        goes_on: bool = False,
        links: Links | None = None,
    ) -> None:
        self.record = record
        self._world = world
        self._together_with = together_with
        self._goes_on = goes_on
        move = record.migration.move
        self._source = world.fleet.hypervisor(move.source)
        self._destination = world.fleet.hypervisor(move.destination)
        self._companions = Companions(world.companions, record)
        self._links = links or Links()
        self._watch = Watch(record, self._source, self._destination, world.clock, world.limits)
        self._outage: OutageWatch | None = None
        self._announcing = Announcing(
            record, self._source, self._destination, world.clock, world.tables
        )
        # Not known of an adopted one that was over before its source could be asked.
        self._was_persistent = False
        self._call: asyncio.Task[None] | None = None
        self._can_recover = {self._source: False, self._destination: False}

    def cancel(self) -> None:
        """Order the abort: at once when nothing was started, else through the watch.

        In doubt there is nothing to abort yet; the wish is written, so that the next controller
        knows of it too.
        """
        unwatched = {Phase.ACCEPTED, Phase.CHECKING, Phase.CONFIRMING, Phase.UNKNOWN}
        if self.record.phase in unwatched and not self.record.migration.cancel_by_person:
            at_s = self.record.now_s()
            self.record.write(CancelOrdered(at_s=at_s, by_person=True), "cancelled by a person")
        if not self.record.migration.is_ended:
            self._watch.ask_cancel()

    async def run(self) -> Migration:
        """Check, start, watch, confirm and verify a migration that was just accepted."""
        vm = await self._check()
        try:
            if vm is not None and self.record.phase is Phase.CHECKING:
                await self._carry_out(vm)
            await self._companions.ended()
        finally:
            await self._close()
        return self.record.migration

    async def _carry_out(self, vm: Vm) -> None:
        self._was_persistent = vm.persistent
        self._announcing.meet(vm)
        self._announcing.look_before()
        await self._open()
        await self._open_outage(vm)
        await self._companions.before_start()
        if self.record.migration.is_ended:
            return  # cancelled meanwhile
        self.record.write(StartOrdered(at_s=self.record.now_s()))
        await self._watch.follow(self._start_call())
        await self._finish()

    def _start_call(self, *, resume: bool = False) -> asyncio.Task[None]:
        call = asyncio.create_task(self._source.migrate(self._order(resume=resume)))
        # It may end after its deadline, when nobody waits for its answer any more.
        call.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._call = call
        return call

    async def adopt(self) -> Migration:
        """Take over a migration that an earlier controller left unfinished."""
        self.record.write(
            ControllerRestarted(at_s=self.record.now_s()), "taken over by a new controller"
        )
        return await self._from_doubt()

    async def resolve(self) -> Migration:
        """Read both hosts again because a person asked for it."""
        self.record.write(PersonAsked(at_s=self.record.now_s()), "a person asks to look again")
        return await self._from_doubt()

    async def _from_doubt(self) -> Migration:
        try:
            if self.record.phase in {Phase.CONFIRMING, Phase.UNKNOWN}:
                await self._open()
                await self._finish()
            await self._companions.ended()
        finally:
            await self._close()
        return self.record.migration

    async def end_again(self) -> Migration:
        """Do what an earlier controller left undone about a migration that has ended."""
        await self._companions.ended()
        return self.record.migration

    async def _check(self) -> Vm | None:
        move = self.record.migration.move
        cluster = await self._world.scan()
        if self.record.phase is not Phase.ACCEPTED:
            return None  # cancelled meanwhile
        if self.record.is_overdue():
            self.record.write(DeadlinePassed(at_s=self.record.now_s()))
            return None
        broke = what_broke(cluster, move, together_with=self._together_with, goes_on=self._goes_on)
        at_s = self.record.now_s()
        if broke is not None:
            self.record.write(PreconditionsBroke(at_s=at_s, failure=broke), broke.cause)
            return None
        self.record.write(PreconditionsHeld(at_s=at_s))
        for one, name in ((self._source, move.source), (self._destination, move.destination)):
            observed = cluster.host(name).observed
            features = observed.features if observed is not None else frozenset()
            self._can_recover[one] = Feature.POSTCOPY_RECOVERY in features
        return next(one for one in cluster.vms if one.id == move.vm and one.host == move.source)

    def _order(self, *, resume: bool) -> MigrationOrder:
        move = self.record.migration.move
        destination = self._world.fleet.record(move.destination)
        return MigrationOrder(
            vm=move.vm,
            peer_uri=destination.peer_uri,
            migration_address=destination.migration_address,
            persistent=self._was_persistent,
            recipe=move.recipe,
            resume=resume,
        )

    async def _open_outage(self, vm: Vm) -> None:
        probe = vm.policy.probe
        if probe is None:
            with contextlib.suppress(DriverError):
                addresses = await self._source.addresses(vm.id)
                probe = Probe(address=addresses[0]) if addresses else None
        if probe is not None:
            self._outage = OutageWatch(
                probe,
                prober=self._world.prober,
                clock=self._world.clock,
                every_s=self._world.probe_every_s,
            )
            self._outage.open()
            self._watch.when_near = self._outage.hurry

    async def _finish(self) -> None:
        """From doubt to certainty; and back to watching when the migration turns out to run."""
        while self.record.phase in _UNDER_WAY:
            match self.record.phase:
                case Phase.COPYING | Phase.POSTCOPY:
                    await self._watch.follow_adopted()
                case Phase.RECOVERING:
                    await Recovery(
                        self.record,
                        self._confirmation(),
                        self._world.clock,
                        self._take_up,
                        destination=self._destination,
                        hosts=self._can_recover,
                    ).run()
                case _:
                    await self._confirm()
        if self.record.phase is Phase.VERIFYING:
            await self._verify()
        elif self.record.migration.is_ended:
            await self._leave_source_as_it_was()

    async def _verify(self) -> None:
        try:
            async with asyncio.timeout(DEADLINES_S[Phase.VERIFYING]):
                await Verification(
                    self.record, self._source, self._destination, self._world.clock
                ).run(
                    stats=self._watch.stats,
                    outage=self._outage,
                    was_persistent=self._was_persistent,
                    announcing=self._announcing,
                    beside=self._companions.confirmed,
                )
        except TimeoutError:
            # The guest runs there, whatever could not be looked at.
            self.record.write(DeadlinePassed(at_s=self.record.now_s()))

    async def _take_up(self) -> None:
        """Order a broken post-copy to go on, and watch it for as long as its call is out."""
        await self._watch.follow(self._start_call(resume=True), resumes=True)

    def _confirmation(self) -> Confirmation:
        # A job without a call of ours is no remainder of one: it is what we look for.
        lingers_s = JOB_LINGERS_S if self._call is not None else ADOPTED_AFTER_S
        return Confirmation(
            self.record,
            self._source,
            self._destination,
            self._world.clock,
            job_lingers_s=lingers_s,
        )

    async def _confirm(self) -> None:
        await self._confirmation().run()
        if self.record.phase in _UNDER_WAY and self._outage is None:
            await self._meet_adopted()

    async def _meet_adopted(self) -> None:
        """Learn of an adopted migration's VM what its first controller knew."""
        move = self.record.migration.move
        with contextlib.suppress(DriverError):
            reading = await self._source.read()
            for vm in reading.vms:
                if vm.id == move.vm:
                    self._was_persistent = vm.persistent
                    self._announcing.meet(vm)
                    await self._open_outage(vm)

    async def _leave_source_as_it_was(self) -> None:
        """After a roll-back: the network learns it, and no limit of ours stays.

        A throttle ends with the migration by itself.
        """
        migration = self.record.migration
        if migration.stopped_at_s is not None:
            # The destination may have been announced already, and the source says nothing itself.
            with contextlib.suppress(DriverError):
                await self._source.repair(migration.move.vm, RepairAction.ANNOUNCE)
        if not self._was_answered():
            # Who knew the limit from before has gone; this is QEMU's own default.
            with contextlib.suppress(DriverError):
                await self._source.set_pause_limit(migration.move.vm, _QEMU_PAUSE_LIMIT_S)
            if migration.bandwidth_bytes_per_s is not None or migration.changed_at_s is not None:
                with contextlib.suppress(DriverError):
                    await self._source.set_bandwidth(migration.move.vm, None)

    def _was_answered(self) -> bool:
        """Whether a call of ours came back with an answer; then it put the limit back itself."""
        if self._call is None or not self._call.done() or self._call.cancelled():
            return False
        error = self._call.exception()
        # A fault of ours puts nothing back.
        answers = error is None or isinstance(error, DriverError)
        return answers and not isinstance(error, OutcomeUnknown)

    async def _open(self) -> None:
        await self._watch.open()
        self._links.join(self.record, self._watch.carrying)
        self._watch.when_moved = self._links.look

    async def _close(self) -> None:
        self._links.leave(self.record.migration.id)
        await self._companions.close()
        await self._announcing.close()
        if self._outage is not None:
            await self._outage.close()
            # What is closed hears nothing: a person may have it looked at again, and verified.
            self._outage = None
        await self._watch.close()
        if self._call is not None and not self._call.done():
            # The call is given up, not the migration: that is libvirt's, peer to peer.
            self._call.cancel()
