"""One way to compile the loops over points and edges: numba, cached on disk, without the interpreter lock.

The loops are single-threaded and use no fast-math, so that the same arrays give the same bytes on every run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` at its first call for each combination of argument types.

    Parameters
    ----------
    function
        A function of arrays and scalars in numba's subset of Python.

    Returns
    -------
    The compiled function. Its machine code is cached beside the source, or in the user's cache directory;
    where neither can be written, it is compiled anew in each process.
    """
    njit = cast("Callable[..., Any]", numba.njit)
    try:
        return cast("Callable[P, R]", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no writable place for the cache: a read-only container without a home
        return cast("Callable[P, R]", njit(nogil=True)(function))


def is_cached(function: Any) -> bool:
    """Whether the machine code of a compiled function, for some types, lies in numba's cache."""
    folder = function.stats.cache_path
    pattern = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}-*.nbi"
    return folder is not None and any(Path(folder).glob(pattern))
