"""Carries the orders of steering out on the source of one migration, each with its intent first.

An order that is refused, or whose answer is lost, is owed: it is given again after the next round,
as the journal has it. Only post-copy is not: whether it may be begun depends on the path, which may
have changed, so it is given when it is decided, and never later. Nothing is decided here.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum
from typing import assert_never

from godwit.core.errors import DriverError
from godwit.core.migration import (
    BandwidthOrdered,
    Event,
    PauseLimitOrdered,
    Phase,
    PostcopyOrdered,
    ThrottleOrdered,
)
from godwit.core.plan import Recipe
from godwit.core.precopy import (
    GiveUp,
    Keep,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
)
from godwit.engine.record import Record
from godwit.ports import HypervisorHost

__all__ = ["Carrying"]


class _Means(Enum):
    """What can be ordered of a migration that copies, in the order in which it is given again."""

    PAUSE = "pause"
    BANDWIDTH = "bandwidth"
    THROTTLE = "throttle"
    POSTCOPY = "postcopy"


class Carrying:
    """The orders of one migration. What is owed is not kept: the journal has what is in force."""

    def __init__(self, record: Record, source: HypervisorHost) -> None:
        self._record = record
        self._source = source
        self._owed: set[_Means] = set()
        # Orders come from the watch and from who divides the link. Two of the same kind that are
        # out at once may arrive in either order.
        self._giving = asyncio.Lock()
        #: Others share its link: how much it gets of it is not for steering to say. While it is
        #: held for their sake nothing is concluded from how slowly it comes down.
        self.is_shared = False
        self.is_held = False

    def situation(self, *, path_is_healthy: bool) -> Situation:
        """What is in force right now, for the next decision."""
        migration = self._record.migration
        since_s = migration.copying_since_s
        return Situation(
            pause_limit_s=migration.pause_limit_s,
            copying_s=0.0 if since_s is None else max(0.0, self._record.now_s() - since_s),
            bandwidth_bytes_per_s=migration.bandwidth_bytes_per_s,
            throttle_increment_fraction=migration.throttle_increment_fraction,
            changed_at_s=migration.changed_at_s,
            path_is_healthy=path_is_healthy,
            is_held=self.is_held,
            pause_fixed_s=0.0 if (said := migration.move.forecast) is None else said.pause_fixed_s,
        )

    @property
    def is_held_too_long(self) -> bool:
        """Whether its deadline passed while it waited for its turn on the link."""
        migration = self._record.migration
        deadline_s, since_s = migration.move.recipe.deadline_s, migration.copying_since_s
        if not self.is_held or deadline_s is None or since_s is None:
            return False
        return self._record.now_s() - since_s >= deadline_s

    def recipe(self) -> Recipe:
        """What steering may do: it leaves the bandwidth alone that a link is divided by."""
        recipe = self._record.migration.move.recipe
        return replace(recipe, bandwidth_is_hard=True) if self.is_shared else recipe

    async def carry(self, order: Order) -> None:
        """Write the intent of an order, then give it together with all that is owed."""
        at_s = self._record.now_s()
        self._owed.discard(_Means.POSTCOPY)
        match order:
            case RaisePause(limit_s=limit_s, why=why):
                self._intend(PauseLimitOrdered(at_s=at_s, limit_s=limit_s, why=why), why)
                self._owed.add(_Means.PAUSE)
            case RaiseBandwidth(bytes_per_s=rate, why=why):
                self._intend(BandwidthOrdered(at_s=at_s, bytes_per_s=rate, why=why), why)
                self._owed.add(_Means.BANDWIDTH)
            case RaiseThrottle(increment_fraction=increment, why=why):
                intent = ThrottleOrdered(at_s=at_s, increment_fraction=increment, why=why)
                self._intend(intent, why)
                self._owed.add(_Means.THROTTLE)
            case StartPostcopy(why=why):
                # It takes a moment to begin; it is meant once, and asked for until it does.
                if not self._record.migration.postcopy_ordered:
                    self._intend(PostcopyOrdered(at_s=at_s, why=why), why)
                self._owed.add(_Means.POSTCOPY)
            case Keep() | GiveUp():
                pass
            case _:
                assert_never(order)
        await self._give()

    async def share(self, bytes_per_s: float | None, why: str) -> None:
        """Limit the stream to its share of a link; nothing when it does not copy any more."""
        migration = self._record.migration
        if migration.phase is Phase.COPYING and migration.bandwidth_bytes_per_s != bytes_per_s:
            at_s = self._record.now_s()
            self._intend(BandwidthOrdered(at_s=at_s, bytes_per_s=bytes_per_s, why=why), why)
            self._owed.add(_Means.BANDWIDTH)
            await self._give()

    async def order_again(self) -> None:
        """Carry out what is in the journal and may never have got out of a controller that died."""
        migration = self._record.migration
        recipe = migration.move.recipe
        if migration.phase is not Phase.COPYING:
            return
        if migration.pause_limit_s != recipe.pause_start_s:
            self._owed.add(_Means.PAUSE)
        if migration.bandwidth_bytes_per_s != recipe.bandwidth_bytes_per_s:
            self._owed.add(_Means.BANDWIDTH)
        if migration.throttle_increment_fraction > 0:
            self._owed.add(_Means.THROTTLE)
        await self._give()

    def _intend(self, intent: Event, why: str) -> None:
        self._record.write(intent, why)

    async def _give(self) -> None:
        async with self._giving:
            for means in _Means:
                if means in self._owed and self._record.phase is Phase.COPYING:
                    self._owed.discard(means)
                    is_given = await self._is_given(self._call(means))
                    if not is_given and means is not _Means.POSTCOPY:
                        self._owed.add(means)

    async def _is_given(self, call: Callable[[], Awaitable[None]]) -> bool:
        with contextlib.suppress(DriverError):
            await call()
            return True
        return False

    def _call(self, means: _Means) -> Callable[[], Awaitable[None]]:
        migration, source = self._record.migration, self._source
        vm = migration.move.vm
        match means:
            case _Means.PAUSE:
                return lambda: source.set_pause_limit(vm, migration.pause_limit_s)
            case _Means.BANDWIDTH:
                return lambda: source.set_bandwidth(vm, migration.bandwidth_bytes_per_s)
            case _Means.THROTTLE:
                return lambda: source.raise_throttle(vm, migration.throttle_increment_fraction)
            case _Means.POSTCOPY:
                return lambda: source.start_postcopy(vm)
            case _:
                assert_never(means)
