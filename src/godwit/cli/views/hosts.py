"""Hosts as tables and in full."""

from collections.abc import Sequence

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.words import join_names, memory_words
from godwit.core.units import format_bytes, format_fraction, format_rate

__all__ = ["show_host", "show_hosts", "show_records"]


def show_records(screen: Screen, records: Sequence[wire.HostRecord]) -> None:
    """Print the inventory."""
    rows = [
        (
            one.name,
            one.uri,
            "same" if one.peer_uri == one.uri else one.peer_uri,
            one.migration_address or "any",
            "maintenance" if one.in_maintenance else "",
        )
        for one in records
    ]
    screen.table(("HOST", "URI", "PEERS USE", "MIGRATION ADDRESS", "STATE"), rows)


def show_hosts(screen: Screen, hosts: Sequence[wire.Host]) -> None:
    """Print what was read of hosts, and below it what is wrong with any."""
    columns = ("HOST", "CORES", "MEMORY PROMISED", ">VMS", "LINK", "LIBVIRT/QEMU", "STATE")
    screen.table(columns, [_row(one) for one in hosts])
    for host in hosts:
        if host.unreachable:
            screen.line(f"{host.name} does not answer: {host.unreachable}", style="red")
        for lack in host.observed.lacks if host.observed is not None else ():
            screen.line(f"{host.name} lacks: {lack}", style="red")


def _row(host: wire.Host) -> tuple[str, ...]:
    seen = host.observed
    if seen is None:
        return (host.name, "?", "?", "?", _link(host), "?", _state(host))
    return (
        host.name,
        _cores(seen),
        memory_words(host),
        str(host.vms_active),
        _link(host),
        f"{seen.libvirt}/{seen.qemu}",
        _state(host),
    )


def _cores(seen: wire.HostObservation, unit: str = "") -> str:
    cores = f"{seen.cores}{unit}"
    if seen.busy_cores is None:
        return cores
    return f"{cores}, {format_fraction(seen.busy_cores / max(1, seen.cores))} busy"


def _link(host: wire.Host) -> str:
    declared = host.record.migration_link_bytes_per_s
    if declared is not None:
        return f"{format_rate(declared)} (declared)"
    links = host.observed.links if host.observed is not None else ()
    speeds = [one.speed_bytes_per_s for one in links if one.speed_bytes_per_s is not None]
    return format_rate(max(speeds)) if speeds else "?"


def _state(host: wire.Host) -> str:
    words = []
    if host.unreachable:
        words.append("no answer")
    elif host.observed is not None and host.observed.lacks:
        words.append("lacks something")
    if host.record.in_maintenance:
        words.append("maintenance")
    return ", ".join(words) or "ok"


def show_host(screen: Screen, host: wire.Host) -> None:
    """Print everything that is known of a host."""
    record, seen = host.record, host.observed
    screen.line(f"{host.name}: {_state(host)}", style="bold")
    rows = [
        ("URI", record.uri),
        ("peers use", record.peer_uri),
        ("migration address", record.migration_address or "any"),
        ("migration link", _link(host)),
        ("shared paths", join_names(record.shared_paths)),
        ("memory reserve", format_bytes(record.memory_reserve_bytes)),
        ("cores overcommit", f"{record.cores_overcommit:g} vCPUs for each core"),
    ]
    if record.labels:
        rows.append(("labels", ", ".join(f"{k}={v}" for k, v in sorted(record.labels.items()))))
    if seen is not None:
        rows += _observed_rows(host, seen)
    for name, value in rows:
        screen.line(f"{name:<18} {value}", indent=2)
    if host.unreachable:
        screen.line(f"does not answer: {host.unreachable}", style="red")
    for lack in seen.lacks if seen is not None else ():
        screen.line(f"lacks: {lack}", style="red")


def _observed_rows(host: wire.Host, seen: wire.HostObservation) -> list[tuple[str, str]]:
    pools = (f"{one.name} ({one.kind} {one.path or one.origin or '?'})" for one in seen.pools)
    return [
        ("versions", f"libvirt {seen.libvirt}, QEMU {seen.qemu} ({'/'.join(seen.virt_types)})"),
        ("CPU", f"{seen.cpu_model or 'unknown'} ({seen.architecture}), {_cores(seen, ' cores')}"),
        (
            "memory",
            f"{format_bytes(seen.memory_total_bytes)}, {format_bytes(seen.memory_free_bytes)} free",
        ),
        ("promised to VMs", f"{memory_words(host)}, {host.vcpus_promised} vCPUs"),
        ("VMs", f"{host.vms_active} active of {host.vms_total}"),
        ("networks", join_names(seen.networks)),
        ("bridges", "can't be listed" if seen.bridges is None else join_names(seen.bridges)),
        ("storage pools", join_names(list(pools))),
    ]
