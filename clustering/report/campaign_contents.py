"""What is said about each campaign: plain values taken from the tables, not yet a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from clustering.report.activity import Activity, activity_of, log_span, timeline_of
from clustering.report.contents import RunTables
from clustering.report.signals import format_count, format_p
from clustering.report.verdict import likely
from clustering.scores import FLAG_LEVEL
from clustering.signals import SIGNALS
from clustering.tables import P_SUFFIX

_HAND_OVER = "hand_over"


@dataclass(frozen=True)
class CampaignAccount:
    """An account of a campaign: its requests there, their share of its traffic, its score, first and last."""

    account_id: str
    score: float | None
    n_requests: int
    share: float | None
    first_seen: object
    last_seen: object


@dataclass(frozen=True)
class CampaignDetail:
    """All that is shown of one campaign.

    Attributes
    ----------
    row : row of CAMPAIGNS
    sentence : str
        The verdict.
    families : tuple of rows of FAMILIES
        In rank order.
    capabilities, patterns : tuple of (name, n_requests)
        Of the families' requests, most first; "" where a family has none.
    activity : Activity
        Of its requests.
    arrivals, departures : tuple of ``N_BINS`` counts
        Accounts that send their first, or last, request of the campaign in each bin.
    hand_over : str or None
        How its pool was replaced, where that is told.
    accounts : tuple of CampaignAccount
        Likeliest of the pool first (to two digits), then busiest, then by id.
    """

    row: Mapping[str, object]
    sentence: str
    families: tuple[Mapping[str, object], ...]
    capabilities: tuple[tuple[str, int], ...]
    patterns: tuple[tuple[str, int], ...]
    activity: Activity
    arrivals: tuple[int, ...]
    departures: tuple[int, ...]
    hand_over: str | None
    accounts: tuple[CampaignAccount, ...]


def campaign_details(tables: RunTables, campaign_ids: list[str], *, n_accounts: int) -> list[CampaignDetail]:
    """Details of the named campaigns, in the order of their names."""
    rows = {str(row["campaign_id"]): row for row in tables.campaigns.iter_rows(named=True)}
    chosen = tables.families.filter(pl.col("campaign_id").is_in(campaign_ids)).sort("rank")
    families = {str(key[0]): part for key, part in chosen.partition_by("campaign_id", as_dict=True).items()}
    of_family = chosen.select("family_id", "campaign_id")
    assignments = tables.lazy("assignments").select("family_id", "account_id", "timestamp")
    sent = assignments.join(of_family.lazy(), on="family_id", maintain_order="left").collect()
    requests = {str(key[0]): part for key, part in sent.partition_by("campaign_id", as_dict=True).items()}
    span = log_span(assignments)
    return [
        _campaign(
            tables,
            rows[name],
            families.get(name, chosen.head(0)),
            requests=requests.get(name, sent.head(0)),
            span=span,
            n_accounts=n_accounts,
        )
        for name in campaign_ids
    ]


def _campaign(
    tables: RunTables,
    row: Mapping[str, object],
    families: pl.DataFrame,
    *,
    requests: pl.DataFrame,
    span: tuple[int, int],
    n_accounts: int,
) -> CampaignDetail:
    stays = requests.group_by("account_id").agg(
        n=pl.len().cast(pl.Int64), first=pl.col("timestamp").min(), last=pl.col("timestamp").max()
    )
    activity = activity_of(requests, span, tables.accounts.select("account_id", "score"), n_accounts=0)
    return CampaignDetail(
        row=row,
        sentence=_sentence(row, activity.n_pool),
        families=tuple(families.iter_rows(named=True)),
        capabilities=_breakdown(families, "capability"),
        patterns=_breakdown(families, "pattern"),
        activity=activity,
        arrivals=timeline_of(stays["first"], span),
        departures=timeline_of(stays["last"], span),
        hand_over=_hand_over(families),
        accounts=_accounts(tables, stays, n_accounts),
    )


def _sentence(row: Mapping[str, object], n_pool: int) -> str:
    n_families, n_accounts = row["n_families"], row["n_accounts"]
    sets = "one family" if n_families == 1 else f"{format_count(n_families)} families"
    of_all = "all" if n_pool == n_accounts else f"{format_count(n_pool)} of the"
    return (
        f"One hand behind {of_all} {format_count(n_accounts)} accounts that send {sets}, "
        f"{likely(row['q_value'])} (p {format_p(row['p_value'])})."
    )


def _breakdown(families: pl.DataFrame, column: str) -> tuple[tuple[str, int], ...]:
    counted = (
        families.group_by(pl.col(column).fill_null("").alias("name"))
        .agg(pl.col("n_requests").sum())
        .sort("n_requests", "name", descending=[True, False])
    )
    return tuple(counted.iter_rows())


def _hand_over(families: pl.DataFrame) -> str | None:
    """The telling sentence of the family that shows it best."""
    told = families.filter(pl.col(_HAND_OVER + P_SUFFIX) <= FLAG_LEVEL).sort(_HAND_OVER + P_SUFFIX, "rank")
    if told.is_empty():
        return None
    return SIGNALS[_HAND_OVER].telling.format(effect=told[_HAND_OVER][0])


def _accounts(tables: RunTables, stays: pl.DataFrame, n_accounts: int) -> tuple[CampaignAccount, ...]:
    known = tables.accounts.select("account_id", "score", n_all=pl.col("n_requests") / pl.col("share"))
    listed = (
        stays.join(known, on="account_id", how="left")
        .with_columns(share=pl.col("n") / pl.col("n_all"))
        .sort(pl.col("score").round(2), "n", "account_id", descending=[True, True, False], nulls_last=True)
        .head(n_accounts)
    )
    columns = ("account_id", "score", "n", "share", "first", "last")
    return tuple(CampaignAccount(*values) for values in listed.select(columns).iter_rows())
