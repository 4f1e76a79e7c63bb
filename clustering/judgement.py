"""What found families are worth, from no more than how many requests of which truth each one has.

These counts are the *pieces* of a run. They can be kept in place of its log, and judged again under another
rank or other flags; accounts are not in them. The definitions are those of ``clustering.evaluation``. All
figures are exact and do not depend on the order of any frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

ASKED_FROM = 40  # requests of a true family that can be asked for
CAMPAIGN = pl.col("kind") == "campaign"


@dataclass(frozen=True)
class Match:
    """How well one true family was recovered; all in [0, 1]."""

    f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Ranking:
    """The figures of a ranked and flagged list; see ``clustering.evaluation.Evaluation``."""

    precision_at_10: float
    precision_at_20: float
    precision_at_50: float
    average_precision: float | None
    n_flagged_wrong: int
    n_flagged_counted: int
    realised_fdr: float
    campaign_requests_flagged: float | None
    per_campaign: Mapping[str, float] = field(default_factory=dict)
    wrong_kinds: Mapping[str, int] = field(default_factory=dict)


def pieces_of(rows: pl.DataFrame) -> pl.DataFrame:
    """How many requests of which truth each found family has.

    Parameters
    ----------
    rows : a request a row with ``kind``, ``group``, ``family`` and the found ``family_id`` (null = noise).

    Returns
    -------
    A row per found family and truth: the same columns and ``n``, its requests; in the order of the columns.
    """
    by = ["family_id", "kind", "group", "family"]
    return rows.group_by(by).agg(n=pl.len().cast(pl.Int64)).sort(by)


def ranking(listed: pl.DataFrame, pieces: pl.DataFrame) -> Ranking:
    """Judge a ranked list of found families.

    Parameters
    ----------
    listed : ``family_id``, ``rank``, ``flagged``.
    pieces : of ``pieces_of``.
    """
    counted = counted_families(listed, pieces)
    right = counted["right"].to_numpy().astype(np.float64)
    flagged = counted.filter("flagged")
    wrong = flagged.filter(~pl.col("right"))
    caught = pl.col("family_id").is_in(listed.filter("flagged")["family_id"].to_list()).fill_null(False)
    campaign = pieces.filter(CAMPAIGN).with_columns(caught=pl.col("n") * caught)
    by_group = campaign.group_by("group").agg(share=pl.col("caught").sum() / pl.col("n").sum()).sort("group")
    return Ranking(
        precision_at_10=mean(right[:10].tolist()) or 0.0,
        precision_at_20=mean(right[:20].tolist()) or 0.0,
        precision_at_50=mean(right[:50].tolist()) or 0.0,
        average_precision=_average_precision(counted, _asked(pieces)),
        n_flagged_wrong=wrong.height,
        n_flagged_counted=flagged.height,
        realised_fdr=wrong.height / max(1, flagged.height),
        campaign_requests_flagged=_share(campaign["caught"], campaign["n"]),
        per_campaign=dict(by_group.iter_rows()),
        wrong_kinds=_counts(wrong["top_kind"].fill_null("organic")),
    )


def counted_families(listed: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """The families that count, in the order of their rank: of a true family, the first piece.

    Parameters
    ----------
    listed, pieces : as for ``ranking``.

    Returns
    -------
    The rows of `listed` with ``share`` (of the family's requests that belong to campaigns), ``right``,
    ``top_kind`` and ``hit``: the kind of most of its other requests and the true family of most of its
    campaign requests; the first of equals; null where there are none.
    """
    judged = listed.join(judgement(pieces), on="family_id", how="left", maintain_order="left")
    right = pl.col("share").fill_null(0.0) >= 0.5
    key = pl.when(right).then("true " + pl.col("hit")).otherwise("found " + pl.col("family_id"))
    judged = judged.with_columns(right=right, key=key).sort("rank")
    return judged.unique("key", keep="first", maintain_order=True).drop("key")


def judgement(pieces: pl.DataFrame) -> pl.DataFrame:
    """What each found family mostly holds: ``family_id``, ``share``, ``top_kind``, ``hit``."""
    found = pieces.drop_nulls("family_id")
    campaign = pl.col("n").filter(CAMPAIGN).sum()
    shares = found.group_by("family_id").agg(share=campaign / pl.col("n").sum())
    kinds = _most(found.filter(~CAMPAIGN), "kind").rename({"kind": "top_kind"})
    hits = _most(found.filter(CAMPAIGN), "family").rename({"family": "hit"})
    return shares.join(kinds, on="family_id", how="left").join(hits, on="family_id", how="left")


def best_matches(pieces: pl.DataFrame) -> dict[str, Match]:
    """The best match of every family asked for, by name.

    Of equally good found families the one with the largest id counts, which decides between precision and
    recall only.
    """
    true = _asked(pieces)
    found = pieces.group_by("family_id").agg(n_found=pl.col("n").sum())
    campaign = pieces.filter(CAMPAIGN).drop_nulls("family_id")
    pairs = campaign.group_by("family", "family_id").agg(n_both=pl.col("n").sum())
    pairs = pairs.join(found, on="family_id").join(true, on="family")
    pairs = pairs.with_columns(f1=2 * pl.col("n_both") / (pl.col("n_found") + pl.col("n_true")))
    best = pairs.sort("f1", "family_id").unique("family", keep="last", maintain_order=True)
    matches = {name: Match(0.0, 0.0, 0.0) for name in sorted(true["family"].to_list())}
    for name, n_both, n_found, n_true, f1 in best.select(
        "family", "n_both", "n_found", "n_true", "f1"
    ).iter_rows():
        matches[name] = Match(f1, n_both / n_found, n_both / n_true)
    return matches


def average_precision(right: NDArray[np.float64], n_asked: int) -> float | None:
    """Sum of the precision at each right place of a list, over `n_asked`, of which at most as many are right.

    None if 0 are asked.
    """
    if not n_asked:
        return None
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((precision * right).sum()) / n_asked


def _average_precision(counted: pl.DataFrame, asked: pl.DataFrame) -> float | None:
    """Of the families that count and, if they are right, hold a true family that is asked for.

    The same true families on both sides: were those too small to be asked for right in the list and not among
    the asked, they would hide as many that were missed.
    """
    kept = counted.filter(~pl.col("right") | pl.col("hit").is_in(asked["family"].to_list()))
    return average_precision(kept["right"].to_numpy().astype(np.float64), asked.height)


def _asked(pieces: pl.DataFrame) -> pl.DataFrame:
    """True families that are asked for: ``family`` and ``n_true``, their requests."""
    sizes = pieces.filter(CAMPAIGN).group_by("family").agg(n_true=pl.col("n").sum())
    return sizes.filter(pl.col("n_true") >= ASKED_FROM)


def _most(pieces: pl.DataFrame, column: str) -> pl.DataFrame:
    """Per found family the value of a column with most requests, the first of equals."""
    sizes = pieces.group_by("family_id", column).agg(n=pl.col("n").sum())
    largest = sizes.sort(["n", column], descending=[True, False])
    return largest.unique("family_id", keep="first", maintain_order=True).select("family_id", column)


def _share(part: pl.Series, whole: pl.Series) -> float | None:
    return float(part.to_numpy().sum() / whole.to_numpy().sum()) if len(whole) else None


def _counts(values: pl.Series) -> dict[str, int]:
    counts = pl.DataFrame({"kind": values}).group_by("kind").len()
    return dict(counts.sort(["len", "kind"], descending=[True, False]).iter_rows())


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return float(np.mean(values)) if values else None
