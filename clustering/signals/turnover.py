"""K5, turnover: does one set of accounts hand a family over to another, and do all begin at once?"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import FEWEST_EXPECTED, Signal, Traffic, no_evidence

_CELLS = 32  # of a group's life
_WINDOW = 3  # cells before and after a moment; what lies in the moment's own cell is left out
_MOMENTS = np.arange(_WINDOW, _CELLS - _WINDOW)
_APART = _WINDOW + 1  # cells from a moment to the next whose windows lie wholly before or after it
_SHORTEST_LIFE = 48.0  # hours: below it the cells are hours, and nights look like hand-overs
_AS_MANY = 0.5  # of people who come back before and after, at least so many come back at any moment
_FIRST = 0.1  # of a group's life
_EARLY = 0.5  # of people begin in it, at most
_LEAST_BEFORE = 0.1  # of the log's time, without the group, shows that it began inside the log


def hand_over(traffic: Traffic) -> Signal:
    """Largest loss of a group's principals at one moment that others make good: 0 of none, 1 of all.

    A group's life is cut into 32 cells. At a cell, A are the principals active in the three before it, B in
    the three after it, and |A & B| / min(|A|, |B|) of the smaller set are in both. The effect is one minus
    that share over what is usual before and after, at the moment where it is smallest by chance: a pool that
    is banned and replaced has a valley there. Null model: principals come and go independently, and of the
    smaller set at least half as large a share is in both as at the moments whose windows lie wholly before
    (or wholly after, whichever is the smaller): weekends, trends of growth and fading, and persistent first
    users are within that. p is the binomial lower tail, Bonferroni over the moments. NaN without times, for
    lives of less than two days, or where too few come back for anyone to be missed.

    Separate customers' machines run on, each from a day of its own: nothing is lost at any moment. A course
    whose next term takes over at once looks like a pool that does.

    Left aside: starts within hours of stops. An account that sends once in days stops at no hour, and those
    who come once start and stop at a fashion's peak.
    """
    out = no_evidence(traffic.n_groups)
    lives = _lives(traffic)
    if lives.height == 0:
        return out
    groups, active = _activity(lives)
    edges = np.append(np.flatnonzero(np.diff(groups, prepend=-1)), len(groups))
    sums = np.zeros((len(active), _CELLS + 1), np.int16)
    np.cumsum(active, axis=1, out=sums[:, 1:])
    before = sums[:, _MOMENTS] > sums[:, _MOMENTS - _WINDOW]
    after = sums[:, _MOMENTS + 1 + _WINDOW] > sums[:, _MOMENTS + 1]
    n_before, n_after, n_both = (
        np.add.reduceat(seen.astype(np.int64), edges[:-1], axis=0) for seen in (before, after, before & after)
    )
    smaller = np.minimum(n_before, n_after)
    usual = _usual(n_both, smaller)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = 1 - n_both / smaller / usual
    told = (smaller >= FEWEST) & (_AS_MANY * usual * smaller >= FEWEST_EXPECTED)
    p = binom.cdf(n_both, smaller, _AS_MANY * usual) * (len(_MOMENTS) - 2 * _APART)
    p, lost = np.where(told, p, np.inf), np.where(told, lost, -np.inf)
    best = np.lexsort((np.broadcast_to(_MOMENTS, p.shape), -lost, p), axis=1)[:, 0]
    place = np.arange(len(p))
    known = told.any(axis=1)
    at = groups[edges[:-1]][known]
    out.effect[at] = np.maximum(0.0, lost[place, best][known])
    out.p_value[at] = np.minimum(1.0, p[place, best][known])
    return out


def _usual(both: NDArray[np.int64], smaller: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share in both at the moments far before and far after each, the smaller of the two; 0 where unknown."""
    out = np.zeros(both.shape)
    for place in range(both.shape[1]):
        sides = [slice(0, max(0, place - _APART + 1)), slice(place + _APART, None)]
        shares = []
        for side in sides:
            n = smaller[:, side].sum(axis=1)
            known = n >= FEWEST
            share = both[:, side].sum(axis=1) / np.maximum(n, 1)
            shares.append(np.where(known, share, 0.0))
        out[:, place] = np.minimum(*shares)
    return out


def step_adoption(traffic: Traffic) -> Signal:
    """Share of a group's principals that are first seen in the first tenth of its life.

    Null model: people come to a thing over its life, at most half of them in the first tenth, each by
    themselves; p is the binomial upper tail. Growth and word of mouth bring fewer, customers' machines have
    start dates of their own; a class and an announced product begin at once as a pool does, which is why this
    is evidence only beside others. NaN for lives of less than two days, and for groups that the log may have
    cut off: seen in its first tenth.
    """
    out = no_evidence(traffic.n_groups)
    lives = _lives(traffic)
    if lives.height == 0:
        return out
    start, end = np.nanmin(traffic.hours), np.nanmax(traffic.hours)
    told = (
        lives.filter(pl.col("from") - start >= _LEAST_BEFORE * (end - start))
        .group_by("group", "principal")
        .agg(early=(pl.col("age").min() <= _FIRST))
        .group_by("group")
        .agg(n=pl.len(), early=pl.col("early").sum())
        .filter(pl.col("n") >= FEWEST)
    )
    group, n, early = (told[name].to_numpy() for name in ("group", "n", "early"))
    out.effect[group] = early / n
    out.p_value[group] = binom.sf(early.astype(np.int64) - 1, n, _EARLY)
    return out


def _lives(traffic: Traffic) -> pl.DataFrame:
    """Requests with a time of groups that live long enough: group, principal, age in [0, 1], from."""
    rows = np.flatnonzero((traffic.groups >= 0) & ~np.isnan(traffic.hours))
    requests = pl.DataFrame(
        {"group": traffic.groups[rows], "principal": traffic.principals[rows], "time": traffic.hours[rows]}
    )
    life = requests.group_by("group").agg(
        pl.col("time").min().alias("from"), life=pl.col("time").max() - pl.col("time").min()
    )
    return (
        requests.join(life.filter(pl.col("life") >= _SHORTEST_LIFE), on="group")
        .with_columns(age=(pl.col("time") - pl.col("from")) / pl.col("life"))
        .drop("time", "life")
    )


def _activity(lives: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Group of each principal of each group, ascending, and the cells in which it was active, (m, 32)."""
    cell = (pl.col("age") * _CELLS).floor().clip(0, _CELLS - 1).cast(pl.Int64)
    seen = lives.select("group", "principal", cell=cell).unique().sort("group", "principal", "cell")
    new = seen.select(
        (pl.struct("group", "principal") != pl.struct("group", "principal").shift()).fill_null(True)
    )
    row = np.cumsum(new.to_series().to_numpy()) - 1
    active = np.zeros((int(row[-1]) + 1, _CELLS), np.bool_)
    active[row, seen["cell"].to_numpy()] = True
    groups = seen["group"].to_numpy()[np.flatnonzero(np.diff(row, prepend=-1))]
    return groups, active
