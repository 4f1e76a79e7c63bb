"""What families that are known to be benign score: an empirical null beside the signals' own.

``benign_reference.csv`` holds the families of simulated worlds without a campaign: people, and every
look-alike that the simulator knows. ``covey bench reference`` makes it again. Flags rest on the signals'
nulls alone; a person who reads a family sees beside them how many of the benign families of about its size
look as much like one hand, whatever the signals assume.

About its size means nearest by log requests and log accounts, for both make a family's signs clearer. An
empirical p-value, (k + 1) / (n + 1) (Phipson and Smyth 2010), cannot fall below 1 / (n + 1), so it is shown
and decides nothing: a log has too many families for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from io import StringIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

REFERENCE = "benign_reference.csv"
N_NEAREST = 200
_DIGITS = 4  # of a p-value in the file
COLUMNS = pl.Schema(
    {
        "kind": pl.String,  # "people", or the look-alike that most of its requests are
        "n_requests": pl.Int64,
        "n_accounts": pl.Int64,
        "p_value": pl.Float64,
    }
)


def benign_reference() -> pl.DataFrame:
    """The packaged families, with the columns ``COLUMNS``."""
    text = files("clustering").joinpath(REFERENCE).read_text(encoding="utf-8")
    return pl.read_csv(StringIO(text), schema=COLUMNS)


def reference_text(families: pl.DataFrame) -> str:
    """Families with the columns ``COLUMNS`` as the file has them: sorted, so that its changes can be read."""
    table = families.select(COLUMNS.names()).cast(COLUMNS)
    table = table.with_columns(pl.col("p_value").round_sig_figs(_DIGITS))
    return table.sort(COLUMNS.names()).write_csv()


def benign_standing(
    p_values: NDArray[np.float64],
    n_requests: NDArray[np.int64],
    n_accounts: NDArray[np.int64],
    *,
    reference: pl.DataFrame,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many benign families each of f families is compared with, and how many of them score as low.

    Parameters
    ----------
    p_values, n_requests, n_accounts
        Of the families, each (f,); counts of at least 1.
    reference
        With the columns ``COLUMNS``.

    Returns
    -------
    Number compared with, and number of those whose p-value is no larger, each (f,).
    """
    benign = np.column_stack([np.log(reference[name].to_numpy()) for name in ("n_requests", "n_accounts")])
    known = reference["p_value"].to_numpy()
    n_compared = min(N_NEAREST, len(known))
    as_low = np.zeros(len(p_values), dtype=np.int64)
    for family, size in enumerate(np.column_stack([np.log(n_requests), np.log(n_accounts)])):
        nearest = np.argsort(((benign - size) ** 2).sum(axis=1), kind="stable")[:n_compared]
        as_low[family] = np.count_nonzero(known[nearest] <= p_values[family])
    return np.full(len(p_values), n_compared, dtype=np.int64), as_low


def reference_of(worlds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The families of worlds without a campaign.

    Parameters
    ----------
    worlds
        Each the families of a run with ``kind`` (of most of its requests), ``n_requests``, ``n_accounts`` and
        ``p_value``.
    """
    return pl.concat([world.select(COLUMNS.names()).cast(COLUMNS) for world in worlds])
