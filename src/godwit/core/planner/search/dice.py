"""Reproducible chance inside compiled code: SplitMix64, its state in an array of the caller's."""

from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.planner.search.compiled import compiled

Dice = npt.NDArray[np.uint64]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_UNIT: Final = 1.0 / (1 << 53)


@compiled
def _bits(dice: Dice) -> np.uint64:
    dice[0] += _STEP
    bits = dice[0]
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return np.uint64(bits ^ (bits >> np.uint64(31)))


@compiled
def below(dice: Dice, limit: int) -> int:
    """Draw a whole number from 0 up to the limit, which is less than 2**32 and not drawn."""
    return np.int64(((_bits(dice) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))  # type: ignore[return-value]


@compiled
def fraction(dice: Dice) -> float:
    """Draw a number above 0, up to 1."""
    return (np.float64(_bits(dice) >> np.uint64(11)) + 1.0) * _UNIT
