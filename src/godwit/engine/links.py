"""Several migrations on one link share it by plan: who is next to switch over has it.

What each gets is decided by ``share``; here it is asked again at each round, and given as limits of
the streams. Each direction of each host's link is one: a migration gets the least of the two that
it takes. A link of unknown speed is not divided.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Final, TypeAlias

from godwit.core.errors import GodwitError
from godwit.core.migration import Migration, Phase
from godwit.core.model import HostName, MigrationId
from godwit.core.precopy.sharing import Flow, LinkShare, share
from godwit.engine.carrying import Carrying
from godwit.engine.record import Record

__all__ = ["Links"]

_LOG = logging.getLogger(__name__)

#: Memory moves over the link. From the switch-over on the hypervisor lifts the limits itself, so
#: these come first, and the others keep out of their way.
_LIFTED: Final = frozenset({Phase.SWITCHING, Phase.POSTCOPY})
_MOVING: Final = frozenset({Phase.COPYING}) | _LIFTED

#: A host's link and whether it is the one that sends.
_Link: TypeAlias = tuple[HostName, bool]


@dataclass(slots=True)
class _Member:
    record: Record
    carrying: Carrying
    last: LinkShare | None = None


class Links:
    """All links between the hosts of one controller. Used from one event loop only."""

    def __init__(self) -> None:
        self._members: dict[MigrationId, _Member] = {}
        self._work: asyncio.Task[None] | None = None
        self._again = False
        self._closed = False

    def join(self, record: Record, carrying: Carrying) -> None:
        """A migration is watched from now on."""
        self._members[record.migration.id] = _Member(record, carrying)

    def leave(self, migration_id: MigrationId) -> None:
        """It is over, or no longer watched: the others get what it had."""
        if self._members.pop(migration_id, None) is not None:
            self.look()

    def look(self) -> None:
        """Something may have changed; returns at once."""
        is_alone = len(self._members) < 2
        if self._closed or (is_alone and not any(map(_is_lowered, self._members.values()))):
            return
        if self._work is not None and not self._work.done():
            self._again = True
        else:
            self._work = asyncio.create_task(self._divide())

    async def close(self) -> None:
        """Order nothing more: what is in force stays, for the next controller to see to."""
        self._closed = True
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _divide(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            # A source that does not answer keeps no other waiting.
            try:
                await asyncio.gather(*(self._give(*one) for one in self._shares()))
            except GodwitError:
                _LOG.exception("a link could not be divided; it stays as it is")

    async def _give(self, member: _Member, given: LinkShare | None) -> None:
        member.last = given
        carrying, recipe = member.carrying, member.record.migration.move.recipe
        carrying.is_shared = given is not None
        carrying.is_held = given is not None and given.is_held
        if given is None:
            await carrying.share(recipe.bandwidth_bytes_per_s, "it has the link to itself again")
        else:
            await carrying.share(given.bytes_per_s, f"shares the link: {given.why}")

    def _shares(self) -> list[tuple[_Member, LinkShare | None]]:
        """What each member gets now; None is as much as it can take."""
        links: defaultdict[_Link, list[_Member]] = defaultdict(list)
        for _, member in sorted(self._members.items()):
            move = member.record.migration.move
            if member.record.phase in _MOVING and move.recipe.link_bytes_per_s is not None:
                links[move.source, True].append(member)
                links[move.destination, False].append(member)
        given: dict[MigrationId, LinkShare] = {}
        for members in links.values():
            if len(members) > 1:
                speed = max(
                    one.record.migration.move.recipe.link_bytes_per_s or 0.0 for one in members
                )
                flows = [_flow(one) for one in members]
                for member, part in zip(members, share(speed, flows), strict=True):
                    key = member.record.migration.id
                    if key not in given or part.bytes_per_s < given[key].bytes_per_s:
                        given[key] = part
        return [
            (member, given.get(key))
            for key, member in sorted(self._members.items())
            if key in given or _is_lowered(member)
        ]


def _is_lowered(member: _Member) -> bool:
    """Whether a share of a link limits it, also one that an earlier controller had ordered."""
    migration = member.record.migration
    now, of_old = migration.bandwidth_bytes_per_s, migration.move.recipe.bandwidth_bytes_per_s
    lowered = now is not None and (of_old is None or now < of_old)
    return member.last is not None or lowered


def _flow(member: _Member) -> Flow:
    migration, last = member.record.migration, member.last
    recipe, progress = migration.move.recipe, member.record.progress
    lifted = migration.phase in _LIFTED
    passes = migration.rounds[1:]
    remaining = progress.remaining_bytes if progress else migration.move.memory_bytes
    # Steering is about to raise the limit as far as it must.
    return Flow(
        vm=migration.move.vm,
        remaining_bytes=remaining,
        dirty_bytes_per_s=0.0 if lifted or not passes else passes[-1].dirty_bytes_per_s,
        working_set_bytes=max((one.remaining_bytes for one in passes), default=0),
        pause_limit_s=recipe.pause_max_s,
        priority=1 if lifted else 0,
        most_bytes_per_s=_most(migration),
        now_bytes_per_s=last.bytes_per_s if last else None,
        is_first=last is not None and last.is_first,
    )


def _most(migration: Migration) -> float | None:
    recipe = migration.move.recipe
    return recipe.bandwidth_bytes_per_s if recipe.bandwidth_is_hard else None
