"""Campaigns and accounts of a run, from tables small enough to add up by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from clustering.accounts import CampaignAccounts
from clustering.campaign_tables import account_loads, account_scores, accounts_table, campaigns_table
from clustering.tables import ACCOUNTS, ASSIGNMENTS, CAMPAIGNS, FAMILIES
from embedder import Corpus, to_buffer

DAY = [datetime(2026, 3, day, tzinfo=UTC) for day in range(1, 8)]


def families() -> pl.DataFrame:
    rows = {
        "family_id": ["f3", "f1", "f2", "f4"],
        "rank": [3, 1, 2, 4],
        "score": [2.0, 9.0, 5.0, 0.1],
        "p_value": [0.02, 1e-10, 0.004, 0.8],
        "own_p_value": [0.02, 1e-10, 0.004, 0.8],
        "q_value": [0.04, 1e-9, 0.01, 1.0],
        "flagged": [True, True, True, False],
        "campaign_id": ["c1", "c1", "c2", None],
    }
    missing = {
        name: pl.Series([None] * 4, dtype=dtype) for name, dtype in FAMILIES.items() if name not in rows
    }
    return pl.DataFrame({**rows, **missing}).select(FAMILIES.names()).cast(FAMILIES)


def assignments() -> pl.DataFrame:
    sent = [("a", "f1", 0), ("a", "f3", 3), ("a", None, 6), ("b", "f1", 1), ("b", "f2", 2), ("c", "f4", 4)]
    frame = pl.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(len(sent))],
            "account_id": [account for account, _, _ in sent],
            "family_id": [family for _, family, _ in sent],
            "timestamp": [DAY[day] for _, _, day in sent],
        }
    )
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in ASSIGNMENTS.items() if name not in frame.columns
    ]
    return frame.with_columns(missing).select(ASSIGNMENTS.names()).cast(ASSIGNMENTS)


def loads() -> pl.DataFrame:
    return assignments().group_by("account_id").agg(n_all=pl.len())


def test_campaigns_add_up_and_follow_their_first_family() -> None:
    table = campaigns_table(families(), assignments())
    assert dict(table.schema) == dict(CAMPAIGNS)
    first, second = table.iter_rows(named=True)
    assert (first["campaign_id"], first["rank"], first["family_ids"]) == ("c1", 1, ["f1", "f3"])
    assert first["score"] == 9.0
    assert first["q_value"] == pytest.approx(3 * 2e-10, rel=1e-6), "the smaller of two, of three tested"
    assert (first["n_families"], first["n_requests"], first["n_accounts"]) == (2, 3, 2)
    assert (first["first_seen"], first["last_seen"]) == (DAY[0], DAY[3])
    assert (second["campaign_id"], second["rank"], second["n_requests"]) == ("c2", 2, 1)


def test_accounts_of_flagged_families_only_with_their_share() -> None:
    table = accounts_table(families(), assignments(), loads())
    assert dict(table.schema) == dict(ACCOUNTS)
    assert table["account_id"].to_list() == ["a", "b"]
    a, b = table.iter_rows(named=True)
    assert (a["n_requests"], a["share"], a["family_ids"], a["campaign_ids"]) == (
        2,
        2 / 3,
        ["f1", "f3"],
        ["c1"],
    )
    assert (b["n_requests"], b["share"], b["family_ids"], b["campaign_ids"]) == (
        2,
        1.0,
        ["f1", "f2"],
        ["c1", "c2"],
    )


def test_nothing_flagged_leaves_both_empty() -> None:
    calm = families().with_columns(flagged=False, campaign_id=pl.lit(None, pl.String))
    assert campaigns_table(calm, assignments()).height == 0
    assert accounts_table(calm, assignments(), loads()).height == 0


def test_scores_are_those_of_the_accounts_behind_a_principal() -> None:
    requests = pl.DataFrame({"account_row": [0, 0, 1, 2], "principal_row": [1, 1, 1, 0]}).cast(pl.UInt32)
    accounts = pl.DataFrame({"account_id": ["a", "b", "c"]})
    none = pl.DataFrame()
    corpus = Corpus(
        none, to_buffer(pl.Series(dtype=pl.String)), requests, accounts, none, none, none, 4, 0, 0, 0, ()
    )
    found = CampaignAccounts(
        np.zeros(1, np.int64), np.ones(1, np.int64), np.ones(1, np.int64), np.array([0.7])
    )
    assert account_loads(corpus).rows() == [("a", 2), ("b", 1), ("c", 1)]
    scores = account_scores(found, corpus)
    assert scores.to_dict(as_series=False) == {"account_id": ["a", "b"], "score": [0.7, 0.7]}
    table = accounts_table(families(), assignments(), loads(), scores)
    assert table["account_id"].to_list() == ["a", "b"]
