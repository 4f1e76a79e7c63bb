"""Which value each read prompt has in each slot of its family's template, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.signals.traffic import Traffic

EMPTY = -1


class Slots(NamedTuple):
    """Fillers of the m prompts of a family that were read, s slots each.

    Attributes
    ----------
    rows : (m,) int64, ascending
        Row of the prompt.
    codes : (s, m) int64
        Equal numbers for equal fillers of a slot, 0..V-1 by first appearance; -1 where the gap is empty.
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]


def slot_codes(fillers: Sequence[Sequence[str]], rows: NDArray[np.int64]) -> Slots:
    """Slots from a template's fillers: per slot m strings, ``""`` where the gap is empty."""
    codes = np.full((len(fillers), len(rows)), EMPTY, np.int64)
    for slot, values in enumerate(fillers):
        number: dict[str, int] = {"": EMPTY}
        codes[slot] = [number.setdefault(value, len(number) - 1) for value in values]
    return Slots(rows, codes)


def read_requests(
    traffic: Traffic, members: NDArray[np.int64], slots: Slots
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of a group's requests whose prompt was read, and its place in ``slots.rows``."""
    if len(slots.rows) == 0:
        return members[:0], members[:0]
    prompts = traffic.prompts[members]
    place = np.minimum(np.searchsorted(slots.rows, prompts), len(slots.rows) - 1)
    read = slots.rows[place] == prompts
    return members[read], place[read]
