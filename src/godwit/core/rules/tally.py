"""What a rule remembers of an assignment, so that one move is weighed without looking at the rest.

A tally knows by how much its rule is broken, as ``check`` would say, and what one more move makes
of that. It is of the end of a plan: nothing is in flight there.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from math import fsum
from typing import Generic, TypeAlias, TypeVar

from godwit.core.model import HostName, VmId

__all__ = ["EachTally", "LoadTally", "Shape", "ShapeTally", "StillTally", "Tally", "Weight"]

#: By how much more a rule would be broken, and whether it is against the move.
Weight: TypeAlias = tuple[float, bool]

_NOTHING: Weight = (0.0, False)
_Place = TypeVar("_Place", bound=Hashable)


class Tally(ABC):
    """The amount of a rule's breaches, kept true move by move."""

    @property
    @abstractmethod
    def amount(self) -> float:
        """The sum of the amounts of all its breaches."""

    @abstractmethod
    def weigh(self, vm: VmId, source: HostName, host: HostName) -> Weight:
        """Say what a move would change. Nothing is remembered of it."""

    @abstractmethod
    def move(self, vm: VmId, source: HostName, host: HostName) -> None:
        """Remember a move."""


class StillTally(Tally):
    """Of a rule that no move mends or breaks."""

    def __init__(self, amount: float) -> None:
        self._amount = amount

    @property
    def amount(self) -> float:
        """What it was from the beginning."""
        return self._amount

    def weigh(self, vm: VmId, source: HostName, host: HostName) -> Weight:
        """Nothing changes."""
        del vm, source, host
        return _NOTHING

    def move(self, vm: VmId, source: HostName, host: HostName) -> None:
        """Nothing changes."""


class EachTally(Tally):
    """Of a rule about each VM and its host, one by one: it counts the VMs that are wrong."""

    def __init__(
        self, is_wrong: Callable[[VmId, HostName], bool], places: Mapping[VmId, HostName]
    ) -> None:
        self._is_wrong = is_wrong
        self._wrong = {vm for vm, host in places.items() if is_wrong(vm, host)}

    @property
    def amount(self) -> float:
        """How many VMs are wrong where they are."""
        return float(len(self._wrong))

    def weigh(self, vm: VmId, source: HostName, host: HostName) -> Weight:
        """Being wrong where it is gives a VM no right to be wrong elsewhere."""
        del source
        after = self._is_wrong(vm, host)
        return float(after - (vm in self._wrong)), after

    def move(self, vm: VmId, source: HostName, host: HostName) -> None:
        """Judge the VM anew."""
        del source
        if self._is_wrong(vm, host):
            self._wrong.add(vm)
        else:
            self._wrong.discard(vm)


