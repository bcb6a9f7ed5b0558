"""A file of a cluster, for people."""

from datetime import UTC, datetime

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.views.hosts import show_hosts

__all__ = ["show_cluster_file"]


def show_cluster_file(screen: Screen, found: wire.ClusterFile) -> None:
    """Print what is in the file, then its hosts."""
    rows = [
        ("format", found.format),
        ("written by", found.written_by or "not said"),
        ("hosts were read", _time(found.taken_at_s)),
        ("names", "anonymised" if found.anonymised else "as they are"),
        ("hosts", f"{len(found.hosts)}, {_answering(found)} answered"),
        ("VMs", _vms(found)),
        ("groups", str(found.groups)),
        ("moves in flight", str(found.reservations)),
        ("answers", f"{found.cpu_answers} about CPUs, {found.disk_sightings} about disks"),
        ("learnt", f"of {found.vms_known} VMs and {found.paths_known} paths"),
    ]
    for name, value in rows:
        screen.line(f"{name:<16} {value}")
    if found.hosts:
        screen.line()
        show_hosts(screen, found.hosts)


def _answering(found: wire.ClusterFile) -> int:
    return sum(not host.unreachable and host.observed is not None for host in found.hosts)


def _vms(found: wire.ClusterFile) -> str:
    says = f"{found.vms_total}, {found.vms_active} active"
    if found.vms_that_cant_move:
        says += f", {found.vms_that_cant_move} that something keeps from moving"
    return says


def _time(taken_at_s: float) -> str:
    if not taken_at_s:
        return "not said"
    return datetime.fromtimestamp(taken_at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
