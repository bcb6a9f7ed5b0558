"""VMs: the table, what stands in the way of each, and one in full."""

from collections.abc import Iterable, Sequence

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.words import disk_words, join_names
from godwit.core.units import format_bytes, format_duration, format_fraction

__all__ = ["show_destinations", "show_obstacles", "show_vm", "show_vms"]


def show_vms(screen: Screen, vms: Sequence[wire.Vm]) -> None:
    """Print a line for each VM."""
    columns = ("VM", "HOST", "STATE", ">MEMORY", ">VCPUS", "DISKS", "NICS", "COULD GO TO")
    screen.table(columns, [_row(one) for one in vms])


def _row(vm: wire.Vm) -> tuple[str, ...]:
    return (
        vm.name,
        vm.host,
        vm.state.replace("_", " "),
        format_bytes(vm.memory_bytes),
        str(vm.vcpus),
        "; ".join(disk_words(one) for one in vm.disks) or "none",
        join_names([one.source or one.kind for one in vm.nics]),
        _goes_to(vm),
    )


def _goes_to(vm: wire.Vm) -> str:
    if vm.choice.vm_refusals:
        return "nowhere"
    return ", ".join(one.host for one in vm.choice.candidates if one.fits) or "nowhere"


def show_obstacles(screen: Screen, vms: Iterable[wire.Vm]) -> None:
    """Print every refusal once, with all the VMs it holds for, and what would change it."""
    held: dict[tuple[str, str, str], list[str]] = {}
    for vm in vms:
        if not vm.is_active:
            continue
        for refusal in vm.choice.vm_refusals:
            held.setdefault(("", refusal.why, refusal.remedy), []).append(vm.name)
        for candidate in vm.choice.candidates:
            for refusal in candidate.refusals:
                key = (candidate.host, refusal.why, refusal.remedy)
                held.setdefault(key, []).append(vm.name)
    if not held:
        return
    screen.heading("What stands in the way")
    for (host, why, remedy), names in held.items():
        where = f" -> {host}" if host else ""
        screen.line(f"{', '.join(names)}{where}: {why}", indent=2)
        screen.line(f"Remedy: {remedy}", indent=4)


def show_vm(screen: Screen, vm: wire.Vm) -> None:
    """Print everything about one VM, and every host as its destination."""
    screen.line(f"{vm.name}: {vm.state.replace('_', ' ')} on {vm.host}", style="bold")
    busy = "unknown" if vm.busy_cores is None else f"{vm.busy_cores:.1f}"
    rows = [
        ("UUID", vm.id),
        ("memory", format_bytes(vm.memory_bytes)),
        ("vCPUs", f"{vm.vcpus}, busy: {busy}"),
        ("machine", f"{vm.machine} ({vm.architecture}, {vm.virt_type})"),
        ("definition", "persistent" if vm.persistent else "transient"),
        ("pause limit", format_duration(vm.policy.pause_max_s)),
    ]
    rows += [("disk", f"{disk_words(one)}: {one.source or '-'}") for one in vm.disks]
    rows += [("NIC", f"{one.mac} {one.kind} {one.source} ({one.model})") for one in vm.nics]
    if vm.policy.affinity:
        rows.append(("keeps with", join_names(vm.policy.affinity)))
    if vm.policy.anti_affinity:
        rows.append(("keeps apart from", join_names(vm.policy.anti_affinity)))
    for name, value in rows:
        screen.line(f"{name:<16} {value}", indent=2)
    for warning in vm.warnings:
        screen.line(f"Warning: {warning}", indent=2, style="yellow")
    show_destinations(screen, vm)


def show_destinations(screen: Screen, vm: wire.Vm) -> None:
    """Print every host as the VM's destination, the best first."""
    choice = vm.choice
    for refusal in choice.vm_refusals:
        screen.line(f"It can't be moved now: {refusal.why}", style="red")
        screen.line(f"Remedy: {refusal.remedy}", indent=2)
    if not choice.candidates:
        screen.line("There is no other host in the inventory.")
        return
    screen.heading("Destinations, the best first")
    for candidate in choice.candidates:
        after = (
            f"{format_fraction(candidate.memory_after)} of its memory promised,"
            f" {format_fraction(candidate.cpu_after)} of its cores busy after the move"
        )
        if candidate.fits:
            screen.line(f"{candidate.host}: {after}", indent=2)
        for refusal in candidate.refusals:
            screen.line(f"{candidate.host}: no. {refusal.why}", indent=2)
            screen.line(f"Remedy: {refusal.remedy}", indent=4)
