"""Reproducible chance in kernels: L'Ecuyer's two generators, whose numbers all fit into 63 bits."""

from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.planner.levelling.twice import small

__all__ = ["Dice", "below", "dice_of", "fraction"]

#: Two numbers that change with each draw.
Dice = npt.NDArray[np.int64]

_FIRST: Final = 2147483563
_SECOND: Final = 2147483399


def dice_of(seed: int) -> list[int]:
    """The state of a seed; seeds that differ by little give streams that have nothing in common."""
    mixed = (seed + 1) * 0x9E3779B97F4A7C15 % (1 << 64)
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % (1 << 64)
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % (1 << 64)
    return [1 + mixed % (_FIRST - 1), 1 + (mixed >> 32) % (_SECOND - 1)]


@small
def _drawn(dice: Dice) -> int:
    """Draw a whole number from 1 up to _FIRST - 1."""
    dice[0] = dice[0] * 40014 % _FIRST
    dice[1] = dice[1] * 40692 % _SECOND
    found = dice[0] - dice[1]
    return found if found > 0 else found + _FIRST - 1


@small
def below(dice: Dice, limit: int) -> int:
    """Draw a whole number from 0 up to the limit, which is not drawn."""
    return _drawn(dice) % limit


@small
def fraction(dice: Dice) -> float:
    """Draw a number above 0 and below 1."""
    return _drawn(dice) / _FIRST
