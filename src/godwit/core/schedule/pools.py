"""Room that is handed on: who gave it back decides what the next one has to wait for.

Each byte, vCPU or slot has one holder at a time, in any order of events that the dependencies
allow: who takes what another gave back waits for that one. So the dependencies alone keep every
limit, however long each move takes; no clock is needed.
"""

__all__ = ["Pool"]


class Pool:
    """An amount of room. Givers are sets of moves, one bit each; 0 is room that was always there.

    ``owed`` is room that was promised twice before the plan began: what is given back goes there
    first, and who comes after waits for all who paid.
    """

    __slots__ = ("_paid", "_tokens", "free", "owed")

    def __init__(self, amount: int) -> None:
        self.free = max(0, amount)
        self.owed = max(0, -amount)
        self._paid = 0
        self._tokens: list[tuple[int, int]] = [(0, self.free)] if amount > 0 else []

    def take(self, amount: int, known: int) -> int:
        """Take room that is free; returns who must have ended first, as bits.

        What they gave whom the taker waits for anyway (``known``) goes first, then what was always
        there, then what was given back longest ago: so the fewest have to be waited for.
        """
        assert 0 <= amount <= self.free, "what is taken must be there"
        self.free -= amount
        needed = 0
        left: list[tuple[int, int]] = []
        taken = [0] * len(self._tokens)
        for at in sorted(range(len(taken)), key=lambda at: (self._cost(at, known), at)):
            taken[at] = min(self._tokens[at][1], amount)
            amount -= taken[at]
            if taken[at]:
                needed |= self._tokens[at][0]
            if not amount:
                break
        for (giver, size), used in zip(self._tokens, taken, strict=True):
            if size > used:
                left.append((giver, size - used))
        self._tokens = left
        return needed

    def _cost(self, at: int, known: int) -> int:
        giver = self._tokens[at][0]
        if not giver:
            return 1
        return 2 if giver & ~known else 0

    def give(self, amount: int, giver: int) -> None:
        """Give room back; ``giver`` is the bit of the move that ended."""
        paid = min(self.owed, amount)
        if paid:
            self.owed -= paid
            self._paid |= giver
            amount -= paid
        if amount:
            self.free += amount
            self._tokens.append((giver | self._paid, amount))
