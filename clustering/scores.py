"""From signals to one p-value per family, a q-value, and the analyst's order.

No single signal is safe: a benchmark deals even loads, a class is devoted, a cron job keeps flat hours, a
menu of fill-ins is exchangeable. So a family is weighed from several *aspects* (``signals.catalogue``): the
accounts' subjects, loads, hours, company and devotion, the sweep, and what the text asks for. Each aspect
gives one p-value, its signals' smallest times their number (Bonferroni), and from it a normal deviate, cut
to [-1, 3.5]: no aspect alone carries a family, and what speaks for people counts against it. The sum is
tested against its exact distribution where every aspect's null model holds and the aspects are independent
of each other (Stouffer 1949 with cut deviates; the cuts make the law discrete at its ends, and it is computed
by convolution). That they are is an assumption: among look-alikes devotion and intent go together a little,
as do loads and hours; what is flagged of them in the end, `covey bench quality` counts. What was not
measured speaks for nobody: it adds nothing, and the law stays that of all aspects.

Two conditions must hold beside it, and the largest of the three p-values counts:

- structure: the space is swept without repeats (union efficiency), evenly (slot evenness, grid balance), or
  one point of it again and again (repetition); Bonferroni.
- a pool: more than four principals.

Look-alikes break the null model of an aspect or two; what keeps them out is that they show people in the
others. The cuts say how far one aspect may go against the others, and are read off a measured curve: of the
upper cut from 3 to 4 and the lower from -1 to -2, over the simulated logs and those of another author, they
find most with a realised false discovery rate near the nominal one (in `covey bench quality`, mostly above it
at 0.01 and below it at 0.2); ranking is flat in both. Volume is no evidence; it orders ties.

Tried and dropped: a partial conjunction of three single signs (Benjamini and Heller 2008, Biometrics 64(4)),
which asks as much of the third best sign as of the first and flags a quarter of the campaigns that act like
people; Cauchy's and Fisher's combinations, which let one sign that a look-alike shares outvote four that it
does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from clustering.signals import Signal
from clustering.signals.catalogue import aspects

FLAG_LEVEL = 0.05
STRUCTURE = ("union_efficiency", "slot_evenness", "grid_balance", "repetition")
POOL = "principals"
LOWEST, HIGHEST = -1.0, 3.5  # an aspect counts for one in four thousand at most
_STEP = 1e-3  # of the deviates, in the law of their sum


def combined_p_values(
    signals: Mapping[str, Signal], *, looks: NDArray[np.int64] | int = 1
) -> NDArray[np.float64]:
    """One p-value per family from its signals; missing evidence is left out, never guessed.

    Parameters
    ----------
    signals : mapping of names of the catalogue
        One that is not there was not measured.
    looks : (f,) int64 or int
        How many times one hand was looked for (Bonferroni).

    Returns
    -------
    (f,) float64 in [0, 1]
    """
    return np.asarray(np.maximum(_conditions(signals), np.minimum(1.0, looks * one_hand_p_values(signals))))


def scores(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """What orders the queue, (f,) float64, 0 upwards: -log10 p of one hand times how surely a space is swept.

    One look, whoever was looked at. How many principals there are is a condition of the flag alone: a small
    pool shows little, and a queue that left it out would hide it. The match with a hostile pattern was tried
    as a factor and dropped: it is made of the same signals, and ranks no better.
    """
    return np.asarray(-np.log10(one_hand_p_values(signals)) * (1 - _structure(signals)) + 0.0)


def one_hand_p_values(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """p-value of "the accounts are many hands", from the sum of the aspects' deviates; (f,) float64."""
    deviates = aspect_deviates(signals)
    return sum_p_values(np.nansum(deviates, axis=0), len(deviates))


def aspect_deviates(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """Cut normal deviate of every aspect, (aspects, f) float64, in their order; NaN: not measured."""
    n = _n_families(signals)
    rows = [
        bonferroni([signals[s].p_value for s in names if s in signals], n) for names in aspects().values()
    ]
    return np.asarray(np.clip(norm.isf(np.stack(rows)), LOWEST, HIGHEST))


def bonferroni(p_values: Sequence[NDArray[np.float64]], n: int) -> NDArray[np.float64]:
    """Smallest p-value of each of n columns times the number of those measured; NaN where none is."""
    table = np.stack([np.full(n, np.nan), *p_values])
    measured = (~np.isnan(table)).sum(axis=0)
    smallest = np.fmin.reduce(table, axis=0)
    return np.asarray(np.minimum(1.0, measured * smallest))


def sum_p_values(sums: NDArray[np.float64], n_aspects: int) -> NDArray[np.float64]:
    """Chance that n independent cut deviates add up to at least so much, (f,) float64."""
    tail = _tail(n_aspects)
    place = np.ceil((sums - n_aspects * LOWEST) / _STEP - 0.5).astype(np.int64)
    return tail[np.clip(place, 0, len(tail) - 1)]


@cache
def _tail(n_aspects: int) -> NDArray[np.float64]:
    """Upper tail of the sum of n cut deviates, on a grid from n * LOWEST in steps."""
    grid = np.arange(LOWEST, HIGHEST + _STEP / 2, _STEP)
    inner = norm.sf((grid[:-1] + grid[1:]) / 2)
    one = -np.diff(np.concatenate([[1.0], inner, [0.0]]))
    law = np.ones(1)
    for _ in range(n_aspects):
        law = np.convolve(law, one)  # not by a transform: its rounding would speak in the tail
    tail = np.cumsum(law[::-1])[::-1]
    tail.flags.writeable = False
    return np.asarray(np.minimum(tail, 1.0))


def _conditions(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """p of "no swept space, or no pool"; 1 where that was not measured."""
    pool = signals[POOL].p_value if POOL in signals else np.ones(_n_families(signals))
    return np.asarray(np.maximum(np.nan_to_num(pool, nan=1.0), _structure(signals)))


def _structure(signals: Mapping[str, Signal]) -> NDArray[np.float64]:
    """p of "no swept space"; 1 where that was not measured."""
    p = bonferroni([signals[name].p_value for name in STRUCTURE if name in signals], _n_families(signals))
    return np.nan_to_num(p, nan=1.0)


def _n_families(signals: Mapping[str, Signal]) -> int:
    return len(next(iter(signals.values())).p_value)


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
