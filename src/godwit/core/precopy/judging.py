"""What one decision of steering rests on: recipe, situation, and what the rounds say together.

The promise is the whole pause; the limit bounds only what sending the rest takes by the
hypervisor's own measurement. So the highest limit leaves room for the fixed part of the pause, and
for a bandwidth that is less than measured when it counts.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.precopy.orders import Situation
from godwit.core.precopy.trend import Trend
from godwit.core.units import format_bytes

__all__ = ["HOPELESS", "STALLED", "Case"]

#: Rounds without progress, in a row, that make a stall. One may be a burst of the guest, and a
#: limit once raised stays raised: in simulated bursts (tests/unit/core) waiting for a second one
#: took a quarter off the mean pause for 2 % more time.
STALLED: Final = 2

#: A level or growing rest this many times above the promise is hopeless.
HOPELESS: Final = 1.5

#: The last part of the time that a deadline leaves, in which nothing is waited for.
_NEAR: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that one decision rests on. ``left_s`` until the deadline, inf where there is none."""

    recipe: Recipe
    situation: Situation
    trend: Trend
    left_s: float

    @property
    def limit_s(self) -> float:
        """The limit that is in force."""
        return self.situation.pause_limit_s

    @property
    def most_s(self) -> float:
        """The highest limit with which the pause is kept."""
        return self._limit_for(self.recipe.pause_max_s)

    @property
    def target_s(self) -> float:
        """The highest limit with which the pause is no longer than what is aimed at."""
        aimed_s = self.recipe.pause_target_s
        if aimed_s is None or aimed_s >= self.recipe.pause_max_s:
            return self.most_s
        return min(self.most_s, max(self.recipe.pause_start_s, self._limit_for(aimed_s)))

    @property
    def longest_s(self) -> float:
        """The highest limit of all, with the pause that is permitted as the last resort."""
        return self._limit_for(self.recipe.pause_ceiling_s)

    def _limit_for(self, pause_s: float) -> float:
        fixed_s = self.situation.pause_fixed_s
        if not fixed_s:
            return pause_s
        return max(self.recipe.pause_start_s, (pause_s - fixed_s) * self.trend.sure_fraction)

    @property
    def rest(self) -> str:
        """What the last round left, in words."""
        return format_bytes(self.trend.rounds[-1].remaining_bytes)

    @property
    def gets_there(self) -> bool:
        """Whether the rest shrinks so that it will fit the promise in time."""
        goal_bytes = self.trend.bandwidth_bytes_per_s * self.most_s
        return self.trend.left_s(goal_bytes) <= self.left_s and self.left_s > 0

    @property
    def is_over(self) -> bool:
        """Whether a decision after the next pass would come too late."""
        return self.left_s <= 0 or (self.left_s <= self.trend.last_pause_s and not self.gets_there)

    @property
    def is_near(self) -> bool:
        """Whether the deadline is so near, and the limit so far from fitting, that none waits."""
        if self.recipe.deadline_s is None:
            return False
        near_s = max(self.recipe.deadline_s * _NEAR, 3 * self.trend.last_pause_s)
        return self.left_s <= near_s and not self._is_on_course

    @property
    def is_urgent(self) -> bool:
        """Whether the deadline is near, or steady progress will miss it: the limit is raised.

        That the rest never gets there, or that it can't be said yet, is no urgency by itself: the
        stall is dealt with as without a deadline while there is time.
        """
        if self.recipe.deadline_s is None or self._is_on_course:
            return False
        return self.is_near or (self.trend.is_shrinking and not self.gets_there)

    @property
    def _is_on_course(self) -> bool:
        goal_bytes = self.trend.bandwidth_bytes_per_s * self.limit_s
        return self.trend.left_s(goal_bytes) <= self.left_s

    @property
    def is_foreseen(self) -> bool:
        """Whether the curve of what it writes says, twice, that it settles far too high."""
        trend = self.trend
        limit_bytes = trend.bandwidth_bytes_per_s * self.longest_s
        return len(trend.rounds) > STALLED and all(
            (trend.settles_bytes(limit_bytes, before=before) or 0.0) > HOPELESS * limit_bytes
            for before in (0, 1)
        )

    @property
    def at_top(self) -> tuple[Round, ...]:
        """The stalled rounds that the highest limit ordered so far has had."""
        # Limits only rise, so these are the last ones.
        stalled = self.trend.stalled
        return stalled[bisect_left(stalled, self.limit_s, key=lambda one: one.pause_limit_s) :]
