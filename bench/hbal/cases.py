"""A cluster of Ganeti's htools as arrays, with only what hbal's score and moves depend on here.

Instances on shared storage, all running: those that hbal moves in one step, as Godwit does. What
is moved by copying disks is another job, and a file with such instances is refused.
"""

import gzip
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.formats.htools import Htools, read_htools, write_htools

__all__ = ["Case", "Indices", "Reals", "UnfitCase", "case_from", "data_folder", "read_case"]

VARIABLE: Final = "GODWIT_BENCH_DATA"
LOADS: Final = 4
_SHARED: Final = frozenset({"sharedfile", "gluster", "ext", "rbd"})

Reals = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class UnfitCase(ValueError):
    """The data are not there, or hold what this comparison does not cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """[vm] and [host] are the order of instances and nodes in the file.

    ``memory_fixed_mib`` is what a host needs for itself, or misses. ``loads`` are [vm, load] of
    CPU, memory, disk and network as hbal is told them; without that every instance counts 1 of
    each. ``utilisation`` is the file that says so, and empty without one.
    """

    name: str
    file: Htools
    utilisation: str
    origin: Indices
    memory_mib: Indices
    vcpus: Indices
    loads: Reals
    memory_total_mib: Indices
    memory_fixed_mib: Indices
    cpus: Indices
    cpus_fixed: Indices
    cpu_speed: Reals
    vcpus_per_cpu: Reals
    disk_free_fraction: Reals

    @property
    def hosts(self) -> int:
        """How many hosts."""
        return len(self.memory_total_mib)

    @property
    def vms(self) -> int:
        """How many VMs."""
        return len(self.origin)

    def text_after(self, where: Indices) -> str:
        """The file with each VM where ``where`` says, as hbal reads it."""
        used = np.bincount(where, weights=self.memory_mib, minlength=self.hosts).astype(np.int64)
        free = self.memory_total_mib - self.memory_fixed_mib - used
        nodes = tuple(
            replace(node, memory_free_mib=int(free[at])) for at, node in enumerate(self.file.nodes)
        )
        instances = tuple(
            replace(one, primary=nodes[int(where[at])].name)
            for at, one in enumerate(self.file.instances)
        )
        return write_htools(replace(self.file, nodes=nodes, instances=instances))


def data_folder() -> Path:
    """The folder with the files of this benchmark."""
    named = os.environ.get(VARIABLE)
    if not named:
        raise UnfitCase(f"{VARIABLE} is not set: name the folder that holds hbal/")
    folder = Path(named) / "hbal"
    if not folder.is_dir():
        raise UnfitCase(f"{folder} is not there: is {VARIABLE} the right folder?")
    return folder


def read_case(folder: Path, name: str, *, loaded: bool = False) -> Case:
    """Read one file, for example ``h10``; ``loaded`` with the file of its utilisation."""
    text = gzip.decompress((folder / f"{name}.data.gz").read_bytes()).decode()
    raw = gzip.decompress((folder / f"{name}.util.gz").read_bytes()) if loaded else b""
    return case_from(text, name=f"{name} loaded" if loaded else name, utilisation=raw.decode())


def case_from(text: str, *, name: str, utilisation: str = "") -> Case:
    """Make the arrays of a file. Raises: UnfitCase."""
    file = read_htools(text, file_name=name)
    _refuse_others(file)
    at = {node.name: index for index, node in enumerate(file.nodes)}
    origin = np.array([at[one.primary] for one in file.instances], dtype=np.int64)
    memory = np.array([one.memory_mib for one in file.instances], dtype=np.int64)
    total = np.array([node.memory_total_mib for node in file.nodes], dtype=np.int64)
    own = np.array([node.memory_node_mib for node in file.nodes], dtype=np.int64)
    free = np.array([node.memory_free_mib for node in file.nodes], dtype=np.int64)
    used = np.bincount(origin, weights=memory, minlength=len(total)).astype(np.int64)
    groups = {one.uuid: one.name for one in file.groups}
    ratios = file.vcpu_ratios
    return Case(
        name=name,
        file=file,
        utilisation=utilisation,
        origin=origin,
        memory_mib=memory,
        vcpus=np.array([one.vcpus for one in file.instances], dtype=np.int64),
        loads=_loads(file, utilisation),
        memory_total_mib=total,
        # Memory that is neither free nor anybody's is missing; more free than there can be is not.
        memory_fixed_mib=own + np.maximum(0, total - own - free - used),
        cpus=np.array([node.cpus for node in file.nodes], dtype=np.int64),
        cpus_fixed=np.array([node.cpus_of_node for node in file.nodes], dtype=np.int64),
        cpu_speed=np.array([node.cpu_speed for node in file.nodes]),
        vcpus_per_cpu=np.array([ratios[groups[node.group_uuid]] for node in file.nodes]),
        disk_free_fraction=np.array(
            [
                node.disk_free_mib / node.disk_total_mib if node.disk_total_mib else 1.0
                for node in file.nodes
            ]
        ),
    )


def _loads(file: Htools, utilisation: str) -> Reals:
    loads = np.ones((len(file.instances), LOADS))
    rows = {one.name: row for row, one in enumerate(file.instances)}
    for line in utilisation.splitlines():
        name, *said = line.split()
        loads[rows[name]] = [float(one) for one in said]
    return loads


def _refuse_others(file: Htools) -> None:
    for node in file.nodes:
        if node.is_offline:
            raise UnfitCase(f"the node {node.name} is offline")
    for one in file.instances:
        if one.template not in _SHARED or one.status != "running":
            raise UnfitCase(f"the instance {one.name} is {one.status}, {one.template}")
    if any(one.startswith("htools:") for one in file.tags):
        raise UnfitCase("tags of the cluster change what hbal may do")
