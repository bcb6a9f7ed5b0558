"""The one place where a function becomes machine code; the machine code is kept between runs.

What is kept of a function is renewed when its own file changes, not when a file changes that it
calls into: after editing a kernel, remove ``__pycache__`` of this folder.

No kernel makes an array, so none of them counts references: with the many arrays of a problem and
of a state that would take more than ten times as long as the search itself. For the same reason
what is called for each evaluation is put into its caller.
"""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS: Final = {"_nrt": False}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function at its first call; to callers it stays the Python function it was."""
    return cast("Callable[P, R]", _kept(function, **_OPTIONS))


def allocating(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a function that makes arrays of its own, which have to be counted."""
    return cast("Callable[P, R]", _kept(function))


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function into each of its compiled callers."""
    return cast("Callable[P, R]", _kept(function, forceinline=True, **_OPTIONS))


def tight(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a loop over arrays that were taken out of their tuples before it.

    Taking an array out of a tuple counts a reference, which takes longer than what an inner loop
    does: so it is done once for a row of answers. Divisors are never zero there.
    """
    return cast("Callable[P, R]", _kept(function, error_model="numpy"))


def _kept(function: Callable[P, R], **options: bool | str) -> object:
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # Nowhere to keep it: neither beside the source nor in the user's folder for such things.
        return numba.njit(**options)(function)
