"""Plants: new ids in the log's style, in its period, columns and models; exact shares; own payloads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.drill.identifiers import id_style
from clustering.drill.payloads import carrying
from clustering.drill.planting import Planted, plant, write_planted
from clustering.drill.profile import LogProfile, log_profile
from clustering.drill.settings import DrillSettings, possible_shares, sized
from clustering.run_settings import RunSettings
from clustering.simulation import CAMPAIGNS, PRESETS, CampaignPlan, SimulationSettings, simulate
from embedder import Corpus, build_corpus
from embedder.reading import LOG_COLUMNS

LOG = SimulationSettings(n_requests=2_000, campaigns=(), campaign_share=None, days=10, release_day=4.0)
OWN = tuple(f"the log's own question {n} about {n * n}" for n in range(400))


@pytest.fixture(scope="module")
def requests() -> pl.DataFrame:
    return simulate(LOG, seed=3).requests


def corpus_of(requests: pl.DataFrame, folder: Path) -> Corpus:
    requests.write_parquet(folder / "log.parquet")
    return build_corpus(folder / "log.parquet")


def planted_in(
    requests: pl.DataFrame, folder: Path, *plans: CampaignPlan, seed: int = 0
) -> tuple[LogProfile, Planted]:
    profile = log_profile(corpus_of(requests, folder))
    return profile, plant(profile, OWN, plans or (CampaignPlan("trace", 200, 40),), seed=seed)


@settings(max_examples=60)
@given(
    st.lists(st.text(st.sampled_from("ab19-_ÄZ/用"), max_size=6), max_size=30),
    st.integers(0, 40),
    st.integers(0, 5),
)
def test_new_ids_are_distinct_and_none_of_the_logs(ids: list[str], n: int, seed: int) -> None:
    style = id_style(pl.Series(ids, dtype=pl.String))
    drawn = style.draw(n, rng=np.random.default_rng(seed))
    assert drawn.n_unique() == len(drawn) == n
    assert not set(drawn) & set(ids)
    assert drawn.equals(style.draw(n, rng=np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("ids", "pattern"),
    [
        (["acct_0fe1", "acct_9b3c", "acct_77ad"], r"^acct_[0-9a-f]{4}0*$"),
        (["7f3e1a22-9b0c-4d5e", "0a1b2c3d-4e5f-6071"], r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}$"),
        (["ORG-AB-17", "ORG-CZ-99"], r"^ORG-[ABCZ]{2}-[179]+$"),
        ([str(n) for n in range(1_000)], r"^\d+$"),
    ],
)
def test_new_ids_look_like_the_logs(ids: list[str], pattern: str) -> None:
    drawn = id_style(pl.Series(ids)).draw(100 if len(ids) > 9 else 6, rng=np.random.default_rng(0))
    assert drawn.str.contains(pattern).all()


def test_ids_of_a_log_that_has_none() -> None:
    drawn = id_style(pl.Series([None, None], dtype=pl.String)).draw(50, rng=np.random.default_rng(0))
    assert drawn.n_unique() == 50


def test_plants_are_labelled_and_collide_with_nothing(requests: pl.DataFrame, tmp_path: Path) -> None:
    plans = (CampaignPlan("trace", 200, 40, mixing=0.3), CampaignPlan("grid", 90, 30))
    _, made = planted_in(requests, tmp_path, *plans)
    assert made.requests.columns == list(LOG_COLUMNS)
    assert made.requests["request_id"].equals(made.truth["request_id"])
    assert made.requests["account_id"].equals(made.truth["account_id"])
    counts = dict(made.truth.group_by(pl.concat_str("kind", "group", separator=" ")).len().iter_rows())
    assert counts == {"campaign trace": 200, "campaign grid": 90, "organic trace": plans[0].n_ordinary}
    extraction = made.truth.filter(pl.col("kind") == "campaign")
    assert extraction.filter(pl.col("family").str.split("/").list.first() != pl.col("group")).is_empty()
    for column in ("request_id", "account_id"):
        assert not set(made.requests[column]) & set(requests[column])
    accounts = extraction.group_by("account_id").agg(pl.col("group").n_unique())
    assert accounts["group"].max() == 1
    assert extraction.filter(pl.col("group") == "grid")["account_id"].n_unique() == 30


def test_plants_look_like_the_log(requests: pl.DataFrame, tmp_path: Path) -> None:
    renamed = {
        "atlas-1": "ours",
        "atlas-1-mini": "small",
        "atlas-1-large": "big",
        "atlas-2": "next",
    }
    log = requests.with_columns(
        pl.col("model").replace(renamed), org_id="corp-" + pl.col("account_id"), output_tokens="output_tokens"
    )
    log = log.with_columns(output_tokens=pl.col("output_tokens") * 100)
    profile, made = planted_in(log, tmp_path, CampaignPlan("trace", 600, 60, pivots=True))
    plants = made.requests
    assert (profile.new_model, profile.models[0]) == (
        "next",
        log.filter(pl.col("model") != "next")["model"].mode()[0],
    )
    assert set(plants["model"]) <= set(renamed.values())
    assert plants.filter(pl.col("model") == "next")["timestamp"].min() >= profile.released  # type: ignore[operator]
    first, last = log["timestamp"].min(), log["timestamp"].max()
    assert plants["timestamp"].is_between(pl.lit(first), pl.lit(last)).all()
    assert plants["org_id"].n_unique() == plants["account_id"].n_unique()
    assert plants["org_id"].str.starts_with("corp-acct_").all()
    assert plants["output_tokens"].median() > 10_000  # type: ignore[operator]


def test_columns_that_the_log_lacks_are_not_given_away(requests: pl.DataFrame, tmp_path: Path) -> None:
    bare = requests.select("account_id", "prompt")
    profile, made = planted_in(bare, tmp_path, CampaignPlan("trace", 200, 40, mixing=0.5, relayed=0.2))
    assert profile.first is None
    empty = set(LOG_COLUMNS) - {"request_id", "account_id", "prompt"}
    assert all(made.requests[name].null_count() == made.requests.height for name in empty)
    assert made.requests["prompt"].null_count() == 0


def test_values_are_missing_as_often_as_in_the_log(requests: pl.DataFrame, tmp_path: Path) -> None:
    half = pl.int_range(pl.len()) % 2 == 0
    log = requests.with_columns(timestamp=pl.when(half).then("timestamp"), model=pl.when(half).then("model"))
    _, made = planted_in(log, tmp_path, CampaignPlan("trace", 1_000, 100))
    for name in ("timestamp", "model"):
        assert 0.42 < made.requests[name].null_count() / made.requests.height < 0.58


@pytest.mark.parametrize("hours", [0.0, 0.01, 5.0, 25.0, 60.0])
def test_plants_keep_to_the_period_of_a_short_log(
    hours: float, requests: pl.DataFrame, tmp_path: Path
) -> None:
    begin = datetime(2026, 5, 4, 21, 30, tzinfo=UTC)
    part = np.linspace(0.0, 1.0, requests.height)
    times = [begin + timedelta(hours=hours * place) for place in part.tolist()]
    log = requests.with_columns(timestamp=pl.Series(times, dtype=pl.Datetime("us", "UTC")))
    _, made = planted_in(log, tmp_path, CampaignPlan("trace", 300, 40, schedule="people", mixing=0.5))
    end = begin + timedelta(hours=hours)
    assert made.requests["timestamp"].is_between(pl.lit(begin), pl.lit(end)).all()
    if hours:
        sent = made.requests["timestamp"].to_list()
        assert max(sent) - min(sent) > timedelta(hours=hours / 2)


def test_half_of_the_payloads_are_the_logs_own(requests: pl.DataFrame, tmp_path: Path) -> None:
    for plan in (CampaignPlan("qwen", 400, 40), CampaignPlan("rubric", 400, 40, disguises=("greetings",))):
        _, made = planted_in(requests, tmp_path, plan)
        own = made.requests["prompt"].str.contains("the log's own question", literal=True)
        assert 0.35 < own.mean() < 0.65  # type: ignore[operator]
        wrapped = made.requests.filter(own & made.requests["system_prompt"].is_null())["prompt"]
        assert (wrapped.str.len_chars() > 200).all()  # the wrapper still stands around it


def test_what_is_sent_again_stays_the_same(requests: pl.DataFrame, tmp_path: Path) -> None:
    _, made = planted_in(requests, tmp_path, CampaignPlan("trace", 400, 60))
    tails = made.requests.join(made.truth, on="request_id").filter(pl.col("family") == "trace/tags_tail")
    assert tails["prompt"].n_unique() <= tails.height / 2 + 1


def test_ordinary_requests_of_the_pool_are_the_logs_own(requests: pl.DataFrame, tmp_path: Path) -> None:
    _, made = planted_in(requests, tmp_path, CampaignPlan("grid", 200, 40, mixing=0.6))
    ordinary = made.requests.join(made.truth, on="request_id").filter(pl.col("kind") == "organic")
    own = ordinary["prompt"].str.to_lowercase().str.contains("log|question|about")
    assert own.mean() > 0.7  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "edges", "expected"),
    [
        ("Do it:\nold", [("Do it:\n", "")], "Do it:\nNEW"),
        ("hi. Q: old\nA: x", [("Q: ", "\nA: ")], "hi. Q: NEW\nA: x"),
        ("Q: old", [("Z: ", ""), ("Q: ", "\nA: "), ("Q: ", "")], "Q: NEW"),
        ("D0 it:\nold", [("Do it:\n", "")], "D0 it:\nold"),
        ("old", [("", "")], "NEW"),
        ("old", [], "old"),
    ],
)
def test_a_payload_takes_the_place_of_another(text: str, edges: list[tuple[str, str]], expected: str) -> None:
    assert carrying(text, "NEW", edges) == expected


def test_plants_are_deterministic_and_do_not_depend_on_row_order(
    requests: pl.DataFrame, tmp_path: Path
) -> None:
    _, made = planted_in(requests, tmp_path)
    _, again = planted_in(requests.sample(fraction=1.0, shuffle=True, seed=5), tmp_path)
    _, other = planted_in(requests, tmp_path, seed=1)
    assert made.requests.equals(again.requests)
    assert made.truth.equals(again.truth)
    assert set(made.requests["prompt"]) != set(other.requests["prompt"])


def test_a_campaign_does_not_depend_on_its_neighbours(requests: pl.DataFrame, tmp_path: Path) -> None:
    trace, grid = CampaignPlan("trace", 200, 40), CampaignPlan("grid", 90, 30)
    _, alone = planted_in(requests, tmp_path, trace)
    _, both = planted_in(requests, tmp_path, trace, grid)
    of_trace = both.requests.filter((both.truth["group"] == "trace").to_numpy())
    assert of_trace["prompt"].equals(alone.requests["prompt"])


@pytest.mark.parametrize("share", [0.05, 0.011, 0.002])
@pytest.mark.parametrize("names", [tuple(PRESETS), ("trace",), ("trace", "rubric", "relay")])
def test_shares_are_exact_within_rounding(names: tuple[str, ...], share: float) -> None:
    plans = sized(DrillSettings(names).plans, share, 40_000)
    total = 40_000 + sum(plan.n_requests + plan.n_ordinary for plan in plans)
    for plan in plans:
        assert abs(plan.n_requests - share * total) <= 1 + share * len(plans)
        assert plan.n_accounts >= 5


def test_shares_that_cannot_be() -> None:
    plans = (CampaignPlan("trace", mixing=0.8),)
    for share, word in ((0.001, "too few"), (0.3, "more than half")):
        with pytest.raises(ValueError, match=word):
            possible_shares(DrillSettings(plans, shares=(share,)), [plans], 4_000)
    assert possible_shares(DrillSettings(plans), [plans], 4_000) == (0.05, 0.01, 0.005)
    with pytest.raises(ValueError, match="none of the shares"):
        possible_shares(DrillSettings(plans), [plans], 50)
    smaller = DrillSettings(plans, run=RunSettings(min_family=5))
    assert possible_shares(smaller, [plans], 8_000)[-1] == 0.001


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"campaigns": ()}, "none to plant"),
        ({"campaigns": ("nobody",)}, "unknown"),
        ({"campaigns": ("trace", "trace")}, "twice"),
        ({"shares": (0.0,)}, "share=0"),
        ({"shares": (0.6,)}, "share=0.6"),
        ({"shares": (0.1, 0.1)}, "once"),
    ],
)
def test_settings_say_what_is_wrong(given: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        DrillSettings(**given)  # type: ignore[arg-type]


def test_every_campaign_can_be_planted(requests: pl.DataFrame, tmp_path: Path) -> None:
    profile = log_profile(corpus_of(requests, tmp_path))
    plans = sized(DrillSettings((*CAMPAIGNS, *PRESETS)).plans, 0.01, requests.height)
    made = plant(profile, OWN, plans, seed=0)
    assert set(made.truth["group"]) == {*CAMPAIGNS, *PRESETS}


@pytest.mark.parametrize("own", [(), ("\ue000 {payload} %s \x1b[31m\u200b",) * 200])
def test_no_prompts_or_hostile_ones(own: tuple[str, ...], requests: pl.DataFrame, tmp_path: Path) -> None:
    profile = log_profile(corpus_of(requests, tmp_path))
    plan = CampaignPlan("trace", 200, 40, mixing=0.3, relayed=0.2)
    assert plant(profile, own, (plan,), seed=0).requests["prompt"].null_count() == 0


def test_the_file_has_the_logs_column_names(requests: pl.DataFrame, tmp_path: Path) -> None:
    nested = {"prompt": "body.text", "account_id": "user", "timestamp": "at"}
    lines = [
        json.dumps({"body": {"text": row["prompt"]}, "user": row["account_id"], "at": str(row["timestamp"])})
        for row in requests.head(300).iter_rows(named=True)
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(lines), encoding="utf-8")
    profile = log_profile(build_corpus(log, columns=nested))
    planted = plant(profile, OWN, (CampaignPlan("trace", 60, 30),), seed=0)
    file = write_planted(planted, tmp_path, columns=nested)
    both = build_corpus([log, file], columns=nested)
    assert both.requests.height == 360
    assert set(planted.truth["request_id"]) <= set(both.requests["request_id"])
    assert both.requests["timestamp"].null_count() == 0
