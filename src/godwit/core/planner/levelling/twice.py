"""One source that runs in two ways: as Python, and as machine code that is kept between runs.

Small problems are solved sooner as Python than the compiler is loaded; large ones take a hundred
times as long so. Both give the same numbers to the bit: the same operations on the same floats in
the same order, nothing reassociated. So a kernel is written in what means the same in both: it
reads and writes numbers in tables by ``table[row][column]`` (lists or arrays), calls other kernels
and ``math``, makes no table and takes no slice.

A kernel stays the Python function that it is; ``compiled`` has its compiled self. That knows other
kernels by copies of their modules' names, in which they are compiled ones too. What is kept of it
goes by a digest of all kernels, so that it is renewed when any of them changes.

No kernel makes a table, so that none counts references, which would take longer than what it does.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar, cast

__all__ = ["compiled", "is_loaded", "kernel", "small"]

P = ParamSpec("P")
R = TypeVar("R")

#: Each kernel, and whether it is put into its callers.
_KERNELS: Final[dict[FunctionType, bool]] = {}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Note a function that can be compiled, and return it as it is."""
    _KERNELS[cast("FunctionType", function)] = False
    return function


def small(function: Callable[P, R]) -> Callable[P, R]:
    """Note one that is called so often that it is put into each of its callers."""
    _KERNELS[cast("FunctionType", function)] = True
    return function


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The compiled self of a kernel. The first one asked for loads the compiler."""
    return cast("Callable[P, R]", _compiled()[cast("FunctionType", function)])


def is_loaded() -> bool:
    """Whether the compiler was loaded in this process already."""
    return _compiled.cache_info().currsize > 0


@cache
def _compiled() -> dict[FunctionType, Any]:
    import numba  # noqa: PLC0415 - takes longer than to solve a small problem

    digest = _digest()
    worlds = {one.__module__: dict(one.__globals__) for one in _KERNELS}
    made: dict[FunctionType, Any] = {}
    for one, is_small in _KERNELS.items():
        copy = FunctionType(one.__code__, worlds[one.__module__], one.__name__)
        copy.__qualname__ = f"{one.__name__}_{digest}"
        # The event loop goes on beside a search that takes seconds.
        options = {"_nrt": False, "nogil": True, "error_model": "numpy", "forceinline": is_small}
        try:
            made[one] = numba.njit(cache=True, **options)(copy)
        except RuntimeError:
            # Nowhere to keep it: neither beside the source nor in the user's folder for such.
            made[one] = numba.njit(**options)(copy)
    for world in worlds.values():
        for name, value in world.items():
            if isinstance(value, FunctionType) and value in made:
                world[name] = made[value]
    return made


def _digest() -> str:
    """Of the code of all kernels, and of the numbers that they take from their modules."""
    found = hashlib.sha256()
    for one in _KERNELS:
        code, world = one.__code__, one.__globals__
        numbers = [
            (name, world[name])
            for name in code.co_names
            if isinstance(world.get(name), int | float)
        ]
        said = (one.__module__, one.__name__, code.co_code, code.co_names, code.co_consts, numbers)
        found.update(repr(said).encode())
    return found.hexdigest()[:12]
