"""numba's ``njit`` with this package's settings, and a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(*, fastmath: bool | set[str] = False) -> Callable[[_Function], _Function]:
    """Compile without the interpreter's lock, kept on disk.

    `fastmath` may reorder a sum, once, at compile time: never by what it sums, so results stay reproducible.
    """
    return cast("Callable[[_Function], _Function]", njit(cache=True, nogil=True, fastmath=fastmath))