class LoadTally(Tally, Generic[_Place]):
    """Of a rule about how much comes together in one place: each place is judged by itself.

    ``part`` says to which place a VM on a host adds how much, or None when it does not count there;
    ``excess`` what so much in one place, of so many VMs, is worth as a breach.
    """

    def __init__(
        self,
        part: Callable[[VmId, HostName], tuple[_Place, int] | None],
        excess: Callable[[_Place, int, int], float],
        places: Mapping[VmId, HostName],
    ) -> None:
        self._part, self._excess = part, excess
        self._loads: Counter[_Place] = Counter()
        self._counts: Counter[_Place] = Counter()
        for vm, host in places.items():
            self._add(part(vm, host), 1)
        found = {place: excess(place, self._loads[place], n) for place, n in self._counts.items()}
        self._amounts = {place: amount for place, amount in found.items() if amount}

    @property
    def amount(self) -> float:
        """The sum over the places where there is too much, exact, whatever their order."""
        return fsum(self._amounts.values())

    def weigh(self, vm: VmId, source: HostName, host: HostName) -> Weight:
        """Look at the place that it leaves and at the one that it comes to."""
        left, met = self._part(vm, source), self._part(vm, host)
        if left == met:
            return (0.0, met is not None and self._amounts.get(met[0], 0.0) > 0)
        lighter, after = self._with(left, -1), self._with(met, 1)
        if left is not None and met is not None and left[0] == met[0]:
            # One place, to which the VM adds another amount on the other host.
            load = self._loads[met[0]] + met[1] - left[1]
            after = self._excess(met[0], load, self._counts[met[0]])
            return after - self._amounts.get(met[0], 0.0), after > 0
        before = sum(self._amounts.get(one[0], 0.0) for one in (left, met) if one is not None)
        return lighter + after - before, after > 0

    def move(self, vm: VmId, source: HostName, host: HostName) -> None:
        """Shift what it adds."""
        parts = ((self._part(vm, source), -1), (self._part(vm, host), 1))
        for part, sign in parts:
            self._add(part, sign)
        for place in [part[0] for part, _ in parts if part is not None]:
            amount = self._excess(place, self._loads[place], self._counts[place])
            if amount:
                self._amounts[place] = amount
            else:
                self._amounts.pop(place, None)

    def _add(self, part: tuple[_Place, int] | None, sign: int) -> None:
        if part is not None:
            self._loads[part[0]] += sign * part[1]
            self._counts[part[0]] += sign

    def _with(self, part: tuple[_Place, int] | None, sign: int) -> float:
        if part is None:
            return 0.0
        place, load = part
        return self._excess(place, self._loads[place] + sign * load, self._counts[place] + sign)


class Shape:
    """How many VMs there are on each value, in figures that one VM more or less changes at once.

    ``total`` are the VMs, ``used`` the values that have any, ``highest`` what the fullest value
    has, ``lowest`` what the emptiest has of those named at the beginning.
    """

    def __init__(self, values: Iterable[Hashable] = ()) -> None:
        self._counts: Counter[Hashable] = Counter()
        self._named = frozenset(values)
        self._at: Counter[int] = Counter()
        self._named_at: Counter[int] = Counter({0: len(self._named)})
        self.total = self.used = self.highest = self.lowest = 0

    def add(self, value: Hashable, by: int) -> None:
        """Put one VM on a value, or take it away: ``by`` is 1 or -1."""
        was = self._counts[value]
        now = self._counts[value] = was + by
        self.total += by
        self.used += (now > 0) - (was > 0)
        self._at[was] -= was > 0
        self._at[now] += now > 0
        # The next count that somebody has is never further away than one.
        self.highest = max(self.highest, now)
        if self.highest and not self._at[self.highest]:
            self.highest -= 1
        if value in self._named:
            self._named_at[was] -= 1
            self._named_at[now] += 1
            self.lowest = min(self.lowest, now)
            if not self._named_at[self.lowest]:
                self.lowest += 1


class ShapeTally(Tally):
    """Of a rule about how VMs are distributed over values, all of them together."""

    def __init__(
        self,
        value: Callable[[VmId, HostName], Hashable | None],
        amount_of: Callable[[Shape], float],
        places: Mapping[VmId, HostName],
        values: Iterable[Hashable] = (),
    ) -> None:
        self._value, self._amount_of = value, amount_of
        self._shape = Shape(values)
        for vm, host in places.items():
            self._shift(None, value(vm, host))

    @property
    def amount(self) -> float:
        """What the distribution is worth as a breach."""
        return self._amount_of(self._shape)

    def weigh(self, vm: VmId, source: HostName, host: HostName) -> Weight:
        """Try it and take it back. It is against whatever makes the whole worse."""
        left, met = self._value(vm, source), self._value(vm, host)
        if left == met:
            return _NOTHING
        before = self.amount
        self._shift(left, met)
        after = self.amount
        self._shift(met, left)
        return after - before, after > before

    def move(self, vm: VmId, source: HostName, host: HostName) -> None:
        """Shift it from one value to the other."""
        self._shift(self._value(vm, source), self._value(vm, host))

    def _shift(self, left: Hashable | None, met: Hashable | None) -> None:
        if left is not None:
            self._shape.add(left, -1)
        if met is not None:
            self._shape.add(met, 1)
