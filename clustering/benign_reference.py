"""What families that are known to be benign score: an empirical null beside the signals' own.

``benign_reference.csv`` holds the families of simulated worlds without a campaign: people, and every kind of
look-alike that makes families there. ``covey bench reference`` makes it again. Flags rest on the signals'
nulls alone; a person who reads a family sees beside them how many benign families about as large have a
p-value as low, whatever the signals assume.

About as large is at most three times as many requests, and accounts, or as few: the larger a family, the
clearer its signs. The worlds' mix of people and look-alikes is the simulator's, and families of one kind are
alike, so this is a comparison and no p-value (conformal ones ask for exchangeable families; Bates and others,
Annals of Statistics 51, 2023): it is shown and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

REFERENCE = "benign_reference.csv"
N_NEAREST = 200
_FARTHEST = np.log(3.0)  # of log sizes
_DIGITS = 4  # of a p-value in the file
COLUMNS = pl.Schema(
    {
        "kind": pl.String,  # "people", or the look-alike that most of its requests are
        "n_requests": pl.Int64,
        "n_accounts": pl.Int64,
        "p_value": pl.Float64,
    }
)


def packaged_text() -> str:
    """The packaged file, as ``reference_text`` made it."""
    return Path(__file__).with_name(REFERENCE).read_text(encoding="utf-8")


def benign_reference() -> pl.DataFrame:
    """The packaged families, with the columns ``COLUMNS``."""
    return pl.read_csv(StringIO(packaged_text()), schema=COLUMNS)


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
        Of the families, each (f,); counts of at least 1. A p-value of 1, or none (NaN), is not compared.
    reference
        With the columns ``COLUMNS``.

    Returns
    -------
    Number compared with, the nearest by log requests and log accounts, and number of those whose p-value is
    no larger, each (f,).
    """
    sizes = np.log(reference.select("n_requests", "n_accounts").to_numpy().astype(np.float64))
    known = reference["p_value"].to_numpy()
    n_compared, n_as_low = np.zeros((2, len(p_values)), dtype=np.int64)
    asked = np.log(np.column_stack([n_requests, n_accounts]).astype(np.float64))
    for family in np.flatnonzero(p_values < 1):
        away = np.abs(sizes - asked[family])
        alike = np.flatnonzero(away.max(axis=1, initial=0.0) <= _FARTHEST)
        nearest = alike[np.argsort((away[alike] ** 2).sum(axis=1), kind="stable")[:N_NEAREST]]
        n_compared[family] = len(nearest)
        n_as_low[family] = np.count_nonzero(known[nearest] <= p_values[family])
    return n_compared, n_as_low


def reference_of(worlds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The families of worlds without a campaign that were weighed alone, by their own evidence.

    Parameters
    ----------
    worlds
        Each the families of a run (``clustering.tables.FAMILIES``), and ``kind``: of most of its requests.
    """
    alone = [world.filter(pl.col("n_pooled") == 0).drop_nulls("own_p_value") for world in worlds]
    return pl.concat(
        [
            families.with_columns(p_value="own_p_value").select(COLUMNS.names()).cast(COLUMNS)
            for families in alone
        ]
    )
