"""The network that VMs are promised on a host stays within what its cards carry.

How much a VM sends is not observed. The site says what each of its VMs is to have, and what a host
carries for them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, VmId
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.capacity import holders_of
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import LoadTally, Tally
from godwit.core.units import format_rate

__all__ = ["Bandwidth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(ClusterRule):
    """Each of ``vms`` is promised ``each_bytes_per_s``, each of ``hosts`` carries ``most``."""

    KIND: ClassVar[str] = "network"
    SAYS: ClassVar[str] = "hosts carry what their VMs are promised of the network"
    BY_PLACE: ClassVar[bool] = True

    each_bytes_per_s: float
    most_bytes_per_s: float

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each host that promises more. The amount is a fraction of it."""
        frame = assignment.frame
        holders = holders_of(assignment, self.vms & frame.vms.keys())
        for host in sorted(self.hosts & holders.keys()):
            vms = holders[host]
            promised = len(vms) * self.each_bytes_per_s
            if promised <= self.most_bytes_per_s:
                continue
            fits = int(self.most_bytes_per_s // self.each_bytes_per_s)
            yield self.breach(
                amount=self._excess(host, len(vms), len(vms)),
                why=f"{host} has {len(vms)} VMs with {format_rate(self.each_bytes_per_s)} each,"
                f" {format_rate(promised)} in all; it carries {format_rate(self.most_bytes_per_s)}",
                remedy=f"Move {len(vms) - fits} of them away: {frame.names(vms)}.",
                hosts=[host],
                vms=vms,
                promised_bytes_per_s=promised,
                allowed_bytes_per_s=self.most_bytes_per_s,
            )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count the VMs of each host, and what they are promised too much."""
        del frame
        return LoadTally(
            lambda _, host: (host, 1) if host in self.hosts else None,
            self._excess,
            {vm: places[vm] for vm in self.vms & places.keys()},
        )

    def _excess(self, host: HostName, vms: int, _: int) -> float:
        del host
        return max(0.0, vms * self.each_bytes_per_s / self.most_bytes_per_s - 1)
