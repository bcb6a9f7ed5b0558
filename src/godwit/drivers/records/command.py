"""A record kept by a command of the site: it is run once a step, and exit status 0 means done.

Besides its arguments it gets the payload on standard input, and the same in variables.
"""

from collections.abc import Mapping, Sequence

from godwit.core.errors import RecordFailed
from godwit.drivers.programs import filled, run_program
from godwit.drivers.records.payload import Step, payload
from godwit.ports import PlaceChange, Prepared

__all__ = ["CommandKeeper"]


class CommandKeeper:
    """Runs one command for the steps it asked for."""

    def __init__(self, name: str, argv: Sequence[str], *, steps: frozenset[Step]) -> None:
        self._name = name
        self._argv = tuple(argv)
        self._steps = steps

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        return self._name

    async def prepare(self, change: PlaceChange) -> Prepared:
        """Ask whether a switch would work. Raises: RecordFailed."""
        return Prepared(what=await self._run("prepare", change))

    async def switch(self, change: PlaceChange) -> str:
        """Say the new place. Raises: RecordFailed."""
        return await self._run("switch", change)

    async def verify(self, change: PlaceChange) -> str:
        """Ask whether the new place is what the network is told. Raises: RecordFailed."""
        return await self._run("verify", change)

    async def roll_back(self, change: PlaceChange) -> str:
        """Say the old place again. Raises: RecordFailed."""
        return await self._run("roll_back", change)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _run(self, step: Step, change: PlaceChange) -> str:
        if step not in self._steps:
            return f"the command has no part in {step.replace('_', ' ')}"
        values = _values(step, change)
        argv = [filled(one, values) for one in self._argv]
        ended = await run_program(
            argv,
            told=payload(step, self._name, change),
            variables={f"GODWIT_{key.upper()}": value for key, value in values.items()},
        )
        if ended.status != 0:
            raise RecordFailed(
                f"the command {argv[0]} ended with {ended.how}",
                evidence=ended.said or "it said nothing",
                remedy="Run it by hand with the payload of docs/records.md on standard input.",
            )
        return ended.said.splitlines()[-1] if ended.said else "the command worked"


def _values(step: Step, change: PlaceChange) -> Mapping[str, str]:
    place = change.old if step == "roll_back" else change.new
    return {
        "step": step,
        "migration": change.migration,
        "vm": change.old.vm_name,
        "vm_id": change.old.vm,
        "old_host": change.old.host,
        "new_host": change.new.host,
        "address": place.addresses[0] if place.addresses else "",
        "mac": change.old.macs[0] if change.old.macs else "",
    }
