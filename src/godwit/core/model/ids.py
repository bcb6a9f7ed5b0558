"""The identities of things. VMs are known by their libvirt UUID, hosts by their inventory name."""

from typing import NewType

__all__ = ["HostName", "MigrationId", "PlanId", "RunId", "VmId"]

#: The name a person gave the host in the inventory; unique. The libvirt host UUID is observed.
HostName = NewType("HostName", str)
#: The UUID of the libvirt domain, lower case with dashes; the same on every host.
VmId = NewType("VmId", str)
MigrationId = NewType("MigrationId", str)
PlanId = NewType("PlanId", str)
RunId = NewType("RunId", str)
