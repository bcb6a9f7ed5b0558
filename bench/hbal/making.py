"""Clusters made up, from a seed: badly placed VMs, on hosts that are alike or of three sizes."""

import random
from typing import Final

from bench.hbal.cases import Case, case_from

__all__ = ["make_case"]

#: Memory in MiB and CPUs.
_ALIKE: Final = ((524288, 64),)
_MIXED: Final = ((262144, 32), (524288, 64), (1048576, 96))
_VMS: Final = (
    (2048, 1),
    (4096, 1),
    (4096, 2),
    (8192, 2),
    (8192, 4),
    (16384, 4),
    (16384, 8),
    (32768, 8),
)
_OWN_MIB: Final = 4096
_POLICY: Final = "128,1,1024,1,1,1|0,1,0,0,0,0;1048576,128,10485760,16,8,12|sharedfile|64.0|128.0"


def make_case(
    hosts: int, vms: int, *, seed: int, mixed: bool = False, loaded: bool = False
) -> Case:
    """Make a case: a fifth of the hosts get half of the VMs, as far as they have room."""
    chance = random.Random(seed)
    sizes = [chance.choice(_MIXED if mixed else _ALIKE) for _ in range(hosts)]
    free = [memory - _OWN_MIB for memory, _ in sizes]
    hot = chance.sample(range(hosts), max(1, hosts // 5))
    lines, loads = [], []
    for number in range(1, vms + 1):
        memory, vcpus = chance.choice(_VMS)
        host = _place(chance, hot, free, memory)
        free[host] -= memory
        lines.append(
            f"inst{number:05d}|{memory}|0|{vcpus}|running|Y|node{host + 1:04d}||sharedfile||0|-|N"
        )
        busy = vcpus * min(0.95, chance.expovariate(5.0))
        network = vcpus * min(0.5, chance.expovariate(20.0))
        loads.append(f"inst{number:05d} {busy:.4f} {memory / 8192:.4f} 0.0001 {network:.4f}")
    nodes = [
        f"node{at + 1:04d}|{memory}|{_OWN_MIB}|{free[at]}|1048576|1048576|{cpus}|"
        f"{'N' if at else 'M'}|uuid-group-1|1||N|0|1|1.0"
        for at, (memory, cpus) in enumerate(sizes)
    ]
    sections: tuple[list[str], ...] = (
        ["group-1|uuid-group-1|preferred||"],
        nodes,
        lines,
        [],
        [f"|{_POLICY}", f"group-1|{_POLICY}"],
    )
    text = "\n".join("".join(f"{line}\n" for line in one) for one in sections)
    kind = "mixed" if mixed else "alike"
    return case_from(
        text,
        name=f"{hosts} x {vms} {kind}{' loaded' if loaded else ''}",
        utilisation="".join(f"{one}\n" for one in loads) if loaded else "",
    )


def _place(chance: random.Random, hot: list[int], free: list[int], memory: int) -> int:
    wanted = chance.choice(hot) if chance.random() < 0.5 else chance.randrange(len(free))
    if free[wanted] > memory:
        return wanted
    return max(range(len(free)), key=free.__getitem__)
