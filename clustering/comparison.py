"""What changed between two runs: families that came, went, grew or shrank, campaigns, and settings.

The runs may hold the same logs, weighed with other settings, or other logs: this week's and last week's.
Which family is which is told by prompts; see ``clustering.descent``. Exchanging the runs exchanges old and
new, came and went, grew and shrank, split and merged, and changes nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from clustering.descent import partners
from clustering.results import Run
from clustering.stages import Clock, Progress
from clustering.tables import CAMPAIGNS

STATUSES = ("came", "went", "split", "merged", "grew", "shrank", "same")
FACTOR = 2  # by which a family's share of its log's requests has to change to count as grown or shrunk
_OF_BOTH = ("rank", "flagged", "q_value", "n_requests", "n_accounts", "n_prompts", "campaign_id")
_TEXTS = ("template", "medoid_prompt", "pattern", "capability")
_SECTIONS = ("settings", "versions", "counts", "inputs")
_CHANGES_NOTHING = ("force",)  # settings that a finished run shows no trace of

DIFFERENCES = pl.Schema({"section": pl.String, "key": pl.String, "old": pl.String, "new": pl.String})


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changed from an old run to a new one.

    Attributes
    ----------
    families : DataFrame
        A row per family of the new run, and per family of the old run that is not found again as one of
        these; flagged ones first (in either run), then by new rank, then by old rank. ``status`` is

        - *same*, *grew* or *shrank*: each is the other's partner. It grew when its share of all requests of
          its log is at least `FACTOR` times what it was, and shrank when it is at most that part of it: logs
          differ in length, and the loads of accounts in far more than chance. Two counts of 20, the least
          that makes a family by default, would differ so by chance one time in twenty;
        - *split*: a new family out of the old family of the row, most of which is elsewhere;
        - *merged*: an old family in the new family of the row, most of which comes from elsewhere;
        - *came*: a new family of no old one, whose side of the row is null;
        - *went*: an old family in no new one, likewise.

        For both sides ``old_`` and ``new_`` ``family_id``, ``rank``, ``flagged``, ``q_value``,
        ``n_requests``, ``n_accounts``, ``n_prompts`` and ``campaign_id``; ``template``, ``medoid_prompt``,
        ``pattern`` and ``capability`` of the new one, where there is one, except that those of a *merged* row
        are the old one's; and ``changed``: the status is not *same*, or the flag is another.
    campaigns : DataFrame
        Campaigns of the new run none of whose families was in a campaign (status *came*), by rank, then those
        of the old run none of whose families is in one (*went*): ``status``, the columns of CAMPAIGNS, and
        ``n_known_accounts``, those of its accounts that were in flagged families of the other run.
    differences : DataFrame
        What the manifests say differently: ``section`` ("settings", "versions", "counts" or "inputs"),
        ``key``, ``old`` and ``new`` (texts as they are, else JSON; null where a run does not have it). An
        input's key is its path. The version of the encoder is its fingerprint.
    """

    families: pl.DataFrame
    campaigns: pl.DataFrame
    differences: pl.DataFrame


def compare_runs(old: Run, new: Run, *, progress: Progress | None = None) -> Comparison:
    """Compare two runs, of the same logs or of others.

    Parameters
    ----------
    old, new
    progress
        Told when the comparison of prompts, which takes seconds, begins and ends.

    Raises
    ------
    RunError
        A table of a run cannot be read.
    ValueError
        A run's encoder is not what it was made with, and prompts have to be placed in it.
    """
    with Clock(progress).stage("compare"):
        of_old, of_new = partners(old, new)
    families = _families(_related(of_old, of_new), old, new)
    campaigns = pl.concat([_campaigns(families, new, old, "came"), _campaigns(families, old, new, "went")])
    return Comparison(families, campaigns, _differences(old.manifest, new.manifest))


