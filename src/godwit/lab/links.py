"""The links of the hosts: how fast they are, and cutting them the way a dead switch does.

A cut keeps the carrier up and loses every frame in the fabric: nobody is told, no connection is
reset, and peers find out by waiting. Rates are set on both ends of a link, so that they hold in
both directions. The bridges and cables themselves are made in ``fabric``.
"""

import json
from dataclasses import dataclass

from godwit.core.units import parse_rate
from godwit.lab.commands import in_network_namespace, run
from godwit.lab.layout import FABRIC_NAMESPACE, HostAddress, Network
from godwit.lab.problems import LabMisused

__all__ = ["Link", "link_rate"]

UNLIMITED = "unlimited"
# A token bucket lets this much of a second through at once: small against a migration's pause,
# large against the timers of the kernel.
BURST_S = 0.005
BURST_BYTES_MIN = 32 * 1024
QUEUE_S = 0.02
RATE_BYTES_PER_S_MIN = 1000.0


def link_rate(text: str) -> float | None:
    """Read a link's rate into bytes per second; None for ``unlimited``.

    Raises: BadValue or LabMisused when it is not a rate that a link can have.
    """
    if text.strip().lower() == UNLIMITED:
        return None
    rate_bytes_per_s = parse_rate(text)
    if rate_bytes_per_s < RATE_BYTES_PER_S_MIN:
        raise LabMisused(
            f"A link of {text!r} is too slow to carry anything.",
            remedy="Use at least 8kbit, or cut the link instead.",
        )
    return rate_bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One cable: from a host to the fabric's bridge of one network."""

    host: HostAddress
    network: Network

    @property
    def port(self) -> str:
        """The fabric's end."""
        return self.host.port(self.network)

    def cut(self) -> None:
        """Lose every frame from now on, in both directions, with the carrier still up."""
        self._set_port_state("disabled")

    def restore(self) -> None:
        """Undo ``cut``."""
        self._set_port_state("forwarding")

    def limit(self, rate_bytes_per_s: float | None) -> None:
        """Limit both directions to a rate; None lifts the limit."""
        for namespace, interface in (
            (FABRIC_NAMESPACE, self.port),
            (self.host.namespace, self.network.interface),
        ):
            if rate_bytes_per_s is not None:
                qdisc = ["qdisc", "replace", "dev", interface, "root", *_bucket(rate_bytes_per_s)]
                run(["tc", "-n", namespace, *qdisc])
            elif self._is_limited(namespace, interface):
                run(["tc", "-n", namespace, "qdisc", "del", "dev", interface, "root"])

    def is_cut(self) -> bool:
        """Say whether frames are being lost on purpose."""
        shown = run(in_network_namespace(FABRIC_NAMESPACE, ["bridge", "-json", "link", "show"]))
        ports = {port.get("ifname"): port.get("state") for port in json.loads(shown or "[]")}
        return ports.get(self.port) != "forwarding"

    def rate_bytes_per_s(self) -> float | None:
        """Return the rate that is in force; None when there is no limit."""
        shown = run(["tc", "-n", FABRIC_NAMESPACE, "-json", "qdisc", "show", "dev", self.port])
        for qdisc in json.loads(shown or "[]"):
            if qdisc.get("kind") == "tbf":
                return float(qdisc["options"]["rate"])
        return None

    def _set_port_state(self, state: str) -> None:
        # Numbers, because older iproute2 has no names: 0 is "disabled", 3 is "forwarding".
        number = {"disabled": "0", "forwarding": "3"}[state]
        set_state = ["bridge", "link", "set", "dev", self.port, "state", number]
        run(in_network_namespace(FABRIC_NAMESPACE, set_state))

    @staticmethod
    def _is_limited(namespace: str, interface: str) -> bool:
        return "tbf" in run(["tc", "-n", namespace, "qdisc", "show", "dev", interface])


def _bucket(rate_bytes_per_s: float) -> list[str]:
    burst_bytes = max(BURST_BYTES_MIN, round(rate_bytes_per_s * BURST_S))
    # "bps" is bytes per second to tc.
    rate = f"{round(rate_bytes_per_s)}bps"
    return ["tbf", "rate", rate, "burst", str(burst_bytes), "latency", f"{QUEUE_S * 1000:g}ms"]
