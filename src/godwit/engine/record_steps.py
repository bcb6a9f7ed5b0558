"""The steps of one migration's records: each try bounded, each outcome in the journal.

What a keeper does is its own business, and whatever goes wrong in it is a record that failed.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Final, TypeVar

from godwit.core.errors import DriverError, RecordFailed
from godwit.core.migration import (
    ControllerRestarted,
    Event,
    PostcopyStarted,
    RecordStepped,
    VcpusStopped,
)
from godwit.core.model import HostName
from godwit.engine.fleet import Fleet
from godwit.engine.record import Record
from godwit.ports import Clock, GuestPlace, PlaceChange, RecordKeeper

__all__ = ["MoveRecords", "RecordRule"]

_T = TypeVar("_T")

#: The wait before the second try; each later one is twice as long.
_WAIT_S: Final = 0.5
#: Longer than this nobody waits for a record at all. The verification as a whole has 60 s.
_PATIENCE_S: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRule:
    """A keeper, the VMs it is for (shell patterns of names), and how often and long it may try."""

    keeper: RecordKeeper
    patterns: tuple[str, ...] = ("*",)
    limit_s: float = 5.0
    tries: int = 3

    def is_for(self, vm_name: str) -> bool:
        """Whether it keeps records of this VM."""
        return any(fnmatchcase(vm_name, one) for one in self.patterns)


@dataclass(slots=True, kw_only=True)
class _Kept:
    """One record of one migration, and how far it has come."""

    rule: RecordRule
    saw: str = ""
    #: A switch was tried, or may have been: the record may say the new place.
    is_touched: bool = False
    is_switched: bool = False
    #: The guest's place is certain: no more tries of the switch.
    is_decided: bool = False
    is_settled: bool = False
    task: asyncio.Task[None] | None = field(default=None)


class MoveRecords:
    """The records of one migration."""

    def __init__(
        self,
        record: Record,
        rules: Sequence[RecordRule],
        *,
        fleet: Fleet,
        clock: Clock,
        life: Iterable[Event] = (),
    ) -> None:
        self._record = record
        self._fleet = fleet
        self._clock = clock
        self._kept = [_Kept(rule=rule) for rule in rules]
        #: The guest's addresses and MACs, as they were before the migration.
        self._known: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._recall(life)

    async def prepare(self) -> None:
        """Prepare all at once. Returns when they have, or when one try's time is over."""
        await self._learn()
        tasks = set()
        for kept in self._kept:
            kept.task = asyncio.create_task(self._prepare(kept))
            tasks.add(kept.task)
        await asyncio.wait(tasks, timeout=max(kept.rule.limit_s for kept in self._kept))

    async def switch(self) -> None:
        """The guest stands still, or runs at the destination already: switch all at once."""
        tasks = []
        for kept in self._kept:
            if not kept.is_touched:
                kept.is_touched = True
                if kept.task is not None:
                    # What is not prepared by now is not waited for.
                    kept.task.cancel()
                kept.task = asyncio.create_task(self._switch(kept))
                tasks.append(kept.task)
        await asyncio.gather(*tasks)

    async def moved(self) -> tuple[str, ...]:
        """Verify all, and switch again what still says the old place. Returns what went wrong."""
        return await self._settle(self._verify, [one for one in self._kept if not one.is_settled])

    async def stayed(self) -> tuple[str, ...]:
        """Roll back all that may have been switched. Returns what went wrong."""
        touched = [one for one in self._kept if one.is_touched and not one.is_settled]
        return await self._settle(self._roll_back, touched)

    async def close(self) -> None:
        """Stop trying; the next controller goes on from the journal."""
        tasks = [kept.task for kept in self._kept if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(
        self, end: Callable[[_Kept], Awaitable[str]], kept: Sequence[_Kept]
    ) -> tuple[str, ...]:
        if not kept:
            return ()
        for one in kept:
            one.is_decided = True
        if self._known is None:
            await self._learn()
        notes = await asyncio.gather(*(self._in_time(one, end) for one in kept))
        return tuple(note for note in notes if note)

    async def _in_time(self, kept: _Kept, end: Callable[[_Kept], Awaitable[str]]) -> str:
        note = ""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if kept.task is not None:
                    # A try that is out may still be carried out there: its end is waited for.
                    await asyncio.wait({kept.task})
                note = await end(kept)
        except TimeoutError:
            step = "verify" if end == self._verify else "roll_back"
            what = f"given up after {_PATIENCE_S:g} s"
            self._write(kept, step, worked=False, what=what)
            note = self._note(kept, step, what)
        kept.is_settled = True
        return note

    # One step of one record each.

    async def _prepare(self, kept: _Kept) -> None:
        keeper, change = kept.rule.keeper, self._change(kept)
        try:
            prepared = await self._try(kept, lambda: self._limited(kept, keeper.prepare(change)))
        except RecordFailed as failure:
            self._write(kept, "prepare", worked=False, what=_said(failure))
        else:
            kept.saw = prepared.saw
            self._write(kept, "prepare", worked=True, what=prepared.what)

    async def _switch(self, kept: _Kept) -> None:
        try:
            await self._try(kept, lambda: self._switch_once(kept), until=lambda: kept.is_decided)
        except RecordFailed as failure:
            self._write(kept, "switch", worked=False, what=_said(failure))

    async def _switch_once(self, kept: _Kept) -> None:
        what = await self._limited(kept, kept.rule.keeper.switch(self._change(kept)))
        kept.is_switched = True
        self._write(kept, "switch", worked=True, what=what)

    async def _verify(self, kept: _Kept) -> str:
        async def once() -> str:
            if not kept.is_switched:
                kept.is_touched = True
                await self._switch_once(kept)
            try:
                return await self._limited(kept, kept.rule.keeper.verify(self._change(kept)))
            except RecordFailed:
                # Whether it says the old place or nothing at all: the next try says it anew.
                kept.is_switched = False
                raise

        return await self._last(kept, "verify", once)

    async def _roll_back(self, kept: _Kept) -> str:
        keeper, change = kept.rule.keeper, self._change(kept)
        return await self._last(
            kept, "roll_back", lambda: self._limited(kept, keeper.roll_back(change))
        )

    async def _last(self, kept: _Kept, step: str, call: Callable[[], Awaitable[str]]) -> str:
        try:
            what = await self._try(kept, call)
        except RecordFailed as failure:
            self._write(kept, step, worked=False, what=_said(failure))
            return self._note(kept, step, _said(failure))
        self._write(kept, step, worked=True, what=what)
        return ""

    async def _try(
        self,
        kept: _Kept,
        call: Callable[[], Awaitable[_T]],
        *,
        until: Callable[[], bool] = lambda: False,
    ) -> _T:
        wait_s = _WAIT_S
        for _ in range(kept.rule.tries - 1):
            try:
                return await call()
            except RecordFailed:
                if until():
                    raise
            await self._clock.sleep(wait_s)
            wait_s *= 2
        return await call()

    async def _limited(self, kept: _Kept, call: Awaitable[_T]) -> _T:
        """One try, as an outcome: whatever goes wrong in a keeper, it is a record that failed."""
        limit_s = kept.rule.limit_s
        try:
            async with asyncio.timeout(limit_s):
                return await call
        except RecordFailed:
            raise
        except TimeoutError as failure:
            raise RecordFailed(f"no answer within {limit_s:g} s") from failure
        except Exception as failure:
            raise RecordFailed("an internal error", evidence=repr(failure)) from failure

    # What is known, and what is written.

    def _change(self, kept: _Kept) -> PlaceChange:
        move = self._record.migration.move
        return PlaceChange(
            migration=self._record.migration.id,
            old=self._place(move.source),
            new=self._place(move.destination),
            saw=kept.saw,
        )

    def _place(self, host: HostName) -> GuestPlace:
        move = self._record.migration.move
        addresses, macs = self._known or ((), ())
        return GuestPlace(
            vm=move.vm,
            vm_name=move.vm_name,
            host=host,
            addresses=addresses,
            macs=macs,
            labels=next((one.labels for one in self._fleet.records() if one.name == host), {}),
        )

    async def _learn(self) -> None:
        """The guest's addresses and MACs: of its probe, and as the host that has it knows them."""
        move = self._record.migration.move
        addresses: list[str] = []
        macs: tuple[str, ...] = ()
        for host in (move.source, move.destination):
            hypervisor = self._fleet.hypervisor(host)
            # An address more or less: the place itself is known.
            with contextlib.suppress(DriverError):
                vms = {one.id: one for one in (await hypervisor.read()).vms}
                if move.vm not in vms:
                    continue
                probe = vms[move.vm].policy.probe
                if probe is not None and _is_ip(probe.address):
                    addresses.append(probe.address)
                macs = tuple(nic.mac for nic in vms[move.vm].nics)
                addresses += await hypervisor.addresses(move.vm)
                break
        self._known = tuple(dict.fromkeys(addresses)), macs

    def _recall(self, life: Iterable[Event]) -> None:
        """Go on from what an earlier controller wrote."""
        by_name = {kept.rule.keeper.name: kept for kept in self._kept}
        has_switched = False
        for event in life:
            if isinstance(event, VcpusStopped | PostcopyStarted):
                has_switched = True
            elif isinstance(event, ControllerRestarted) and has_switched:
                # The switch was ordered by the one before, who may have died before saying so.
                for kept in self._kept:
                    kept.is_touched = True
            elif isinstance(event, RecordStepped) and event.record in by_name:
                self._recall_step(by_name[event.record], event)

    def _recall_step(self, kept: _Kept, event: RecordStepped) -> None:
        match event.step:
            case "prepare" if event.saw:
                addresses, macs, kept.saw = json.loads(event.saw)
                self._known = tuple(addresses), tuple(macs)
            case "switch":
                kept.is_touched, kept.is_switched = True, event.worked
            case "verify" | "roll_back":
                kept.is_settled = event.worked

    def _write(self, kept: _Kept, step: str, *, worked: bool, what: str) -> None:
        name = kept.rule.keeper.name
        saw = json.dumps([*(self._known or ((), ())), kept.saw]) if step == "prepare" else ""
        self._record.write(
            RecordStepped(
                at_s=self._record.now_s(), record=name, step=step, worked=worked, what=what, saw=saw
            ),
            f"record {name}: {_word(step)}: {what}" if worked else self._note(kept, step, what),
        )

    def _note(self, kept: _Kept, step: str, what: str) -> str:
        return f"the record {kept.rule.keeper.name} could not be {_PAST[step]}: {what}"


_PAST: Final = {
    "prepare": "prepared",
    "switch": "switched",
    "verify": "verified",
    "roll_back": "rolled back",
}


def _word(step: str) -> str:
    return step.replace("_", " ")


def _said(failure: RecordFailed) -> str:
    return f"{failure.message} ({failure.evidence})" if failure.evidence else failure.message


def _is_ip(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True
