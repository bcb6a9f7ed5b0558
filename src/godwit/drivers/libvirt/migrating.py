"""The calls that start, watch, steer and end a migration. Blocking functions, for a thread."""

import time
from typing import Final

import libvirt

from godwit.core.model import Progress
from godwit.core.units import MIB
from godwit.ports import MigrationOrder, RepairAction

__all__ = [
    "read_addresses",
    "read_pause_limit",
    "read_progress",
    "repair",
    "run_migration",
    "set_pause_limit",
]

#: Live, peer to peer (a dead controller changes nothing), given up on an I/O error of the guest.
_FLAGS: Final = (
    libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
)
_PERSISTENT: Final = libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE


def run_migration(connection: "libvirt.virConnect", order: MigrationOrder) -> None:
    """Give the migrate call and wait for its end. Raises libvirtError."""
    domain = connection.lookupByUUIDString(order.vm)
    parameters: dict[str, object] = {}
    if order.migration_address is not None:
        parameters[libvirt.VIR_MIGRATE_PARAM_URI] = _migrate_uri(order.migration_address)
    if order.recipe.bandwidth_bytes_per_s is not None:
        rate_mib = max(1, round(order.recipe.bandwidth_bytes_per_s / MIB))
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = rate_mib
    flags = _FLAGS | (_PERSISTENT if order.persistent else 0)
    domain.migrateToURI3(order.peer_uri, parameters, flags)


def _migrate_uri(address: str) -> str:
    return f"tcp://[{address}]" if ":" in address else f"tcp://{address}"


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


def read_pause_limit(domain: "libvirt.virDomain") -> float:
    """Read QEMU's downtime limit, in seconds."""
    return float(domain.migrateGetMaxDowntime(0)) / 1000


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

    libvirt has no call of its own for this; the monitor command marks the domain as tainted in its
    log, which has no effect on the guest.
    """
    import libvirt_qemu  # noqa: PLC0415 - only hosts that need it pay for it

    command = (
        '{"execute":"announce-self","arguments":{"initial":50,"max":550,"rounds":5,"step":100}}'
    )
    libvirt_qemu.qemuMonitorCommand(domain, command, 0)
