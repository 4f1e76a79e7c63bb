"""When requests came and who sent them: timelines over the log's whole span, and the busiest accounts."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from clustering.accounts import POOL_LEVEL

N_BINS = 56  # of a timeline: six hours each over a fortnight


@dataclass(frozen=True)
class Sender:
    """An account and its requests; `score`: probability of being of a campaign's pool, None elsewhere."""

    account_id: str
    n_requests: int
    score: float | None


@dataclass(frozen=True)
class Activity:
    """When, and by whom.

    Attributes
    ----------
    timeline : tuple of ``N_BINS`` counts
        Requests per bin of the run's span; empty without times.
    busiest : tuple of Sender
        Most requests first, then by id.
    median_load : float
        Requests of an account.
    n_pool : int
        Accounts whose score is at least one half.
    """

    timeline: tuple[int, ...]
    busiest: tuple[Sender, ...]
    median_load: float
    n_pool: int


def log_span(assignments: pl.LazyFrame) -> tuple[int, int]:
    """First time of the log in microseconds and the length of a bin."""
    ticks = pl.col("timestamp").to_physical()
    low, high = assignments.select(low=ticks.min(), high=ticks.max()).collect().row(0)
    return (low, max((high - low) // N_BINS + 1, 1)) if low is not None else (0, 1)


def timeline_of(values: pl.Series, span: tuple[int, int]) -> tuple[int, ...]:
    """How many of the times fall into each of the ``N_BINS`` bins; empty where there are none."""
    bins = ((values.drop_nulls().to_physical() - span[0]) // span[1]).value_counts()
    counts = dict(bins.iter_rows())
    return tuple(counts.get(place, 0) for place in range(N_BINS)) if counts else ()


def activity_of(
    requests: pl.DataFrame, span: tuple[int, int], scores: pl.DataFrame, *, n_accounts: int
) -> Activity:
    """Times and senders of some requests.

    Parameters
    ----------
    requests : DataFrame
        ``account_id`` and ``timestamp``.
    span : (int, int)
        See ``log_span``.
    scores : DataFrame
        ``account_id`` and ``score`` of the accounts that have one.
    n_accounts : int
        That are listed.
    """
    loads = (
        requests.group_by("account_id")
        .agg(n=pl.len().cast(pl.Int64))
        .join(scores, on="account_id", how="left")
        .sort("n", "account_id", descending=[True, False])
    )
    median = loads["n"].median()
    return Activity(
        timeline=timeline_of(requests["timestamp"], span),
        busiest=tuple(Sender(*row) for row in loads.head(n_accounts).iter_rows()),
        median_load=float(median) if isinstance(median, int | float) else 0.0,
        n_pool=int((loads["score"] >= POOL_LEVEL).sum()),
    )
