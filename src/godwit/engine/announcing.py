"""Telling the network where the guest is, and finding out whether it has learnt it.

QEMU announces a guest five times within 0.8 s by itself, and stops before anybody could look. So it
is announced again from its new place as a rule, and again, a few times, while the forwarding tables
or the guest's silence say that the network still believes the old one.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from godwit.core.errors import DriverError, RecordFailed
from godwit.core.migration import RepairOrdered
from godwit.core.model import Vm
from godwit.core.units import format_duration
from godwit.engine.forwarding import (
    Learnt,
    Ports,
    judge_destination,
    judge_source,
    judge_upstream,
)
from godwit.engine.outage import OutageWatch
from godwit.engine.record import Record
from godwit.ports import (
    Clock,
    ForwardingReader,
    HypervisorHost,
    RepairAction,
    UpstreamTable,
)

__all__ = ["Announced", "Announcing", "outage_causes"]

#: A guest silent for longer than QEMU's own announcements take needs more of them.
_ANSWER_S: Final = 3.0
_ANSWER_AGAIN_S: Final = 10.0
_LOOKS: Final = 4
_LOOK_AGAIN_S: Final = 0.3
#: All looks together. The verification as a whole has 60 s.
_LOOKING_S: Final = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What came of it. ``at_s`` are the announcements, by the monotonic clock.

    ``again`` says that one was not enough, or did not get out.
    """

    answers: bool | None
    again: bool
    at_s: tuple[float, ...]
    forwarding: str
    notes: tuple[str, ...]


