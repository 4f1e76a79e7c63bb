"""Other methods on the same worlds: rankings of Covey's families, drift windows, and topic models as finders.

- cluster size: the largest family first; size x accounts: the largest product first.
- pair counting, as SEAT does it (Zhang, Chen and Wen 2021, AISec, sec. 3.2): an account is suspicious by the
  pairs of its requests that are more alike than tau; here a family is as suspicious as the accounts behind
  its requests are in the mean. SEAT trains an encoder for its pairs; Covey's static one stands in, so this is
  the idea of SEAT, not its figures.
- windowed MMD: see ``drift``. BERTopic and EVoC: see ``finders``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.judgement import CAMPAIGN, mean, ranking

from .counting import Counted, Finished
from .section import Section, table_of
from .vectors import request_vectors

NAME = "baselines"
TAU = 0.9  # cosine from which two requests are a pair: by convention, near-duplicates
PAIRS_PER_REQUEST = 0.05  # from which an account is suspicious: SEAT's 50 in 1,000
_BLOCK = 2_048  # requests of an account compared at a time


def count_pairs(finished: Finished) -> pl.DataFrame:
    """Pair counting: a row per account with ``account_id``, ``n``, ``n_pairs``, ``is_campaign``."""
    vectors, place = request_vectors(finished.requests)
    truth = finished.requests.select("request_id", "account_id").join(finished.truth, on="request_id")
    accounts = (
        truth.with_row_index("row")
        .group_by("account_id")
        .agg(pl.col("row"), n=pl.len().cast(pl.Int64), is_campaign=CAMPAIGN.any())
    )
    accounts = accounts.sort("account_id")
    pairs = [n_pairs(vectors[place[rows]]) for rows in (row.to_numpy() for row in accounts["row"])]
    return accounts.drop("row").with_columns(n_pairs=pl.Series(pairs, dtype=pl.Int64))


def n_pairs(vectors: NDArray[np.float32], *, tau: float = TAU) -> int:
    """Pairs of unit vectors whose cosine is at least `tau`; a block of rows at a time."""
    total = 0
    for begin in range(0, len(vectors), _BLOCK):
        cosines = vectors[begin : begin + _BLOCK] @ vectors[begin:].T
        total += int(np.count_nonzero(np.triu(cosines >= tau - 1e-6, k=1)))
    return total


def count_family_pairs(finished: Finished) -> pl.DataFrame:
    """Per found family the mean of its requests' accounts' pairs per request: ``family_id``, ``pair_rate``.

    Beside it, the same in each row: precision and recall of the accounts from ``PAIRS_PER_REQUEST`` on.
    """
    accounts = count_pairs(finished).with_columns(rate=pl.col("n_pairs") / pl.col("n"))
    named, bad = accounts.filter(pl.col("rate") > PAIRS_PER_REQUEST), accounts.filter("is_campaign")
    both = named.filter("is_campaign").height
    rows = finished.run.assignments.drop_nulls("family_id").join(accounts, on="account_id")
    rates = rows.group_by("family_id").agg(pair_rate=pl.col("rate").mean()).sort("family_id")
    return rates.with_columns(
        account_precision=pl.lit(both / max(1, named.height)),
        account_recall=pl.lit(both / bad.height if bad.height else None, dtype=pl.Float64),
    )


def ranking_section(worlds: Sequence[Counted]) -> Section:
    """Rankings of the same families."""
    kept = [world for world in worlds if "pairs" in world.tables]
    orders: dict[str, list[pl.DataFrame]] = {
        "Covey": [world.families for world in kept],
        "cluster size": [_by(world.families, pl.col("n_requests")) for world in kept],
        "size \u00d7 accounts": [
            _by(world.families, pl.col("n_requests") * pl.col("n_accounts")) for world in kept
        ],
        "pair counting (SEAT)": [_by_pairs(world) for world in kept],
    }
    rows = []
    for name, lists in orders.items():
        judged = [ranking(listed, world.pieces) for listed, world in zip(lists, kept, strict=True)]
        precision = [figures.average_precision for figures in judged if figures.average_precision is not None]
        at_10, at_20 = ([getattr(f, f"precision_at_{k}") for f in judged] for k in (10, 20))
        rows.append((name, mean(precision), mean(at_10), mean(at_20)))
    columns = ("Ranking", "average precision", "precision at 10", "precision at 20")
    return Section(NAME, "Other rankings of the same families", _account_note(kept), table_of(rows, columns))


def _account_note(worlds: Sequence[Counted]) -> str:
    figures = [world.tables["pairs"].head(1) for world in worlds if world.tables["pairs"].height]
    if not figures:
        return ""
    precision, recall = (
        mean(pl.concat(figures)[name].drop_nulls().to_list())
        for name in ("account_precision", "account_recall")
    )
    return (
        f"{len(worlds)} worlds. Pair counting as a detector of accounts (more than {PAIRS_PER_REQUEST:g} "
        f"pairs a request, cosine {TAU:g}): precision {precision or 0:.2f}, recall {recall or 0:.2f}."
    )


def _by_pairs(world: Counted) -> pl.DataFrame:
    rates = world.tables["pairs"].select("family_id", "pair_rate")
    joined = world.families.join(rates, on="family_id", how="left", maintain_order="left")
    return _by(joined, pl.col("pair_rate").fill_null(0.0))


def _by(families: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    """The families in descending order of a value, ties by id; none is flagged."""
    listed = families.select("family_id", value=value).sort(["value", "family_id"], descending=[True, False])
    return listed.select(
        "family_id", rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), flagged=pl.lit(False)
    )
