"""From signals to one p-value per family, a q-value, and the analyst's order.

No single signal is safe: a benchmark deals even loads, a class is devoted, a cron job keeps flat hours, a
menu of fill-ins is exchangeable. So a family must show *several* signs of one hand at once, and a swept
space:

- coordination: partial conjunction of the six signs of one hand (exchangeability, load equality, one clock,
  flat hours, co-membership, devotion). With m of them measured and sorted, p = (m - 2) p_(3) tests "fewer
  than three are real" (Benjamini and Heller 2008, Biometrics 64(4), eq. 2). With fewer than three measured,
  the log cannot tell, and p = 1.
- structure: the space is swept without repeats (union efficiency), evenly (slot evenness), or one point of it
  again and again (repetition); Bonferroni.
- a pool: more than four principals.

The largest of the three counts, so each must hold. Volume is no evidence; it orders ties.

The score orders the queue, flagged or not. There the signs of one hand are added as normal deviates
(Stouffer), each cut to [-1, 3]: no sign alone carries a family, and what speaks for people counts against it,
but less, because a campaign need not show every sign (on simulated traffic the ranking is flat in the lower
cut from -1 to 0, and worse at -2 and -3).
Cauchy's combination and Fisher's would let one sign that a look-alike shares outvote four that it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from clustering.signals import Signal

FLAG_LEVEL = 0.05
COORDINATION = (
    "exchangeability",
    "load_dispersion",
    "one_clock",
    "hour_flatness",
    "comembership",
    "devotion",
)
STRUCTURE = ("union_efficiency", "slot_evenness", "repetition")
POOL = "principals"
_N_CONJOINED = 3
_DEVIATES = (-1.0, 3.0)  # a sign counts for one in a thousand at most


def combined_p_values(
    signals: Mapping[str, Signal], *, looks: NDArray[np.int64] | int = 1
) -> NDArray[np.float64]:
    """One p-value per family from its signals; missing evidence is left out, never guessed.

    Parameters
    ----------
    signals : mapping of the names in COORDINATION, STRUCTURE and POOL
    looks : (f,) int64 or int
        How many times one hand was looked for (Bonferroni).

    Returns
    -------
    (f,) float64 in [0, 1]
    """
    coordination = np.minimum(1.0, looks * coordination_p_values(signals))
    return np.asarray(np.maximum(_gates(signals), coordination))


def scores(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """-log10 of the normal law's upper tail at the sum of the signs' deviates, or of the gates' p if larger.

    An unmeasured sign speaks for nobody: it adds nothing to the sum of six.
    """
    p = np.stack([signals[name].p_value for name in COORDINATION])
    deviates = np.clip(norm.isf(p), *_DEVIATES)
    one_hand = norm.sf(np.nansum(deviates, axis=0) / np.sqrt(len(COORDINATION)))
    return np.asarray(-np.log10(np.maximum(_gates(signals), one_hand)) + 0.0)


def _gates(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """p of "no swept space, or no pool"."""
    structure = partial_conjunction([signals[name].p_value for name in STRUCTURE], 1)
    return np.maximum(np.nan_to_num(signals[POOL].p_value, nan=1.0), structure)


def coordination_p_values(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """p-value of "fewer than three signs of one hand are real" per group."""
    return partial_conjunction([signals[name].p_value for name in COORDINATION], _N_CONJOINED)


def partial_conjunction(p_values: Sequence[NDArray[np.float64]], at_least: int) -> NDArray[np.float64]:
    """p-value of "fewer than ``at_least`` alternatives hold" per column; NaN entries are not counted."""
    table = np.sort(np.stack(p_values), axis=0)  # NaN last
    measured = (~np.isnan(table)).sum(axis=0)
    corrected = (measured - at_least + 1) * table[at_least - 1]
    return np.where(measured >= at_least, np.minimum(corrected, 1.0), 1.0)


def q_values(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini and Hochberg 1995, over all families of a run."""
    return np.asarray(false_discovery_control(p_values)) if len(p_values) else p_values


def ranked(families: pl.DataFrame) -> pl.DataFrame:
    """Families in the analyst's order, with ``rank`` from 1.

    Flagged first, then by score, then by severity (requests), then by id.
    """
    order = families.sort(
        ["flagged", "score", "n_requests", "family_id"], descending=[True, True, True, False]
    )
    return order.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
