"""The cluster as one value: readings of all hosts, and the answers that the rules need.

Answers are asked of the hypervisors and kept while they can't change: a CPU comparison for as long
as the guest's CPU and the host are the same, a storage answer for a short time.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from godwit.core.errors import DriverError, GodwitError, UnknownHost
from godwit.core.model import (
    Cluster,
    CpuAnswer,
    Disk,
    DiskKind,
    DiskSighting,
    Host,
    HostName,
    Knowledge,
    Reservation,
    RunState,
    Vm,
    VmId,
)
from godwit.core.rules import (
    DeclaredRule,
    GroupRule,
    PolicyRule,
    apply_policy_rules,
    bind_rules,
    resolve_groups,
)
from godwit.engine.fleet import Fleet
from godwit.engine.storage import judge_file, judge_pool
from godwit.ports import Clock, KnowledgeStore, Store

__all__ = ["Observer"]

_DISK_ANSWER_S: Final = 60.0
#: Kinds of CPU times hosts: far more than are ever of use. Then all is asked anew.
_CPU_ANSWERS_MAX: Final = 10_000


class Observer:
    """Makes clusters out of readings. Used from one event loop only."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        store: Store,
        knowledge: KnowledgeStore,
        clock: Clock,
        group_rules: tuple[GroupRule, ...],
        policy_rules: tuple[PolicyRule, ...],
        site_rules: tuple[DeclaredRule, ...],
        reservations: Callable[[], tuple[Reservation, ...]],
    ) -> None:
        self._fleet = fleet
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._group_rules = group_rules
        self._policy_rules = policy_rules
        self._site_rules = site_rules
        self._reservations = reservations
        self._cpu: dict[tuple[str, HostName], CpuAnswer] = {}
        self._disks: dict[tuple[str, HostName, HostName], tuple[float, DiskSighting]] = {}
        self._seen = ""
        self._one_at_a_time = asyncio.Lock()

    async def scan(self) -> Cluster:
        """Read every host now and return the cluster, with every question of the rules asked.

        The generation grows when hosts, their reachability or maintenance, or the places of VMs
        are not what they were in the reading before.
        """
        async with self._one_at_a_time:
            hosts, seen = await self._fleet.read()
            ruled = tuple(apply_policy_rules(self._policy_rules, vm) for vm in seen)
            vms, foreign = _without_incoming(ruled)
            ours = self._reservations()
            known = {(one.vm, one.host) for one in ours}
            cpu, disks = await asyncio.gather(
                self._ask_cpus(hosts, vms), self._ask_disks(hosts, vms)
            )
            return Cluster(
                generation=self._generation(hosts, vms),
                taken_at_s=self._clock.now_s(),
                hosts=hosts,
                vms=vms,
                groups=resolve_groups(self._group_rules, vms),
                reservations=ours
                + tuple(one for one in foreign if (one.vm, one.host) not in known),
                cpu_answers=cpu,
                disk_sightings=disks,
                known=self.known_of(vms),
                rules=bind_rules(self._site_rules, hosts, vms),
            )

    def known_of(self, vms: tuple[Vm, ...]) -> Knowledge:
        """What was learnt of these VMs and of all paths; nothing, where the store can't say."""
        try:
            return self._knowledge.knowledge(vms=[vm.id for vm in vms])
        except GodwitError:
            # It only makes forecasts better: what can't do without the store fails by itself.
            return Knowledge()

    def _generation(self, hosts: tuple[Host, ...], vms: tuple[Vm, ...]) -> int:
        parts = [f"{one.record!r}{one.is_known}" for one in hosts]
        parts += [f"{vm.id}{vm.host}{vm.state}{vm.memory_bytes}{vm.policy!r}" for vm in vms]
        fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        if fingerprint == self._seen:
            return self._store.generation()
        self._seen = fingerprint
        return self._store.next_generation()

    async def _ask_cpus(
        self, hosts: tuple[Host, ...], vms: tuple[Vm, ...]
    ) -> dict[tuple[VmId, HostName], CpuAnswer]:
        if len(self._cpu) > _CPU_ANSWERS_MAX:
            self._cpu.clear()
        pairs = [
            (vm, host)
            for vm in vms
            if vm.is_active
            for host in hosts
            if host.is_known and host.name != vm.host
        ]
        answers = await asyncio.gather(*(self._ask_cpu(vm, host) for vm, host in pairs))
        return {
            (vm.id, host.name): answer
            for (vm, host), answer in zip(pairs, answers, strict=True)
            if answer is not None
        }

    async def _ask_cpu(self, vm: Vm, host: Host) -> CpuAnswer | None:
        question = f"{vm.architecture}|{vm.machine}|{vm.virt_type}|{vm.cpu_xml}"
        uuid = host.observed.host_uuid if host.observed else ""
        key = (hashlib.sha256(f"{question}|{uuid}".encode()).hexdigest(), host.name)
        if key not in self._cpu:
            try:
                self._cpu[key] = await self._fleet.hypervisor(host.name).accepts_cpu(vm)
            except (DriverError, UnknownHost) as error:
                # Not kept: the next scan asks again. A refusal to compare is not a "no".
                return CpuAnswer(compatible=False, detail=error.evidence or error.message)
        return self._cpu[key]

    async def _ask_disks(
        self, hosts: tuple[Host, ...], vms: tuple[Vm, ...]
    ) -> dict[tuple[VmId, str, HostName], DiskSighting]:
        now_s = self._clock.monotonic_s()
        # What is too old is asked again, or its VM has gone.
        self._disks = {
            key: kept for key, kept in self._disks.items() if now_s - kept[0] < _DISK_ANSWER_S
        }
        by_name = {host.name: host for host in hosts}
        asked = [
            (vm, disk, host)
            for vm in vms
            if vm.is_active
            for disk in vm.disks
            if disk.source is not None
            for host in hosts
            if host.is_known and host.name != vm.host
        ]
        answers = await asyncio.gather(
            *(self._ask_disk(disk, by_name[vm.host], host) for vm, disk, host in asked)
        )
        return {
            (vm.id, disk.target, host.name): answer
            for (vm, disk, host), answer in zip(asked, answers, strict=True)
            if answer is not None
        }

    async def _ask_disk(self, disk: Disk, source: Host, destination: Host) -> DiskSighting | None:
        assert disk.source is not None, "empty drives are not asked about"
        if disk.kind is DiskKind.NETWORK:
            return DiskSighting.SAME
        if disk.kind is DiskKind.VOLUME:
            return judge_pool(disk.pool or "", source, destination)
        key = (disk.source, source.name, destination.name)
        if (kept := self._disks.get(key)) is not None:
            return kept[1]
        try:
            answer = await judge_file(self._fleet, disk, source, destination)
        except (DriverError, UnknownHost):
            return None
        self._disks[key] = (self._clock.monotonic_s(), answer)
        return answer


_OTHER_COPY: Final = frozenset(
    {RunState.PAUSED_MIGRATION, RunState.PAUSED_POSTCOPY, RunState.PAUSED_POSTCOPY_FAILED}
)


def _without_incoming(seen: tuple[Vm, ...]) -> tuple[tuple[Vm, ...], tuple[Reservation, ...]]:
    """Split off the other copies of migrations in flight: they hold room, nothing more.

    That is the destination's, and in a post-copy, when the guest runs there, the source's.
    """
    running_ids = {vm.id for vm in seen if vm.state.runs}
    vms: list[Vm] = []
    foreign: list[Reservation] = []
    for vm in seen:
        if vm.state in _OTHER_COPY and vm.id in running_ids:
            foreign.append(
                Reservation(vm=vm.id, host=vm.host, memory_bytes=vm.memory_bytes, vcpus=vm.vcpus)
            )
        elif vm.state is RunState.SHUT_OFF and vm.id in running_ids:
            continue  # the definition of an earlier stay; libvirt updates it when the VM returns
        else:
            vms.append(vm)
    return tuple(vms), tuple(foreign)
