"""How fast VMs write their memory, measured before a plan: cheaply, rarely, where it helps.

The hypervisor samples pages while the guest runs on. What is found is remembered with its age; a
refusal, or a host that is slow, only makes a forecast wider, and is told as a note.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.core.errors import GodwitError
from godwit.core.model import (
    DirtyObservation,
    DirtySource,
    HostName,
    RunState,
    Vm,
    VmId,
    VmKnowledge,
)
from godwit.core.precopy import with_samples
from godwit.engine.fleet import Fleet
from godwit.ports import Clock, KnowledgeStore

__all__ = ["Measuring", "MeasuringLimits", "is_due"]

#: Beyond its window, a measurement takes so long where the host is not slow.
_EXTRA_S: Final = 0.5

#: More names than these make a note that nobody reads.
_NAMED_MOST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringLimits:
    """What measuring may cost, and for how long it holds.

    ``budget_s`` is the time for a whole plan, ``per_host`` how many VMs of a host are measured at
    once. What was sampled is good for ``sampled_age_s``, what a migration copied for
    ``copied_age_s``: the forecast trusts it less with every hour.
    """

    windows_s: tuple[float, ...] = (1.0, 2.0)
    per_host: int = 2
    budget_s: float = 10.0
    sampled_age_s: float = 1800.0
    copied_age_s: float = 24 * 3600.0


def is_due(known: VmKnowledge | None, now_s: float, limits: MeasuringLimits) -> bool:
    """Whether what is known of a VM's dirtying is too old to plan with."""
    ages_s = {DirtySource.SAMPLED: limits.sampled_age_s, DirtySource.COPIED: limits.copied_age_s}
    seen = known.observations if known is not None else ()
    # Of the future is what a clock that was put back left behind: it says nothing of now.
    return not any(0 <= now_s - one.taken_at_s <= ages_s[one.source] for one in seen)


class Measuring:
    """Measures VMs and remembers. Used from one event loop only."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        knowledge: KnowledgeStore,
        clock: Clock,
        is_migrating: Callable[[VmId], bool],
        limits: MeasuringLimits,
    ) -> None:
        self._fleet = fleet
        self._knowledge = knowledge
        self._clock = clock
        self._is_migrating = is_migrating
        self._limits = limits
        # Plans that are made at the same time share them.
        self._slots: defaultdict[HostName, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.per_host)
        )
        self._measured_now: set[VmId] = set()

    async def refresh(self, vms: Sequence[Vm]) -> tuple[str, ...]:
        """Measure those VMs of which too little is known; return what a person should know of it.

        Returns within the budget. The largest VMs go first: there a wrong guess costs most.
        """
        try:
            known = self._knowledge.knowledge(vms=[vm.id for vm in vms]).vms
        except GodwitError as error:
            return (f"nothing was measured: {error.message}",)
        now_s = self._clock.now_s()
        due = [
            vm
            for vm in sorted(vms, key=lambda one: (-one.memory_bytes, one.name))
            if self._may_measure(vm) and is_due(known.get(vm.id), now_s, self._limits)
        ]
        until_s = self._clock.monotonic_s() + self._limits.budget_s
        told = await asyncio.gather(*(self._measure_within(vm, until_s) for vm in due))
        return _notes([(vm.name, why) for vm, why in zip(due, told, strict=True) if why])

    def _may_measure(self, vm: Vm) -> bool:
        return (
            vm.state is RunState.RUNNING
            and not vm.busy_with
            and vm.id not in self._measured_now
            and not self._is_migrating(vm.id)
        )

    async def _measure_within(self, vm: Vm, until_s: float) -> str:
        """Measure one VM when its turn comes; returns why not, or nothing."""
        needs_s = sum(window_s + _EXTRA_S for window_s in self._limits.windows_s)
        slot = self._slots[vm.host]
        try:
            async with asyncio.timeout(max(0.0, until_s - self._clock.monotonic_s())), slot:
                if until_s - self._clock.monotonic_s() < needs_s:
                    return _TIME_OVER
                # Its state may have changed while it waited for its turn.
                return await self._measure(vm) if self._may_measure(vm) else ""
        except TimeoutError:
            return _TIME_OVER
        except GodwitError as error:
            return error.evidence or error.message

    async def _measure(self, vm: Vm) -> str:
        self._measured_now.add(vm.id)
        try:
            for window_s in self._limits.windows_s:
                host = self._fleet.hypervisor(vm.host)
                found = await host.measure_dirtying(vm.id, window_s=window_s)
                if found is None:
                    return f"{vm.host} can't say how fast it writes its memory"
                self._remember(vm.id, found)
                if self._is_migrating(vm.id):
                    break
        finally:
            self._measured_now.discard(vm.id)
        return ""

    def _remember(self, vm: VmId, found: DirtyObservation) -> None:
        # Read anew: a migration of it may have taught something meanwhile.
        known = self._knowledge.knowledge(vms=[vm]).vms.get(vm) or VmKnowledge(vm=vm)
        self._knowledge.put_vm(with_samples(known, [found]))


_TIME_OVER: Final = "the time for it was over"


def _notes(told: list[tuple[str, str]]) -> tuple[str, ...]:
    """One note a reason, with the names that it concerns."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name, why in told:
        names[why].append(name)
    return tuple(
        f"dirtying not measured of {_listed(found)}: {why}" for why, found in sorted(names.items())
    )


def _listed(names: list[str]) -> str:
    if len(names) <= _NAMED_MOST:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED_MOST])} and {len(names) - _NAMED_MOST} more"
