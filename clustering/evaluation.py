"""Measures a run against the truth of its log: are families found, ranked, flagged and linked rightly?

The truth has a row per request: ``request_id``, ``kind`` ("organic", "benign:…" or "campaign"), ``group``
(the campaign's or look-alike's name) and ``family`` ("campaign/template" for campaign requests). Definitions:

- A true family is *asked for* when it has at least 40 requests. Those without any common text (``/plain:`` in
  their names) have a figure of their own.
- A true family's F1 is that of the found family which matches it best, all of whose requests count.
- A found family is *right* when at least half of its requests belong to campaigns. In the ranked list,
  further pieces of a true family that is already listed are neither right nor wrong; for the average
  precision, those of a true family that is not asked for are neither, too.
- Requests without a family, or missing from the run, are noise.

What the ranked list is worth is judged in ``clustering.judgement``.

Everything is exact and does not depend on the order of any frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from clustering.durable import read_parquet
from clustering.judgement import CAMPAIGN, Match, best_matches, mean, pieces_of, ranking
from clustering.results import load_run
from clustering.scores import FLAG_LEVEL

_TRUTH = ("request_id", "kind", "group", "family")


@dataclass(frozen=True)
class Evaluation:
    """The figures of one run. None where the truth has nothing that could be measured.

    Parameters
    ----------
    n_families, n_flagged : found families and flagged ones, all pieces counted.
    n_true_families : families asked for, without the plain ones.
    mean_f1, n_f1_80 : mean F1 over those, and how many reach 0.8; `plain_f1` is the mean over the plain ones.
    precision_at_10, precision_at_20, precision_at_50 : share of right families at the head of the list.
    average_precision : sum of the precision at each right family, over the number of families asked for,
        plain ones included.
    n_flagged_wrong, n_flagged_counted : wrong flagged families, among the flagged ones that count.
    realised_fdr : their quotient; 0 when nothing is flagged.
    campaign_requests_flagged : share of the campaign requests that lie in flagged families.
    campaign_pairwise_f1 : F1 over pairs of requests put into one campaign; None without ``campaign_id``.
    account_precision, account_recall : accounts with a request in a flagged family against campaigns'.
    per_campaign : share of its requests in flagged families, by campaign.
    wrong_kinds : number of wrong flagged families by the kind that fills most of them.
    per_family : match of each family asked for, plain ones included.
    """

    n_families: int
    n_flagged: int
    n_true_families: int
    mean_f1: float | None
    n_f1_80: int
    plain_f1: float | None
    precision_at_10: float
    precision_at_20: float
    precision_at_50: float
    average_precision: float | None
    n_flagged_wrong: int
    n_flagged_counted: int
    realised_fdr: float
    campaign_requests_flagged: float | None
    campaign_pairwise_f1: float | None
    account_precision: float
    account_recall: float | None
    per_campaign: Mapping[str, float] = field(default_factory=dict)
    wrong_kinds: Mapping[str, int] = field(default_factory=dict)
    per_family: Mapping[str, Match] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and dicts, in the order of the fields."""
        return asdict(self)


def evaluate(
    assignments: pl.DataFrame, families: pl.DataFrame, truth: pl.DataFrame, *, requests: pl.DataFrame
) -> Evaluation:
    """Measure found families against the truth.

    Parameters
    ----------
    assignments : ``request_id``, ``family_id`` (null = noise).
    families : ``family_id``, ``rank`` (1 = first), ``q_value`` or ``flagged`` or both, maybe ``campaign_id``.
    truth : see the module; only requests that are in both `truth` and `requests` count.
    requests : ``request_id``, ``account_id``.

    Raises
    ------
    ValueError
        A column is missing, ids or ranks repeat, or ``flagged`` contradicts ``q_value``.
    """
    listed = _families(families)
    rows = _joined(assignments, truth, requests)
    pieces = pieces_of(rows)
    matches = best_matches(pieces)
    asked = {name: match for name, match in matches.items() if "/plain:" not in name}
    plain = [match.f1 for name, match in matches.items() if "/plain:" in name]
    flagged = listed.filter("flagged")["family_id"].to_list()
    return Evaluation(
        n_families=listed.height,
        n_flagged=len(flagged),
        n_true_families=len(asked),
        mean_f1=mean([match.f1 for match in asked.values()]),
        n_f1_80=sum(match.f1 >= 0.8 for match in asked.values()),
        plain_f1=mean(plain),
        campaign_pairwise_f1=_linked(listed, rows),
        per_family=matches,
        **_accounts(rows, flagged),
        **vars(ranking(listed, pieces)),
    )