def _related(of_old: pl.DataFrame, of_new: pl.DataFrame) -> pl.DataFrame:
    """Pairs of ids with their status, where *same* stands for all that are each other's partners."""
    pair = ["old_family_id", "new_family_id"]
    named = pl.concat(
        [of_old.with_columns(by_old=True, by_new=False), of_new.with_columns(by_old=False, by_new=True)]
    )
    status = (
        pl.when(pl.col("old_family_id").is_null())
        .then(pl.lit("came"))
        .when(pl.col("new_family_id").is_null())
        .then(pl.lit("went"))
        .when(pl.col("by_old") & pl.col("by_new"))
        .then(pl.lit("same"))
        .when("by_new")
        .then(pl.lit("split"))
        .otherwise(pl.lit("merged"))
    )
    return named.group_by(pair).agg(pl.col("by_old", "by_new").any()).select(status.alias("status"), *pair)


def _families(related: pl.DataFrame, old: Run, new: Run) -> pl.DataFrame:
    rows = related
    for side, run in (("old", old), ("new", new)):
        own = run.families.select(
            pl.col(name).alias(f"{side}_{name}") for name in ("family_id", *_OF_BOTH, *_TEXTS)
        )
        rows = rows.join(own, on=f"{side}_family_id", how="left")
    of_old = pl.col("status").is_in(["went", "merged"])
    texts = [pl.when(of_old).then(f"old_{name}").otherwise(f"new_{name}").alias(name) for name in _TEXTS]
    both = [f"{side}_{name}" for name in ("family_id", *_OF_BOTH) for side in ("old", "new")]
    flags = [pl.col(f"{side}_flagged").fill_null(False) for side in ("old", "new")]
    rows = rows.with_columns(status=_sized(_n_requests(old), _n_requests(new)))
    changed = (pl.col("status") != "same") | (flags[0] != flags[1])
    return rows.sort(~(flags[0] | flags[1]), "new_rank", "old_rank", nulls_last=True).select(
        "status", *both, *texts, changed=changed
    )


def _sized(n_old: int, n_new: int) -> pl.Expr:
    """The status with *same* told apart by the family's share of all requests; exact, in whole numbers."""
    was, now = pl.col("old_n_requests") * n_new, pl.col("new_n_requests") * n_old
    return (
        pl.when(pl.col("status") != "same")
        .then("status")
        .when(now >= FACTOR * was)
        .then(pl.lit("grew"))
        .when(was >= FACTOR * now)
        .then(pl.lit("shrank"))
        .otherwise("status")
    )


def _n_requests(run: Run) -> int:
    return int(run.manifest["counts"]["requests"])


def _campaigns(families: pl.DataFrame, here: Run, there: Run, status: str) -> pl.DataFrame:
    """Campaigns of `here` with no family that is, or is part of, one of a campaign of `there`."""
    own, other = ("new", "old") if status == "came" else ("old", "new")
    lasting = families.drop_nulls(f"{other}_campaign_id")[f"{own}_campaign_id"].drop_nulls()
    known = there.accounts.select("account_id", known=pl.lit(True))
    sent = here.accounts.select("account_id", campaign_id="campaign_ids").explode("campaign_id")
    n_known = (
        sent.join(known, on="account_id")
        .group_by("campaign_id")
        .agg(n_known_accounts=pl.len().cast(pl.Int64))
    )
    return (
        here.campaigns.filter(~pl.col("campaign_id").is_in(lasting.implode()))
        .join(n_known, on="campaign_id", how="left")
        .select(pl.lit(status).alias("status"), *CAMPAIGNS.names(), pl.col("n_known_accounts").fill_null(0))
        .sort("rank")
    )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> pl.DataFrame:
    rows = []
    for section in _SECTIONS:
        was, now = dict(_entries(old, section)), dict(_entries(new, section))
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                rows.append((section, key, was.get(key), now.get(key)))
    return pl.DataFrame(rows, schema=DIFFERENCES, orient="row")


def _entries(manifest: Mapping[str, Any], section: str) -> Iterator[tuple[str, str]]:
    """Keys and values of a section of a manifest, as text."""
    written = manifest.get(section, {})
    if section == "inputs":
        written = {record["path"]: {k: v for k, v in record.items() if k != "path"} for record in written}
    if section == "versions":
        written = {**written, "encoder": manifest.get("encoder_fingerprint")}
    for key, value in written.items():
        if not (section == "settings" and key in _CHANGES_NOTHING):
            yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
