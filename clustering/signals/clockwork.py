"""Principals that keep a clock: machines on a schedule of their own, which deals even loads and turns."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.signals.traffic import Traffic

_SAME_GAP = 0.05  # a clock's gaps differ from their median by less
_CLOCK = 0.5  # share of such gaps


def keeps_a_clock(traffic: Traffic) -> NDArray[np.bool_]:
    """Requests, (N,), of principals of whose gaps in the group more than half are equal.

    Equal within a twentieth of their median, and two gaps at least. A queue at a constant pace and several
    cron jobs cannot be told apart by what the clock explains.
    """
    rows = np.flatnonzero((traffic.groups >= 0) & ~np.isnan(traffic.hours))
    requests = pl.DataFrame(
        {
            "group": traffic.groups[rows],
            "principal": traffic.principals[rows],
            "time": traffic.hours[rows],
            "request": rows,
        }
    ).sort("group", "principal", "time", "request")
    both = ["group", "principal"]
    gap = pl.col("time").diff().over(both)
    clocks = (
        requests.with_columns(gap=gap)
        .filter(pl.col("gap").is_not_null())
        .with_columns(middle=pl.col("gap").median().over(both))
        .group_by(both)
        .agg(
            n=pl.len(),
            alike=((pl.col("gap") - pl.col("middle")).abs() <= _SAME_GAP * pl.col("middle")).mean(),
        )
        .filter((pl.col("n") > 1) & (pl.col("alike") > _CLOCK))
    )
    out = np.zeros(len(traffic.groups), bool)
    out[requests.join(clocks, on=both, how="semi")["request"].to_numpy()] = True
    return out
