"""What a run found of what was planted, and what it was before.

- A family is *planted* when at least half of its requests are extraction of planted campaigns; it belongs to
  the campaign with most of them (ties: the first by name).
- The other families are the log's own. They are unknown, not false: nobody has said what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from clustering.drill.planting import Planted
from clustering.results import Run


@dataclass(frozen=True)
class Baseline:
    """The log alone.

    Parameters
    ----------
    n_requests, n_families, n_flagged : of the run.
    n_requests_flagged : requests in flagged families.
    seconds : of the run.
    """

    n_requests: int
    n_families: int
    n_flagged: int
    n_requests_flagged: int
    seconds: float


@dataclass(frozen=True)
class CampaignFinding:
    """What was found of one campaign. All shares in [0, 1].

    Parameters
    ----------
    campaign : its name.
    n_requests, n_accounts : extraction requests planted, and their accounts.
    in_families, in_flagged : shares of those requests in planted families, and in flagged ones.
    accounts_flagged : share of the accounts with a request in a flagged family.
    n_families, n_families_flagged : planted families that are its own.
    first_rank : rank of the first of them; None where there is none.
    n_unknown_before : families of the log itself that rank before it; None where there is none.
    n_campaigns : campaigns into which its flagged families were put; one where it was linked as a whole.
    """

    campaign: str
    n_requests: int
    n_accounts: int
    in_families: float
    in_flagged: float
    accounts_flagged: float
    n_families: int
    n_families_flagged: int
    first_rank: int | None
    n_unknown_before: int | None
    n_campaigns: int


@dataclass(frozen=True)
class Planting:
    """One run over the log with plants.

    Parameters
    ----------
    share : of all requests, what each campaign's extraction was to have.
    n_requests, n_planted : all requests, and those added (ordinary ones of the campaigns' accounts included).
    n_families, n_flagged : of the run.
    n_flagged_unknown : flagged families of the log itself; `Baseline` has how many there are without plants.
    n_own_requests_flagged : requests of the log itself in flagged families.
    seconds : of the run.
    findings : a campaign each.
    """

    share: float
    n_requests: int
    n_planted: int
    n_families: int
    n_flagged: int
    n_flagged_unknown: int
    n_own_requests_flagged: int
    seconds: float
    findings: tuple[CampaignFinding, ...]


def baseline_of(run: Run) -> Baseline:
    """What is flagged in the log alone."""
    families = run.families
    flagged = families.filter("flagged")
    return Baseline(
        run.assignments.height,
        families.height,
        flagged.height,
        int(flagged["n_requests"].sum()),
        float(run.manifest["seconds"]),
    )


def planting_of(run: Run, planted: Planted, *, share: float) -> Planting:
    """Compare a run over log and plants with what was planted.

    Raises
    ------
    RuntimeError
        A planted request is not in the run.
    """
    # Accounts as the run calls them, which may be by their hashes.
    rows = run.assignments.select("request_id", "account_id", "family_id")
    rows = rows.join(planted.truth.drop("account_id"), on="request_id", how="left")
    if rows["kind"].count() != planted.truth.height:
        raise RuntimeError(f"{planted.truth.height - rows['kind'].count()} planted requests got lost")
    owners = _owners(rows)
    families = run.families.sort("rank").select("family_id", "rank", "flagged", "campaign_id")
    families = families.join(owners, on="family_id", how="left", maintain_order="left")
    rows = rows.join(families.drop("campaign_id"), on="family_id", how="left")
    unknown = families.filter(pl.col("owner").is_null())
    named = set(run.accounts["account_id"].to_list())
    return Planting(
        share,
        rows.height,
        planted.truth.height,
        families.height,
        families.filter("flagged").height,
        unknown.filter("flagged").height,
        rows.filter(pl.col("flagged") & pl.col("kind").is_null()).height,
        float(run.manifest["seconds"]),
        tuple(_finding(plan.label, rows, families, named=named) for plan in planted.plans),
    )


def _owners(rows: pl.DataFrame) -> pl.DataFrame:
    """``family_id`` and ``owner`` (a campaign) of the planted families."""
    extraction = pl.col("kind") == "campaign"
    counts = (
        rows.drop_nulls("family_id").group_by("family_id").agg(n=pl.len(), n_planted=extraction.sum())
    ).filter(2 * pl.col("n_planted") >= pl.col("n"))
    groups = rows.filter(extraction).group_by("family_id", "group").len()
    first = groups.sort(["len", "group"], descending=[True, False]).unique("family_id", keep="first")
    return counts.join(first, on="family_id").select("family_id", owner="group")


def _finding(label: str, rows: pl.DataFrame, families: pl.DataFrame, *, named: set[str]) -> CampaignFinding:
    sent = rows.filter((pl.col("group") == label) & (pl.col("kind") == "campaign"))
    caught = sent.filter(pl.col("owner").is_not_null())
    accounts = sent["account_id"].unique()
    own = families.filter(pl.col("owner") == label)
    flagged = own.filter("flagged")
    first = int(own["rank"][0]) if own.height else None
    before = families.filter(pl.col("owner").is_null() & (pl.col("rank") < (first or 0)))
    return CampaignFinding(
        label,
        sent.height,
        len(accounts),
        caught.height / sent.height,
        caught.filter("flagged").height / sent.height,
        float(accounts.is_in(list(named)).sum()) / len(accounts),
        own.height,
        flagged.height,
        first,
        None if first is None else before.height,
        flagged["campaign_id"].n_unique(),
    )
