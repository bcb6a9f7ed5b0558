"""What others are told about the lab: the hosts as a file for Godwit, the copies of a guest.

Read-only; everything is asked of the hosts at the moment of the call.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from godwit.lab.host import LabHost
from godwit.lab.host_files import SHARED_FOLDER
from godwit.lab.layout import FABRIC_NAMESPACE, HostAddress, Network
from godwit.lab.links import Link
from godwit.lab.problems import LabFailed
from godwit.lab.processes import process_of
from godwit.lab.state import GuestRecord

__all__ = [
    "Copies",
    "HostStatus",
    "LabStatus",
    "LinkStatus",
    "copies_of",
    "hosts_toml",
    "look",
    "settings_toml",
]

Copies = Mapping[str, str]
ASK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """One link of a host as it is now; no rate means no limit."""

    is_cut: bool
    rate_bytes_per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """One host as it is now; ``guests`` are those that have a QEMU process on it."""

    name: str
    uri: str
    has_power: bool
    libvirtd: str
    links: Mapping[str, LinkStatus]
    guests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """The whole lab as it is now."""

    accelerator: str
    link: str
    hosts: tuple[HostStatus, ...]


def look(hosts: Sequence[LabHost], *, link: str, accelerator: str) -> LabStatus:
    """Look at every host, without asking any libvirtd: it works when they are all dead."""
    return LabStatus(
        accelerator=accelerator, link=link, hosts=tuple(_host_status(host) for host in hosts)
    )


def _host_status(host: LabHost) -> HostStatus:
    links = {}
    for network in Network:
        link = Link(host=host.address, network=network)
        links[network.value] = LinkStatus(
            is_cut=link.is_cut(), rate_bytes_per_s=link.rate_bytes_per_s()
        )
    libvirtd = host.libvirtd_pid()
    process = None if libvirtd is None else process_of(libvirtd)
    daemon = "dead"
    if process is not None:
        daemon = "stopped" if process.is_stopped() else "running"
    return HostStatus(
        name=host.name,
        uri=host.uri,
        has_power=host.is_on(),
        libvirtd=daemon,
        links=links,
        guests=host.guests_running(),
    )


def hosts_toml(addresses: Sequence[HostAddress], *, link: str) -> str:
    """Return an array of ``[[host]]`` tables.

    Every host sees the whole memory of this machine, so each is told to keep back what belongs to
    the others: together they then offer what there really is.
    """
    total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    reserve_bytes = total_bytes * (len(addresses) - 1) // len(addresses)
    speed = "" if link == "unlimited" else f'migration_link = "{link}"\n'
    return "\n".join(
        f"""[[host]]
name = "{address.name}"
uri = "{address.uri}"
peer_uri = "{address.peer_uri}"
migration_address = "{address.migration}"
shared_paths = ["{SHARED_FOLDER}"]
{speed}memory_reserve = "{reserve_bytes // 1024**2}MiB"
"""
        for address in addresses
    )


def settings_toml(addresses: Sequence[HostAddress]) -> str:
    """Return the part of Godwit's settings that the lab can give: its forwarding tables."""
    ports = ", ".join(f'{one.name} = "{one.port(Network.GUEST)}"' for one in addresses)
    show = '"bridge", "-json", "fdb", "show"'
    return f"""[forwarding]
command = ["ip", "netns", "exec", "gw-{{host}}", {show}]

[[forwarding.upstream]]
name = "fabric"
command = ["ip", "netns", "exec", "{FABRIC_NAMESPACE}", {show}]
ports = {{ {ports} }}
"""


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