class Announcing:
    """Announces the guest of one migration, and looks at what the network makes of it."""

    def __init__(
        self,
        record: Record,
        source: HypervisorHost,
        destination: HypervisorHost,
        clock: Clock,
        tables: ForwardingReader | None,
    ) -> None:
        self._record = record
        self._source = source
        self._destination = destination
        self._clock = clock
        self._tables = tables
        self._was = Ports(taps={})
        self._before: asyncio.Task[tuple[UpstreamTable, ...]] | None = None
        self._at_s: list[float] = []
        self._asked = 0
        self._notes: list[str] = []

    def meet(self, vm: Vm) -> None:
        """The guest as it is at the source."""
        self._was = Ports.of(vm)

    def look_before(self) -> None:
        """Read the upstream tables while the guest is at the source; nobody waits for it."""
        if self._tables is not None:
            self._before = asyncio.create_task(self._upstream(self._tables))

    async def close(self) -> None:
        """Stop reading."""
        if self._before is not None:
            self._before.cancel()
            await asyncio.gather(self._before, return_exceptions=True)
            if self._before.cancelled():
                # A person may have it looked at again: then nothing was seen before.
                self._before = None

    async def run(self, outage: OutageWatch | None) -> Announced:
        """Announce, then look and listen; announce again what is not known or does not answer."""
        destination = self._record.migration.move.destination
        await self._announce(f"the guest runs on {destination} now: the network is told again")
        forwarding, answers = await asyncio.gather(self._look(), self._listen(outage))
        return Announced(
            answers=answers,
            again=self._asked > 1,
            at_s=tuple(self._at_s),
            forwarding=forwarding,
            notes=tuple(self._notes),
        )

    async def _announce(self, why: str) -> bool:
        move = self._record.migration.move
        self._asked += 1
        self._record.write(
            RepairOrdered(
                at_s=self._record.now_s(),
                action=RepairAction.ANNOUNCE.value,
                host=move.destination,
                why=why,
            ),
            why,
        )
        try:
            await self._destination.repair(move.vm, RepairAction.ANNOUNCE)
        except DriverError as error:
            note = f"announcing the guest from {move.destination} failed: {error.message}"
            if note not in self._notes:
                self._notes.append(note)
            return False
        self._at_s.append(self._clock.monotonic_s())
        return True

    # What the guest says.

    async def _listen(self, outage: OutageWatch | None) -> bool | None:
        if outage is None:
            return None
        if not outage.ever_answered:
            self._notes.append(
                "the guest's address never answered this machine: nothing was measured"
            )
            return None
        if await self._answers_within(outage, _ANSWER_S):
            return True
        silent = f"the guest has not answered for {_ANSWER_S:g} s: announced again"
        if not await self._announce(silent):
            return False
        answered = await self._answers_within(outage, _ANSWER_AGAIN_S)
        if not answered:
            self._notes.append(
                f"the guest does not answer from {self._record.migration.move.destination},"
                " although it runs there: check the forwarding tables between it and this machine"
            )
        return answered

    async def _answers_within(self, outage: OutageWatch, time_s: float) -> bool:
        begun_s = self._clock.monotonic_s()
        while self._clock.monotonic_s() - begun_s < time_s:
            if outage.has_answered_since(begun_s):
                return True
            await self._clock.sleep(0.02)
        return False

    # What the tables say.

    async def _look(self) -> str:
        """Read until all is learnt, a few times. Empty where there is nothing to read."""
        if self._tables is None:
            return ""
        try:
            async with asyncio.timeout(_LOOKING_S):
                return await self._look_until_learnt(self._tables)
        except TimeoutError:
            why = f"they were not read within {_LOOKING_S:g} s"
        except (RecordFailed, DriverError) as failure:
            why = f"{failure.message} ({failure.evidence})" if failure.evidence else failure.message
        self._notes.append(f"the forwarding tables could not be checked: {why}")
        return f"not checked: {why}"

    async def _look_until_learnt(self, tables: ForwardingReader) -> str:
        wait_s = _LOOK_AGAIN_S
        for look in range(1, _LOOKS + 1):
            learnt = await self._judge(tables)
            wrong = "; ".join(one.what for one in learnt if not one.is_right)
            if not wrong:
                break
            if look < _LOOKS:
                await self._announce(f"announced again: {wrong}")
                await self._clock.sleep(wait_s)
                wait_s *= 2
        else:
            self._notes.append(f"the network has not learnt the guest's new place: {wrong}")
            return f"not learnt: {wrong}"
        return f"learnt: {'; '.join(one.what for one in learnt)}" if learnt else "nothing to learn"

    async def _judge(self, tables: ForwardingReader) -> list[Learnt]:
        move = self._record.migration.move
        reading, there, here, upstream = await asyncio.gather(
            self._destination.read(),
            tables.of_host(move.destination),
            tables.of_host(move.source),
            tables.upstream(),
        )
        now = next((Ports.of(vm) for vm in reading.vms if vm.id == move.vm), self._was)
        before = {one.name: one.entries for one in await self._seen_before()}
        learnt = [
            *judge_destination(move.destination, now, there),
            *judge_source(move.source, self._was, here),
        ]
        for table in upstream:
            learnt += judge_upstream(
                table,
                before.get(table.name, ()),
                tuple(now.taps),
                source=move.source,
                destination=move.destination,
            )
        return learnt

    async def _seen_before(self) -> tuple[UpstreamTable, ...]:
        # Read long ago, or it comes too late to be about the time before.
        if self._before is None or not self._before.done():
            return ()
        return self._before.result()

    async def _upstream(self, tables: ForwardingReader) -> tuple[UpstreamTable, ...]:
        try:
            return await tables.upstream()
        except RecordFailed:
            return ()  # told when it can't be read afterwards either


def outage_causes(
    *,
    pause_s: float | None,
    outage_s: float | None,
    answered_at_s: float | None,
    announced: Announced,
) -> tuple[str, ...]:
    """Say what an outage consisted of, as far as it is known. Pure.

    ``answered_at_s`` is when the guest was heard again, by the clock of the announcements.
    """
    causes = []
    if pause_s is not None:
        causes.append(f"the vCPUs stood still for {format_duration(pause_s)}")
    if outage_s is None:
        return tuple(causes)
    if pause_s is not None and outage_s > pause_s:
        more = format_duration(outage_s - pause_s)
        causes.append(f"{more} more passed until the guest was reached again over the network")
    if answered_at_s is not None:
        ours = sum(1 for at_s in announced.at_s if at_s < answered_at_s)
        if ours == 0:
            causes.append("it was reached before Godwit announced it again")
        else:
            causes.append(
                "it was reached only after Godwit announced it again"
                + (f", {ours} times" if ours > 1 else "")
            )
    return tuple(causes)
