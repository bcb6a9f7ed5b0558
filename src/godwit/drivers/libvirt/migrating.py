"""The calls that start, watch, steer and end a migration. Blocking functions, for a thread."""

import time
from collections.abc import Set as AbstractSet

import libvirt

from godwit.core.model import Feature, Progress
from godwit.drivers.libvirt.monitor import ask_monitor
from godwit.drivers.libvirt.recipes import migrate_call
from godwit.ports import MigrationOrder, RepairAction

__all__ = [
    "read_addresses",
    "read_progress",
    "repair",
    "run_migration",
    "set_pause_limit",
]


def run_migration(
    connection: "libvirt.virConnect", order: MigrationOrder, features: AbstractSet[Feature]
) -> None:
    """Give the migrate call and wait for its end. Raises libvirtError."""
    told = migrate_call(order, features)
    domain = connection.lookupByUUIDString(order.vm)
    domain.migrateToURI3(order.peer_uri, told.parameters, told.flags)


def read_progress(domain: "libvirt.virDomain") -> Progress | None:
    """Read the statistics of a running outgoing migration; None when there is none."""
    stats = domain.jobStats()
    if stats.get("type", 0) != libvirt.VIR_DOMAIN_JOB_UNBOUNDED:
        return None
    page_bytes = stats.get("memory_page_size", 4096)
    return Progress(
        taken_at_s=time.time(),
        iteration=stats.get("memory_iteration", 0),
        elapsed_s=stats.get("time_elapsed", 0) / 1000,
        memory_total_bytes=stats.get("memory_total", 0),
        transferred_bytes=stats.get("data_processed", stats.get("memory_processed", 0)),
        remaining_bytes=stats.get("memory_remaining", 0),
        dirty_bytes_per_s=float(stats.get("memory_dirty_rate", 0) * page_bytes),
        bandwidth_bytes_per_s=float(stats.get("memory_bps", 0)),
        expected_pause_s=stats.get("downtime", 0) / 1000,
        throttle_fraction=stats.get("auto_converge_throttle", 0) / 100,
        postcopy_requests=stats.get("memory_postcopy_requests", 0),
    )


def read_addresses(domain: "libvirt.virDomain") -> tuple[str, ...]:
    """Read the guest's addresses without asking the guest: DHCP leases first, then ARP."""
    found: dict[str, None] = {}
    for source in (
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
    ):
        try:
            cards = domain.interfaceAddresses(source, 0)
        except libvirt.libvirtError:
            continue  # this host can't say it that way
        for card in cards.values():
            for address in card.get("addrs") or ():
                found.setdefault(address["addr"])
    return tuple(found)


def set_pause_limit(domain: "libvirt.virDomain", limit_s: float) -> None:
    """Set QEMU's downtime limit, in whole milliseconds rounded down: never above the order."""
    domain.migrateSetMaxDowntime(max(1, int(limit_s * 1000)), 0)


def repair(domain: "libvirt.virDomain", action: RepairAction) -> None:
    """Carry out one repair."""
    match action:
        case RepairAction.DESTROY:
            domain.destroy()
        case RepairAction.RESUME:
            domain.resume()
        case RepairAction.UNDEFINE:
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
        case RepairAction.ANNOUNCE:
            _announce(domain)


def _announce(domain: "libvirt.virDomain") -> None:
    """Send QEMU's self-announcement again: five broadcasts within 0.8 s.

    libvirt has no call of its own for this.
    """
    ask_monitor(domain, "announce-self", {"initial": 50, "max": 550, "rounds": 5, "step": 100})
