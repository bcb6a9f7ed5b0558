"""What others are told about the lab: the hosts as a file for Godwit, the copies of a guest.

Read-only; everything is asked of the hosts at the moment of the call.
"""

import os
from collections.abc import Mapping, Sequence

from godwit.lab.host import LabHost
from godwit.lab.host_files import SHARED_FOLDER
from godwit.lab.layout import HostAddress
from godwit.lab.problems import LabFailed
from godwit.lab.state import GuestRecord

__all__ = ["Copies", "copies_of", "hosts_toml"]

Copies = Mapping[str, str]
ASK_S = 5.0


def hosts_toml(addresses: Sequence[HostAddress]) -> str:
    """Return an array of ``[[host]]`` tables.

    Every host sees the whole memory of this machine, so each is told to keep back what belongs to
    the others: together they then offer what there really is.
    """
    total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    reserve_bytes = total_bytes * (len(addresses) - 1) // len(addresses)
    return "\n".join(
        f"""[[host]]
name = "{address.name}"
uri = "{address.uri}"
peer_uri = "{address.peer_uri}"
migration_address = "{address.migration}"
shared_paths = ["{SHARED_FOLDER}"]
memory_reserve = "{reserve_bytes // 1024**2}MiB"
"""
        for address in addresses
    )


def copies_of(record: GuestRecord, hosts: Sequence[LabHost]) -> dict[str, str]:
    """Return host -> state of the guest there, for the hosts that know it."""
    copies = {}
    for host in hosts:
        if not host.is_on():
            continue
        state = _state_in_libvirt(record, host)
        if state is None:
            state = "process" if host.qemu_pid(record.name) is not None else ""
        if state:
            copies[host.name] = state
    return copies


def _state_in_libvirt(record: GuestRecord, host: LabHost) -> str | None:
    """Return libvirt's word, empty when it does not know the guest, None when it can't be asked."""
    if host.libvirtd_pid() is None:
        return None
    try:
        answer = host.try_run(["virsh", "-q", "domstate", record.uuid], timeout_s=ASK_S)
    except LabFailed:
        return None
    if answer.returncode == 0:
        return answer.stdout.strip()
    return "" if "failed to get domain" in answer.stderr else None
