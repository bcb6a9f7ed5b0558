"""Makes the network that the hosts hang on: namespaces, bridges and cables.

The bridges live in a namespace of their own; this machine's own namespace gets two interfaces and
nothing else: no forwarding, no default route, no firewall rule. Rates and cuts are in ``links``,
taking all of it away is in ``remains``.
"""

import json
from collections.abc import Sequence

from godwit.lab.commands import in_network_namespace, run
from godwit.lab.layout import (
    CLIENT_ADDRESS,
    CLIENT_NAMESPACE,
    FABRIC_NAMESPACE,
    ROOT_INTERFACES,
    HostAddress,
    Network,
)
from godwit.lab.problems import LabUnfit

__all__ = ["build_fabric", "check_addresses_are_free", "connect_host"]


# No spanning tree and no delay: a port forwards from its first frame on.
BRIDGE = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"


def check_addresses_are_free() -> None:
    """Refuse when an interface of this machine already uses the lab's addresses.

    Raises: LabUnfit naming the interface.
    """
    for interface in json.loads(run(["ip", "-json", "addr", "show"]) or "[]"):
        for address in interface.get("addr_info", ()):
            if str(address.get("local", "")).startswith("10.213."):
                raise LabUnfit(
                    f"The interface {interface['ifname']} of this machine has the address "
                    f"{address['local']}; the lab needs 10.213.0.0/16 for itself.",
                    remedy="Take that interface down while the lab runs.",
                )


def build_fabric() -> None:
    """Make the fabric, this machine's two ends of it and the client's namespace."""
    for namespace in (FABRIC_NAMESPACE, CLIENT_NAMESPACE):
        _add_namespace(namespace)
    _batch(
        FABRIC_NAMESPACE,
        [
            line
            for network in Network
            for line in (
                f"link add {network.bridge} {BRIDGE}",
                f"link set {network.bridge} up",
            )
        ],
    )
    for interface, network in zip(
        ROOT_INTERFACES, (Network.MANAGEMENT, Network.GUEST), strict=True
    ):
        port = f"root-{network.short}"
        run(["ip", "link", "add", interface, "type", "veth", *_peer(port)])
        _quiet_interface(interface)
        run(["ip", "addr", "add", f"{network.prefix}.1/24", "dev", interface])
        run(["ip", "link", "set", interface, "up"])
        _plug(port, network)
    client = f"link add eth0 type veth peer name client netns {FABRIC_NAMESPACE}"
    _batch(CLIENT_NAMESPACE, [client, f"addr add {CLIENT_ADDRESS}/24 dev eth0", "link set eth0 up"])
    _plug("client", Network.GUEST)


def connect_host(address: HostAddress) -> None:
    """Make a host's network namespace with its three links and the bridge for its guests."""
    _add_namespace(address.namespace)
    cables = [
        f"link add {network.interface} type veth peer name {address.port(network)} "
        f"netns {FABRIC_NAMESPACE}"
        for network in Network
    ]
    guest, bridge = Network.GUEST.interface, Network.GUEST.bridge
    _batch(
        address.namespace,
        [
            *cables,
            f"addr add {address.management}/24 dev {Network.MANAGEMENT.interface}",
            f"addr add {address.migration}/24 dev {Network.MIGRATION.interface}",
            f"link add {bridge} {BRIDGE}",
            f"link set {guest} master {bridge}",
            *(f"link set {name} up" for name in (*_interfaces(), bridge)),
        ],
    )
    for network in Network:
        _plug(address.port(network), network)


def _interfaces() -> Sequence[str]:
    return [network.interface for network in Network]


def _peer(port: str) -> list[str]:
    return ["peer", "name", port, "netns", FABRIC_NAMESPACE]


def _plug(port: str, network: Network) -> None:
    _batch(FABRIC_NAMESPACE, [f"link set {port} master {network.bridge}", f"link set {port} up"])


def _add_namespace(namespace: str) -> None:
    run(["ip", "netns", "add", namespace])
    # IPv6 would only add router solicitations and address checks to what is measured.
    quiet = (
        "for scope in all default; do f=/proc/sys/net/ipv6/conf/$scope/disable_ipv6; "
        "if [ -e $f ]; then echo 1 > $f; fi; done"
    )
    run(in_network_namespace(namespace, ["sh", "-c", quiet]))
    _batch(namespace, ["link set lo up"])


def _quiet_interface(interface: str) -> None:
    setting = f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"
    run(["sh", "-c", f"if [ -e {setting} ]; then echo 1 > {setting}; fi"])


def _batch(namespace: str, lines: Sequence[str]) -> None:
    run(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")
