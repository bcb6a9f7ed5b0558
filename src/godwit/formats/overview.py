"""What a file of a cluster holds, said for people and programs."""

from dataclasses import replace

from godwit import wire
from godwit.core.model import Cluster
from godwit.formats.cluster_file import SavedCluster

__all__ = ["overview", "placement_in"]


def overview(saved: SavedCluster) -> wire.ClusterFile:
    """Say what is in a file that was read."""
    cluster = saved.cluster
    vms: dict[str, list[int]] = {host.name: [] for host in cluster.hosts}
    for at, vm in enumerate(cluster.vms):
        vms[vm.host].append(at)
    hosts = tuple(
        # With its own VMs alone: looking through all of them for each host takes too long.
        wire.host_to_wire(
            host, replace(cluster, vms=tuple(cluster.vms[at] for at in vms[host.name]))
        )
        for host in cluster.hosts
    )
    return wire.ClusterFile(
        format=saved.format,
        written_by=saved.written_by,
        anonymised=saved.anonymised,
        taken_at_s=cluster.taken_at_s,
        hosts=hosts,
        vms_total=len(cluster.vms),
        vms_active=sum(vm.is_active for vm in cluster.vms),
        vms_that_cant_move=sum(bool(vm.blockers) for vm in cluster.vms),
        groups=len(cluster.groups),
        reservations=len(cluster.reservations),
        cpu_answers=len(cluster.cpu_answers),
        disk_sightings=len(cluster.disk_sightings),
        vms_known=len(cluster.known.vms),
        paths_known=len(cluster.known.paths),
    )


def placement_in(cluster: Cluster) -> dict[str, str]:
    """Say on which host each running VM is, by the VM's id."""
    return {one.id: one.host for one in cluster.vms if one.is_active}
