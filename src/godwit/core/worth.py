"""What a plan and each of its moves are worth, in points of the objective, and by what."""

from dataclasses import dataclass

from godwit.core.model import HostName

__all__ = ["Instead", "MovePrice", "Term", "Worth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of the objective before and after a plan: ``points`` for each of what it counts.

    ``bound`` is what no plan at all could bring it below; None where that is not known.
    """

    name: str
    counts: str
    points: float
    before: float
    after: float
    bound: float | None = None

    @property
    def gain(self) -> float:
        """The points that the plan gains by this term; below zero where it costs."""
        return self.points * (self.before - self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePrice:
    """What a move costs before it gains anything, and that in points of the objective.

    ``pause_risk_fraction`` is how likely it is not to keep its promise.
    """

    time_s: float
    sent_bytes: float
    pause_risk_fraction: float
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """Another host that the VM could have gone to, and the points that the move would gain then."""

    host: HostName
    gain: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a move gains in its turn, by term and in points; its price is not taken off yet.

    ``why_vm`` says why this VM moves, ``instead`` what the next best hosts would have gained.
    """

    gains: tuple[tuple[str, float], ...]
    price: MovePrice
    why_vm: str
    instead: tuple[Instead, ...] = ()

    @property
    def gain(self) -> float:
        """What it gains by all terms together."""
        return sum(points for _, points in self.gains)
