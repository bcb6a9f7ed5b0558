"""A simulated hypervisor: hosts, guests and libvirt's ways of failing, in simulated time.

Behaves as libvirt does where that decides who runs a guest (docs/libvirt-behaviour.md); anything
that does not is left out: no disk copy, no daemon that hangs instead of dying. It
knows nothing of the engine that is tried against it.
"""

from godwit.drivers.simulated.client import SimulatedConnector, SimulatedHost
from godwit.drivers.simulated.guest import Guest
from godwit.drivers.simulated.points import Point
from godwit.drivers.simulated.prober import SimulatedProber
from godwit.drivers.simulated.timing import SimulatedClock, VirtualLoop
from godwit.drivers.simulated.trace import Trace
from godwit.drivers.simulated.world import ForbiddenOrder, SimulatedWorld

__all__ = [
    "ForbiddenOrder",
    "Guest",
    "Point",
    "SimulatedClock",
    "SimulatedConnector",
    "SimulatedHost",
    "SimulatedProber",
    "SimulatedWorld",
    "Trace",
    "VirtualLoop",
]
