"""How far a simulated migration is; faults are aimed at these points."""

from enum import Enum

__all__ = ["Point"]


class Point(Enum):
    """The points of a pre-copy in their order, and those of a post-copy after them."""

    BEGIN = 0
    PREPARE = 1
    COPY = 2
    #: A later pass than the first.
    ROUND = 3
    SWITCH = 4
    #: The request to finish is on its way to the destination.
    FINISH = 5
    #: The destination runs the guest; its reply is on its way to the source.
    RUNS = 6
    CONFIRM = 7
    #: The destination runs the guest, and its memory follows.
    POSTCOPY = 8
    #: The stream of the post-copy broke.
    BROKEN = 9

    @property
    def is_postcopy(self) -> bool:
        """Whether the guest runs at the destination with memory missing."""
        return self in {Point.POSTCOPY, Point.BROKEN}
