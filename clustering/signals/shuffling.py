"""Draws of a null model that shuffles within strata, and when enough of them are made.

Drawing ends early where a draw at least as extreme is common (Besag and Clifford 1991, Biometrika 78(2)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.density.compiled import compiled

N_DRAWS = 999
FEWEST_DRAWS = 99
BEYOND = 20  # draws at least as extreme that settle that nothing is there


@compiled
def shuffle_within(values: NDArray[np.int64], ends: NDArray[np.int64], random: np.random.Generator) -> None:
    """Shuffle each stratum of the values in place (Fisher and Yates); strata go on to their ends."""
    first = 0
    for end in ends:
        for last in range(end - 1, first, -1):
            other = first + int(random.random() * (last + 1 - first))
            values[last], values[other] = values[other], values[last]
        first = end
