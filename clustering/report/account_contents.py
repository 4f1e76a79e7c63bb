"""What is said about one account: plain values taken from the tables, not yet a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from clustering.report.activity import log_span, timeline_of
from clustering.report.contents import RunTables


@dataclass(frozen=True)
class AccountFamily:
    """A family that an account sends: its row (None: of no family), requests, their share, first and last."""

    row: Mapping[str, object] | None
    n_requests: int
    share: float
    first_seen: object
    last_seen: object


@dataclass(frozen=True)
class AccountPrompt:
    """A prompt that an account sent: when first, how often, and the rank of its family."""

    prompt: str
    system_prompt: str | None
    timestamp: object
    n_requests: int
    rank: int | None


@dataclass(frozen=True)
class AccountDetail:
    """All that is shown of one account.

    Attributes
    ----------
    account_id : str
    score : float or None
        Probability of being of a campaign's pool; None for an account in no flagged family.
    campaign_ids : tuple of str
    n_requests, n_flagged : int
        In the log, and in flagged families.
    families : tuple of AccountFamily
        Most requests first; what belongs to no family last.
    timeline : tuple of ``N_BINS`` counts
    prompts : tuple of AccountPrompt
        Evenly over its time, in order.
    """

    account_id: str
    score: float | None
    campaign_ids: tuple[str, ...]
    n_requests: int
    n_flagged: int
    first_seen: object
    last_seen: object
    families: tuple[AccountFamily, ...]
    timeline: tuple[int, ...]
    prompts: tuple[AccountPrompt, ...]


def account_detail(tables: RunTables, account_id: str, *, n_prompts: int) -> AccountDetail:
    """Details of an account of the log, in a flagged family or not."""
    assignments = tables.lazy("assignments")
    requests = assignments.filter(pl.col("account_id") == account_id).collect()
    known = tables.accounts.filter(pl.col("account_id") == account_id)
    families = _account_families(tables, requests)
    return AccountDetail(
        account_id=account_id,
        score=known["score"][0] if known.height else None,
        campaign_ids=tuple(known["campaign_ids"][0]) if known.height else (),
        n_requests=requests.height,
        n_flagged=int(known["n_requests"][0]) if known.height else 0,
        first_seen=requests["timestamp"].min(),
        last_seen=requests["timestamp"].max(),
        families=families,
        timeline=timeline_of(requests["timestamp"], log_span(assignments)),
        prompts=_account_prompts(tables, requests, n_prompts),
    )


def _account_families(tables: RunTables, requests: pl.DataFrame) -> tuple[AccountFamily, ...]:
    rows = {row["family_id"]: row for row in tables.families.iter_rows(named=True)}
    counted = (
        requests.group_by("family_id")
        .agg(n=pl.len(), first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
        .with_columns(of_none=pl.col("family_id").is_null())
        .sort("of_none", "n", "family_id", descending=[False, True, False])
    )
    return tuple(
        AccountFamily(rows.get(name), n, n / requests.height, first, last)
        for name, n, first, last, _ in counted.iter_rows()
    )


def _account_prompts(tables: RunTables, requests: pl.DataFrame, n_prompts: int) -> tuple[AccountPrompt, ...]:
    """Prompts evenly over those it sent, by the first time of each, then by id."""
    ranks = tables.families.select("family_id", "rank")
    sent = (
        requests.group_by("prompt_id")
        .agg(pl.col("timestamp").min(), n=pl.len(), family_id=pl.col("family_id").first())
        .sort("timestamp", "prompt_id")
    )
    n = min(n_prompts, sent.height)
    places = sorted({round(i * (sent.height - 1) / max(n - 1, 1)) for i in range(n)})
    chosen = sent[places]
    texts = tables.lazy("prompts").filter(pl.col("prompt_id").is_in(chosen["prompt_id"].to_list()))
    texts = texts.select("prompt_id", "prompt", "system_prompt")
    chosen = chosen.join(texts.collect(), on="prompt_id", how="left", maintain_order="left")
    chosen = chosen.join(ranks, on="family_id", how="left", maintain_order="left")
    columns = ("prompt", "system_prompt", "timestamp", "n", "rank")
    return tuple(AccountPrompt(*row) for row in chosen.select(columns).iter_rows())
