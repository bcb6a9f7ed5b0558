"""What a file of a cluster holds, on the wire and for programs."""

from godwit.wire.hosts import Host
from godwit.wire.shape import Reply

__all__ = ["ClusterFile"]


class ClusterFile(Reply):
    """A file that was read. ``taken_at_s`` is when its cluster was read of the hosts.

    The last figures count what a plan rests on beside hosts and VMs: answers of hypervisors about
    CPUs and disks, and the VMs and paths of which something was learnt.
    """

    format: str
    written_by: str
    anonymised: bool
    taken_at_s: float
    hosts: tuple[Host, ...]
    vms_total: int
    vms_active: int
    vms_that_cant_move: int
    groups: int
    reservations: int
    cpu_answers: int
    disk_sightings: int
    vms_known: int
    paths_known: int
