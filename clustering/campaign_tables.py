"""What an investigation starts from: the flagged families by campaign, and their accounts."""

from __future__ import annotations

import polars as pl

from clustering.tables import ACCOUNTS, CAMPAIGNS


def campaigns_table(families: pl.DataFrame, assignments: pl.DataFrame) -> pl.DataFrame:
    """One row per campaign, ranked by its first family.

    Parameters
    ----------
    families, assignments : DataFrame
        Tables of the run.
    """
    flagged = families.filter(pl.col("flagged")).sort("rank")
    sent = assignments.join(flagged.select("family_id", "campaign_id"), on="family_id")
    counts = sent.group_by("campaign_id").agg(
        n_requests=pl.len(),
        n_accounts=pl.col("account_id").n_unique(),
        first_seen=pl.col("timestamp").min(),
        last_seen=pl.col("timestamp").max(),
    )
    return (
        flagged.group_by("campaign_id", maintain_order=True)
        .agg(
            pl.col("score").max(),
            pl.col("q_value").min(),
            n_families=pl.len(),
            family_ids=pl.col("family_id"),
        )
        .join(counts, on="campaign_id", how="left", maintain_order="left")
        .with_columns(rank=pl.int_range(1, pl.len() + 1))
        .select(CAMPAIGNS.names())
        .cast(CAMPAIGNS)
    )


def accounts_table(families: pl.DataFrame, assignments: pl.DataFrame) -> pl.DataFrame:
    """One row per account with a request in a flagged family: most such requests first, then by id.

    Parameters
    ----------
    families, assignments : DataFrame
        Tables of the run.
    """
    flagged = families.filter(pl.col("flagged")).select("family_id", "campaign_id", "rank")
    every = assignments.group_by("account_id").agg(n_all=pl.len())
    return (
        assignments.join(flagged, on="family_id")
        .sort("rank")
        .group_by("account_id")
        .agg(
            campaign_ids=pl.col("campaign_id").unique(maintain_order=True),
            family_ids=pl.col("family_id").unique(maintain_order=True),
            n_requests=pl.len(),
        )
        .join(every, on="account_id")
        .with_columns(share=pl.col("n_requests") / pl.col("n_all"))
        .sort("n_requests", "account_id", descending=[True, False])
        .select(ACCOUNTS.names())
        .cast(ACCOUNTS)
    )
