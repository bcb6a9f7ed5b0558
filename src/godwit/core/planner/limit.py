"""How long a search may go on, so that the plan is there in time."""

from collections.abc import Callable

__all__ = ["TimeLimit"]


class TimeLimit:
    """Asked whether to go on; without a clock the answer is always yes.

    To put a plan into words takes about as long as to read its cluster. So what had gone by when it
    was asked for the first time, which is when a search begins, is kept for what comes after.
    """

    def __init__(self, clock: Callable[[], float] | None, limit_s: float) -> None:
        self._clock, self._limit_s = clock, limit_s
        self._begun_s = clock() if clock is not None else 0.0
        self._kept_s: float | None = None
        #: Whether a search was told to end.
        self.was_reached = False

    def __call__(self) -> bool:
        """Whether to go on."""
        if self._clock is None:
            return True
        gone_s = self._clock() - self._begun_s
        if self._kept_s is None:
            self._kept_s = gone_s
        goes_on = gone_s + self._kept_s < self._limit_s
        self.was_reached = self.was_reached or not goes_on
        return goes_on
