"""Clusters of any size with hot hosts and rules, made from a seed."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

from bench.plain import plain_host, plain_vm
from godwit.core.model import Cluster, CpuAnswer, DiskSighting, Host, Vm, VmGroup
from godwit.core.units import GIB

__all__ = ["make_cluster"]

_SIZES_GIB: Final = (1, 2, 2, 4, 4, 4, 8, 8, 16, 32)


class _Always(Mapping[object, object]):
    """The same answer to every question: a table of all pairs would not fit into memory."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __getitem__(self, _key: object) -> object:
        return self._answer

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __len__(self) -> int:
        return 0


def make_cluster(hosts: int, vms: int, seed: int) -> Cluster:
    """Hosts of three sizes; a fifth of them gets twice as many VMs as the others."""
    chance = Random(seed)
    sizes = [chance.choice([1, 1, 2]) for _ in range(hosts)]
    weights = [size * (2.0 if chance.random() < 0.2 else 1.0) for size in sizes]
    placed = chance.choices(range(hosts), weights, k=vms)
    made = tuple(_vm(number, at, chance) for number, at in enumerate(placed))
    held = [0] * hosts
    for one, at in zip(made, placed, strict=True):
        held[at] += one.memory_bytes
    groups = tuple(
        VmGroup(
            name=f"apart{number}",
            together=False,
            members=frozenset(made[one].id for one in _on_different_hosts(placed, chance)),
        )
        for number in range(vms // 40)
    )
    return Cluster(
        generation=1,
        taken_at_s=0.0,
        hosts=tuple(_host(at, size, held[at]) for at, size in enumerate(sizes)),
        vms=made,
        groups=groups,
        cpu_answers=_Always(CpuAnswer(compatible=True)),  # type: ignore[arg-type]
        disk_sightings=_Always(DiskSighting.SAME),  # type: ignore[arg-type]
    )


def _on_different_hosts(placed: list[int], chance: Random) -> list[int]:
    by_host = {placed[one]: one for one in chance.sample(range(len(placed)), 4)}
    return list(by_host.values())


def _host(at: int, size: int, held_bytes: int) -> Host:
    return plain_host(
        f"kvm{at:04}",
        cores=32 * size,
        memory_total_bytes=max(256 * size * GIB, held_bytes + 8 * GIB),
        busy_cores=None,
        migration_link_bytes_per_s=1.25e9,
    )


def _vm(number: int, at: int, chance: Random) -> Vm:
    return plain_vm(
        f"vm{number:05}",
        f"kvm{at:04}",
        memory_bytes=chance.choice(_SIZES_GIB) * GIB,
        vcpus=chance.choice([1, 2, 2, 4, 8]),
        busy_cores=chance.choice([0.05, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0]),
        nics=(),
    )
