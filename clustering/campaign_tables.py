"""What an investigation starts from: the flagged families by campaign, and their accounts."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control

from clustering.accounts import CampaignAccounts
from clustering.tables import ACCOUNTS, CAMPAIGNS
from embedder import Corpus


def campaigns_table(families: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """One row per campaign, ranked by its first family.

    Its p is the smallest of its families' times their number (Bonferroni, whatever they share). They are the
    flagged ones of those that its accounts link, and what was linked and not flagged is not counted: so p is
    below what a campaign named beforehand would have, by at most the ratio of the two numbers. Its q is that
    of Benjamini and Hochberg over all campaigns and, each alone, all other families weighed: a family is only
    in a campaign because it is flagged, and the others were looked at, too. Cauchy's combination was dropped:
    a single p of 1 outvotes all others.

    Parameters
    ----------
    families : DataFrame
        Table of the run.
    sent : DataFrame
        ``family_id``, ``account_id`` and ``timestamp`` of the requests in flagged families.
    """
    flagged = families.filter(pl.col("flagged")).sort("rank")
    others = families.filter(~pl.col("flagged"))["own_p_value"].drop_nulls().to_numpy()
    sent = sent.join(flagged.select("family_id", "campaign_id"), on="family_id")
    counts = sent.group_by("campaign_id").agg(
        n_requests=pl.len(),
        n_accounts=pl.col("account_id").n_unique(),
        first_seen=pl.col("timestamp").min(),
        last_seen=pl.col("timestamp").max(),
    )
    table = (
        flagged.group_by("campaign_id", maintain_order=True)
        .agg(
            pl.col("score").max(),
            p_value=(pl.col("p_value").min() * pl.len()).clip(upper_bound=1.0),
            n_families=pl.len(),
            family_ids=pl.col("family_id"),
            capabilities=_by_requests("capability"),
            patterns=_by_requests("pattern"),
        )
        .join(counts, on="campaign_id", how="left", maintain_order="left")
        .with_columns(rank=pl.int_range(1, pl.len() + 1))
    )
    p = np.append(table["p_value"].to_numpy(), others)
    q = false_discovery_control(p)[: table.height] if len(p) else p
    return table.with_columns(q_value=q).select(CAMPAIGNS.names()).cast(CAMPAIGNS)


def _by_requests(column: str) -> pl.Expr:
    """Values of a group's families, those of most requests first."""
    return pl.col(column).sort_by("n_requests", descending=True).drop_nulls().unique(maintain_order=True)


def account_scores(found: CampaignAccounts, corpus: Corpus) -> pl.DataFrame:
    """``account_id`` and ``score``: the accounts of the scored principals, a row per account and campaign."""
    of_principal = corpus.requests.select("account_row", principal="principal_row").unique()
    scored = pl.DataFrame({"principal": found.principals.astype(np.uint32), "score": found.scores})
    joined = scored.join(of_principal, on="principal").sort("account_row", "score")
    return joined.select(
        account_id=corpus.accounts["account_id"].gather(joined["account_row"]), score="score"
    )


def account_loads(corpus: Corpus) -> pl.DataFrame:
    """``account_id`` and ``n_all``, the requests of each account."""
    loads = np.bincount(corpus.requests["account_row"].to_numpy(), minlength=corpus.accounts.height)
    return corpus.accounts.with_columns(n_all=pl.Series(loads))


def accounts_table(
    families: pl.DataFrame, sent: pl.DataFrame, loads: pl.DataFrame, scores: pl.DataFrame | None = None
) -> pl.DataFrame:
    """One row per account with a request in a flagged family: likeliest of a pool first, then busiest, by id.

    Parameters
    ----------
    families, sent
        As for ``campaigns_table``.
    loads : DataFrame
        ``account_id`` and ``n_all``, its requests in the whole log.
    scores : DataFrame, optional
        See ``account_scores``; an account's largest counts, null where it has none.
    """
    flagged = families.filter(pl.col("flagged")).select("family_id", "campaign_id", "rank")
    if scores is None:
        scores = pl.DataFrame(schema={"account_id": pl.String, "score": pl.Float64})
    likeliest = scores.group_by("account_id").agg(pl.col("score").max())
    return (
        sent.join(flagged, on="family_id")
        .sort("rank")
        .group_by("account_id")
        .agg(
            campaign_ids=pl.col("campaign_id").unique(maintain_order=True),
            family_ids=pl.col("family_id").unique(maintain_order=True),
            n_requests=pl.len(),
        )
        .join(loads, on="account_id")
        .join(likeliest, on="account_id", how="left")
        .with_columns(share=pl.col("n_requests") / pl.col("n_all"))
        .sort("score", "n_requests", "account_id", descending=[True, True, False], nulls_last=True)
        .select(ACCOUNTS.names())
        .cast(ACCOUNTS)
    )