def evaluate_run(run_dir: Path | str, truth_path: Path | str) -> Evaluation:
    """Measure a run directory against a truth file, or a folder that holds ``truth.parquet``.

    Requests' accounts come from ``requests.parquet`` beside the truth, if it is there; else from the run.

    Raises
    ------
    RunError
        The run is not complete, or a table of it is damaged.
    ValueError
        A file or column is missing.
    """
    run = load_run(run_dir)
    truth_file = Path(truth_path)
    if truth_file.is_dir():
        truth_file = truth_file / "truth.parquet"
    beside = truth_file.with_name("requests.parquet")
    requests = _read(beside, ("request_id", "account_id")) if beside.is_file() else run.assignments
    return evaluate(run.assignments, run.families, _read(truth_file, _TRUTH), requests=requests)


def pairwise_f1(truth: pl.Series, found: pl.Series) -> float:
    """F1 over the pairs of rows that are together; a null is alone. 0 when there are no pairs."""
    frame = pl.DataFrame({"truth": truth, "found": found})

    def n_pairs(*by: str) -> float:
        sizes = frame.drop_nulls(by).group_by(by).len()["len"].cast(pl.Float64).to_numpy()
        return float((sizes * (sizes - 1) / 2).sum())

    return 2 * n_pairs("truth", "found") / max(1.0, n_pairs("truth") + n_pairs("found"))


def _families(families: pl.DataFrame) -> pl.DataFrame:
    _require(families, "families", ("family_id", "rank"))
    _unique(families, "families", "family_id")
    _unique(families, "families", "rank")
    by_q = pl.col("q_value") <= FLAG_LEVEL
    if "flagged" not in families.columns:
        _require(families, "families", ("q_value",))
        families = families.with_columns(flagged=by_q)
    elif "q_value" in families.columns and (n := families.filter(pl.col("flagged") != by_q).height):
        raise ValueError(f"families: flagged differs from q_value <= {FLAG_LEVEL} in {n} rows; mend either")
    return families.with_columns(pl.col("family_id").cast(pl.String), pl.col("flagged").fill_null(False))


def _joined(assignments: pl.DataFrame, truth: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """A row per request that has a truth: account, kind, group, family and found family."""
    _require(assignments, "assignments", ("request_id", "family_id"))
    _require(truth, "truth", _TRUTH)
    _require(requests, "requests", ("request_id", "account_id"))
    for name, frame in (("assignments", assignments), ("truth", truth), ("requests", requests)):
        _unique(frame, name, "request_id")
    found = assignments.select("request_id", pl.col("family_id").cast(pl.String))
    known = truth.select("request_id", pl.col("kind", "group", "family").cast(pl.String))
    return (
        requests.select("request_id", "account_id")
        .join(known, on="request_id")
        .join(found, on="request_id", how="left")
    )


def _accounts(rows: pl.DataFrame, flagged: list[str]) -> dict[str, Any]:
    """Accounts with a request in a flagged family against those of campaigns."""
    bad = set(rows.filter(CAMPAIGN)["account_id"].to_list())
    named = set(rows.filter(pl.col("family_id").is_in(flagged).fill_null(False))["account_id"].to_list())
    return {
        "account_precision": len(bad & named) / max(1, len(named)),
        "account_recall": len(bad & named) / len(bad) if bad else None,
    }


def _linked(listed: pl.DataFrame, rows: pl.DataFrame) -> float | None:
    if "campaign_id" not in listed.columns:
        return None
    campaigns = listed.select("family_id", pl.col("campaign_id").cast(pl.String))
    joined = rows.join(campaigns, on="family_id", how="left", maintain_order="left")
    return pairwise_f1(joined.select(pl.when(CAMPAIGN).then("group"))["group"], joined["campaign_id"])


def _require(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(frame.columns) or 'none'}"
        )


def _unique(frame: pl.DataFrame, name: str, column: str) -> None:
    if n := frame.height - frame[column].n_unique():
        raise ValueError(f"{name}: {column} repeats in {n} rows; each may be there once")


def _read(file: Path, wanted: tuple[str, ...]) -> pl.DataFrame:
    """The columns `wanted` of a table, those of them that it has."""
    if not file.is_file():
        raise ValueError(f"{file} is not there; give a finished run directory and its truth")
    try:
        return read_parquet(file, only=wanted)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{file} cannot be read as Parquet ({error}); write it again") from error
