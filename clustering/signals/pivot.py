"""I2, release pivot: do the accounts move to a new model on the day it appears?"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import DAY, Signal, Traffic, no_evidence

_TWICE = 2.0  # some crowds follow what is new more than others do
_BY_CHANCE = 0.001  # of a model's first request coming so late although it was there all along


def release_pivot(traffic: Traffic, models: NDArray[np.int64]) -> Signal:
    """Share of a group's principals that use the newest model within a day of its first appearance, for most.

    Over those who send the group's requests in these 24 hours; "for most" is half of these or more. Null
    model: each moves with at most twice the chance of the background's principals, by itself; p is the
    binomial upper tail. So a principal's volume says nothing, and nobody speaks for another. NaN without
    models or times, without a release at least a day from both ends of the log, or with fewer than five such
    principals in the group or the background. A product or a framework that changes its default moves all
    its users at once, as machines told to use the latest do: this is evidence of intent beside others only.

    Parameters
    ----------
    traffic : Traffic
    models : (N,) int64
        Code of each request's model; -1 where unknown.
    """
    out = no_evidence(traffic.n_groups)
    known = (models >= 0) & ~np.isnan(traffic.hours)
    newest, release = _newest(models[known], traffic.hours[known])
    if newest < 0:
        return out
    day = known & (traffic.hours >= release) & (traffic.hours < release + DAY)
    background = traffic.background[day[traffic.background]]
    moved = _moved(traffic.principals[background], models[background] == newest)
    if len(moved) < FEWEST:
        return out
    chance = min(1.0, _TWICE * (moved.sum() + 1) / (len(moved) + 2))
    for group, rows in traffic.each_group():
        rows = rows[day[rows]]
        own = _moved(traffic.principals[rows], models[rows] == newest)
        if len(own) >= FEWEST:
            out.effect[group] = own.mean()
            out.p_value[group] = binom.sf(own.sum() - 1, len(own), chance)
    return out


def _moved(principals: NDArray[np.int64], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Per principal, ascending, whether half of the requests or more are new."""
    _, member = np.unique(principals, return_inverse=True)
    return np.bincount(member, weights=new) * 2 >= np.bincount(member)


def _newest(models: NDArray[np.int64], hours: NDArray[np.float64]) -> tuple[int, float]:
    """Code and first hour of the latest model to appear inside the log; -1 where none did.

    A model is new where its n requests would all come so late by chance, had they been spread evenly over the
    log, once in a thousand; ties go to the smaller code.
    """
    if len(models) == 0:
        return -1, np.nan
    start, end = float(hours.min()), float(hours.max())
    first = (
        pl.DataFrame({"model": models, "hour": hours})
        .group_by("model")
        .agg(pl.col("hour").min(), n=pl.len())
        .filter((pl.col("hour") >= start + DAY) & (pl.col("hour") <= end - DAY))
        .filter(((end - pl.col("hour")) / max(end - start, DAY)).log() * pl.col("n") <= np.log(_BY_CHANCE))
        .sort(-pl.col("hour"), "model")
    )
    return (int(first["model"][0]), float(first["hour"][0])) if first.height else (-1, np.nan)
