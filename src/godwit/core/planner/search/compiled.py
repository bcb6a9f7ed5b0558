"""The one place where a function becomes machine code; the machine code is kept between runs.

What is kept of a function is renewed when its own file changes, not when a file changes that it
calls into: after editing a kernel, remove ``__pycache__`` of this folder.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function at its first call; to callers it stays the Python function it was."""
    return cast("Callable[P, R]", numba.njit(cache=True)(function))


def tight(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a loop over arrays that were taken out of their tuples before it.

    Taking an array out of a tuple counts a reference, which takes longer than what an inner loop
    does: so it is done once for a row of answers. Divisors are never zero there.
    """
    return cast("Callable[P, R]", numba.njit(cache=True, error_model="numpy")(function))
