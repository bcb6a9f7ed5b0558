"""Hosts and VMs that are in no way remarkable: benchmarks and tests name only what matters to them.

A host has 64 GiB for VMs and 16 cores; a VM has 4 GiB, 2 vCPUs, one card and one disk. All of them
are of the same kind, so that any VM may run on any host.
"""

from dataclasses import fields
from typing import Any, Final

from godwit.core.model import (
    Disk,
    DiskKind,
    Host,
    HostName,
    HostObservation,
    HostRecord,
    HostVersions,
    Nic,
    RunState,
    Vm,
    VmId,
    VmPolicy,
)
from godwit.core.units import GIB

__all__ = ["plain_host", "plain_vm"]

_MACHINE: Final = "pc-q35-10.0"
_EMULATOR: Final = "/usr/bin/qemu-system-x86_64"
_RECORDED: Final = frozenset(one.name for one in fields(HostRecord))


def plain_host(name: str, *, unreachable: str = "", known: bool = True, **changes: object) -> Host:
    """Make a host; ``changes`` go to its record or to its observation, whichever has the field."""
    record: dict[str, Any] = {
        "uri": f"qemu+ssh://{name}/system",
        "peer_uri": f"qemu+tcp://{name}/system",
    }
    observed: dict[str, Any] = {
        "host_uuid": f"uuid-of-{name}",
        "hostname": name,
        "versions": HostVersions(libvirt=11_003_000, qemu=10_000_000),
        "architecture": "x86_64",
        "cpu_model": "Skylake-Server",
        "cores": 16,
        "memory_total_bytes": 65 * GIB,
        "memory_free_bytes": 50 * GIB,
        "busy_cores": 1.0,
        "emulator": _EMULATOR,
        "virt_types": frozenset({"kvm", "qemu"}),
        "machine_types": frozenset({_MACHINE}),
        "networks": frozenset({"default"}),
        "bridges": frozenset({"br0"}),
        "pools": (),
        "links": (),
        "lacks": (),
        "taken_at_s": 0.0,
    }
    record |= {key: value for key, value in changes.items() if key in _RECORDED}
    observed |= {key: value for key, value in changes.items() if key not in _RECORDED}
    return Host(
        record=HostRecord(name=HostName(name), **record),
        observed=HostObservation(**observed) if known else None,
        unreachable=unreachable,
    )


def plain_vm(name: str, on: str, **changes: object) -> Vm:
    """Make a VM that runs on a host; its id is its name."""
    disk = Disk(target="vda", kind=DiskKind.FILE, source=f"/shared/{name}.qcow2", format="qcow2")
    made: dict[str, Any] = {
        "id": VmId(name),
        "state": RunState.RUNNING,
        "persistent": True,
        "memory_bytes": 4 * GIB,
        "vcpus": 2,
        "busy_cores": 0.5,
        "architecture": "x86_64",
        "machine": _MACHINE,
        "virt_type": "kvm",
        "emulator": _EMULATOR,
        "cpu_xml": "<cpu/>",
        "disks": (disk,),
        "nics": (Nic(mac="52:54:00:00:00:01", kind="network", source="default"),),
        "blockers": (),
        "warnings": (),
        "busy_with": "",
        "policy": VmPolicy(),
        "taken_at_s": 0.0,
    }
    return Vm(name=name, host=HostName(on), **(made | changes))
