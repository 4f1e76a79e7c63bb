"""K3, rotation: do the accounts take turns, as a queue deals them, or does each come in sittings?"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import poisson

from clustering.signals.clockwork import keeps_a_clock
from clustering.signals.principals import FEWEST
from clustering.signals.traffic import FEWEST_EXPECTED, Signal, Traffic, no_evidence

_PER_HOUR = 10  # turns; people need a while to read, so that who follows whom in seconds tells nothing


def rotation(traffic: Traffic) -> Signal:
    """Neighbouring turns of one principal over those of a random order; 0 of a rotation, above 1 of sittings.

    A turn is the first request in six minutes: within them people, who have to read, take turns without
    anybody's dealing. Null model: within every hour the turns of a group fall to its principals in random
    order, which gives sum(n_a (n_a - 1)) / n neighbours of one principal (Wald and Wolfowitz 1940; variance
    of several kinds: Mood 1940, Ann. Math. Statist. 11(4), for runs), or in sittings, which gives more. The
    hour keeps out habits: people who come thrice a day take turns over days. p is the lower tail of the
    binomial with these two moments summed over hours, or of Poisson's law. NaN where fewer than three
    neighbours are expected.

    Independent machines whose clocks go on their own take perfect turns too: principals that keep a clock
    are left out.
    """
    out = no_evidence(traffic.n_groups)
    turns = _turns(_irregular(traffic))
    if turns.height == 0:
        return out
    per_hour = (
        turns.group_by("group", "hour", "principal")
        .agg(n=pl.len().cast(pl.Float64))
        .group_by("group", "hour")
        .agg(n=pl.col("n").sum(), squares=(pl.col("n") ** 2).sum(), cubes=(pl.col("n") ** 3).sum())
        .filter(pl.col("n") > 1)
        .sort("group", "hour")  # a sum's last digit depends on its order
    )
    n, squares, cubes = pl.col("n"), pl.col("squares"), pl.col("cubes")
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1))
    expected = per_hour.group_by("group", maintain_order=True).agg(
        mean=((squares - n) / n).sum(), variance=variance.sum().clip(lower_bound=0)
    )
    next_of = [pl.col(name) == pl.col(name).shift() for name in ("group", "hour", "principal")]
    told = (
        turns.group_by("group")
        .agg(n_principals=pl.col("principal").n_unique())
        .join(turns.filter(pl.all_horizontal(next_of)).group_by("group").len("same"), on="group", how="left")
        .join(expected, on="group")
        .filter((pl.col("mean") >= FEWEST_EXPECTED) & (pl.col("n_principals") >= FEWEST))
        .with_columns(pl.col("same").fill_null(0))
    )
    group, same, mean = (told[name].to_numpy() for name in ("group", "same", "mean"))
    out.effect[group] = same / mean
    out.p_value[group] = _lower_tail(same.astype(np.float64), mean, told["variance"].to_numpy())
    return out


def _irregular(traffic: Traffic) -> pl.DataFrame:
    """Requests with a time of the groups, without those of principals who keep a clock."""
    known = (traffic.groups >= 0) & ~np.isnan(traffic.hours) & ~keeps_a_clock(traffic)
    rows = np.flatnonzero(known)
    return pl.DataFrame(
        {
            "group": traffic.groups[rows],
            "principal": traffic.principals[rows],
            "time": traffic.hours[rows],
            "request": rows,
        }
    ).sort("group", "principal", "time", "request")


def _turns(requests: pl.DataFrame) -> pl.DataFrame:
    """The first request of each group in each six minutes, in order."""
    return (
        requests.with_columns(turn=(pl.col("time") * _PER_HOUR).floor(), hour=pl.col("time").floor())
        .sort("group", "time", "request")
        .unique(["group", "turn"], keep="first", maintain_order=True)
    )


def _lower_tail(
    same: NDArray[np.float64], mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(X <= same) of the binomial with the two moments, of Poisson's law where that has none."""
    failing = variance / mean
    with np.errstate(divide="ignore", invalid="ignore"):
        trials = mean / (1 - failing)
        below = betainc(np.maximum(trials - same, 1e-9), same + 1, np.clip(failing, 0.0, 1.0))
    fits = failing < 1 - 1e-6
    return np.asarray(np.where(fits, np.where(same >= trials, 1.0, below), poisson.cdf(same, mean)))
