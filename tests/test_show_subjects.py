"""`covey show` finds the family, campaign or account that is meant, and shows the latter two."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest
from report_tables import CALM, HOSTILE, HOSTILE_PROMPTS, Tables, small_run
from test_show import printed

from clustering.report.account_contents import account_detail
from clustering.report.activity import N_BINS
from clustering.report.campaign_contents import campaign_details
from clustering.report.visible import is_hidden
from scripts.account import account_json, account_lines
from scripts.campaign import campaign_json, campaign_lines
from scripts.subjects import find_subject
from scripts.terminal import print_json


@pytest.fixture(scope="module")
def run() -> Tables:
    return small_run()


@pytest.fixture(scope="module")
def campaign(run: Tables) -> str:
    return str(run.campaigns["campaign_id"][0])


def test_ranks_go_first_then_whole_ids_then_starts(run: Tables, campaign: str) -> None:
    assert find_subject(run, "1") == ("family", HOSTILE)
    assert find_subject(run, CALM) == ("family", CALM)
    assert find_subject(run, "aa11") == ("family", HOSTILE)
    assert find_subject(run, campaign) == ("campaign", campaign)
    assert find_subject(run, "account-2") == ("account", "account-2")
    with pytest.raises(ValueError, match="family aa: 2 ids start so"):
        find_subject(run, "aa")
    with pytest.raises(ValueError, match="account acc: 4 ids start so"):
        find_subject(run, "acc")
    for name in ("3", "zz", "", "-1", "\u0661", "account:", "family:zz"):
        with pytest.raises(ValueError, match="ranks are 1 to 2"):
            find_subject(run, name)


def test_a_number_may_be_an_account(run: Tables) -> None:
    numbered = replace(run, assignments=run.assignments.with_columns(account_id=pl.lit("1")))
    assert find_subject(numbered, "1") == ("family", HOSTILE)
    assert find_subject(numbered, "account:1") == ("account", "1")
    assert find_subject(replace(numbered, families=run.families.head(0)), "1") == ("account", "1")


def test_a_whole_id_is_meant_though_another_begins_with_it(run: Tables) -> None:
    names = pl.Series("account_id", ["acct", "acct-2"] * run.assignments.height)[: run.assignments.height]
    both = replace(run, assignments=run.assignments.with_columns(names))
    assert find_subject(both, "acct") == ("account", "acct")


def test_campaign_counts(run: Tables, campaign: str) -> None:
    (detail,) = campaign_details(run, [campaign], n_accounts=2)
    assert detail.sentence.startswith("One hand behind all 3 accounts that send one family, very likely")
    assert sum(detail.activity.timeline) == 2 * len(HOSTILE_PROMPTS)
    assert sum(detail.arrivals) == sum(detail.departures) == 3
    assert len(detail.arrivals) == N_BINS
    assert [row["rank"] for row in detail.families] == [1]
    assert [n for _, n in detail.capabilities] == [24]  # the family's own count
    assert detail.hand_over is None
    assert len(detail.accounts) == 2
    assert [(a.score, a.n_requests, a.share) for a in detail.accounts] == [(0.75, 10, 1.0), (0.75, 10, 1.0)]


def test_hand_over_is_told_where_a_family_shows_it(run: Tables, campaign: str) -> None:
    shown = pl.when(pl.col("flagged")).then(pl.lit(1e-6))
    handed = run.families.with_columns(hand_over=pl.lit(0.97), hand_over_p=shown)
    (detail,) = campaign_details(replace(run, families=handed), [campaign], n_accounts=2)
    assert detail.hand_over is not None
    assert "97%" in detail.hand_over


def test_accounts_in_a_flagged_family_and_in_none(run: Tables) -> None:
    flagged = account_detail(run, HOSTILE_PROMPTS[0], n_prompts=2)
    assert flagged.score == 0.75
    assert flagged.n_flagged == flagged.n_requests == 10
    assert len(flagged.campaign_ids) == 1
    assert [p.rank for p in flagged.prompts] == [1, 1]
    calm = account_detail(run, "account-2", n_prompts=99)
    assert calm.score is None
    assert calm.n_flagged == 0
    assert [entry.row and entry.row["rank"] for entry in calm.families] == [2, None]
    assert sum(entry.n_requests for entry in calm.families) == calm.n_requests == sum(calm.timeline)
    assert sum(entry.share for entry in calm.families) == pytest.approx(1.0)
    times = [p.timestamp for p in calm.prompts]
    assert times == sorted(times)
    shown = printed(*account_lines(run, "account-2", limit=None))
    assert "In no flagged family" in shown
    assert "of no family" in shown


@pytest.mark.parametrize("width", [80, 110])
def test_nothing_of_a_stranger_acts_and_all_fits(run: Tables, campaign: str, width: int) -> None:
    for lines in (
        campaign_lines(run, campaign, limit=9),
        account_lines(run, HOSTILE_PROMPTS[0], limit=9),
    ):
        shown = printed(*lines, width=width)
        assert not {character for character in shown if is_hidden(character)}
        assert max(map(len, shown.splitlines())) <= width


def test_json_holds_what_is_shown(run: Tables, campaign: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json(campaign_json(run, campaign, limit=9))
    found = json.loads(capsys.readouterr().out)
    assert found["campaign_id"] == campaign
    assert [row["rank"] for row in found["families"]] == [1]
    assert len(found["accounts"]) == 3
    print_json(account_json(run, "account-2", limit=9))
    found = json.loads(capsys.readouterr().out)
    assert found["account_id"] == "account-2"
    assert [entry["row"] and entry["row"]["rank"] for entry in found["families"]] == [2, None]


def test_times_may_be_missing(run: Tables, campaign: str) -> None:
    timeless = run.assignments.with_columns(timestamp=pl.lit(None, run.assignments.schema["timestamp"]))
    nowhere = replace(run, assignments=timeless)
    assert "When" not in printed(*campaign_lines(nowhere, campaign, limit=9))
    assert "When" not in printed(*account_lines(nowhere, "account-2", limit=9))
