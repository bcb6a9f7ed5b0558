"""Asks simulated guests whether they answer, by where the network believes them to be."""

import asyncio
from typing import Final

from godwit.core.model import Probe
from godwit.drivers.simulated.world import SimulatedWorld

__all__ = ["SimulatedProber"]

_ROUND_TRIP_S: Final = 0.001


class SimulatedProber:
    """Implements ``godwit.ports.Prober``."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world

    async def answers(self, probe: Probe, *, timeout_s: float) -> bool:
        """Whether the guest of that address answered within the time."""
        if self._world.answers(probe.address):
            await asyncio.sleep(_ROUND_TRIP_S)
            return True
        await asyncio.sleep(timeout_s)
        return False
