"""The look-alikes: each is what its name says, at any size, and another one for another seed."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from clustering.simulation import LOOKALIKES, SimulationSettings
from clustering.simulation.accounts import HOUR_US, World, make_people, make_world
from clustering.simulation.adopters import loads_of, parts
from clustering.simulation.lookalike_texts import customers_texts, draw_template, record_kinds
from clustering.simulation.lookalikes import WRITERS
from clustering.simulation.unattended import program_times

NOTHING = SimulationSettings(n_requests=2_000, campaigns=(), lookalikes=())
# Least and most accounts of 2,000 requests in any seed: what the name allows.
ACCOUNTS = {
    "product_seats": (20, 700),
    "open_product": (100, 1_500),
    "api_pipelines": (15, 900),
    "cron_digests": (140, 900),
    "batch_job": (1, 2),
    "translation_batch": (2, 20),
    "support_bot": (1, 2),
    "seo_farm": (1, 6),
    "ci_prompts": (1, 40),
    "retry_storm": (20, 700),
    "viral_templates": (250, 2_000),
    "marketplace": (30, 1_100),
    "small_talk": (400, 2_000),
    "popular_question": (1_000, 2_000),
    "hostile_samples": (130, 1_100),
    "framework_default": (25, 1_100),
    "few_shot_chat": (30, 1_100),
    "shared_links": (500, 1_700),
    "reseller": (40, 700),
    "gateway": (1, 12),
    "benchmark": (3, 60),
    "release_benchmarking": (120, 1_050),
    "classroom": (80, 750),
    "hackathon": (30, 600),
    "sample_code": (600, 2_000),
    "try_frameworks": (200, 1_050),
}


@cache
def world() -> World:
    return make_world(NOTHING)


def written(name: str, n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng([seed, *name.encode()])
    crowd = make_people(world(), 2_000, rng=rng)
    return pl.concat(WRITERS[name](world(), crowd, n, rng=rng))


def test_every_name_has_a_writer_and_every_writer_a_name() -> None:
    assert set(WRITERS) == set(LOOKALIKES) == set(ACCOUNTS)


@pytest.mark.parametrize("name", list(WRITERS))
@pytest.mark.parametrize("n", [1, 2, 9, 100])
def test_size_is_kept_and_texts_are_whole(name: str, n: int) -> None:
    frame = written(name, n, seed=n)
    assert frame.height == n
    assert (frame["kind"] == f"benign:{name}").all()
    assert frame["time"].is_between(0, world().window_us, closed="left").all()
    assert (frame["prompt"].str.strip_chars().str.len_chars() > 0).all()
    if name != "hostile_samples":
        open_slots = r"\{[a-z_]+\}|\{\d+\.\.\d+\}|<(data|date|thing|task|ask|payload|problem|[a-z]_[a-z]+)>"
        texts = pl.concat([frame["prompt"], frame["system_prompt"].drop_nulls()])
        assert texts.filter(texts.str.contains(open_slots)).to_list() == []
    carried = frame.drop_nulls("messages")
    assert (carried["messages"].list.last().struct.field("content") == carried["prompt"]).all()


@pytest.mark.parametrize("name", list(WRITERS))
def test_accounts_are_as_many_as_the_name_allows_and_as_the_seed_draws(name: str) -> None:
    n_accounts = [written(name, 2_000, seed)["account_id"].n_unique() for seed in range(5)]
    low, high = ACCOUNTS[name]
    assert low <= min(n_accounts)
    assert max(n_accounts) <= high
    if high > 10:
        assert len(set(n_accounts)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", list(WRITERS))
def test_a_hundred_thousand_requests_are_of_more_accounts(name: str) -> None:
    few, many = (written(name, n, seed=1) for n in (2_000, 100_000))
    assert many.height == 100_000
    assert many["account_id"].n_unique() > few["account_id"].n_unique()
    assert many["account_id"].n_unique() < 90_000


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"small_talk", "hostile_samples", "popular_question"}))
def test_another_seed_is_another_world(name: str) -> None:
    """At most half of the distinct prompts and system prompts of one seed are there in another."""
    texts = [
        set(frame.select(pl.concat_str("system_prompt", "prompt", ignore_nulls=True)).to_series())
        for frame in (written(name, 1_000, seed) for seed in (3, 4))
    ]
    assert len(texts[0] & texts[1]) <= 0.5 * min(map(len, texts))


def test_one_principal() -> None:
    for name in ("product_seats", "gateway"):
        groups = written(name, 4_000, 0).group_by("group").agg(pl.col("org_id").n_unique())
        assert set(groups["org_id"]) == {1}
    assert written("open_product", 500, 0)["org_id"].null_count() == 500


def test_lists_are_fixed_where_everybody_has_the_same_items() -> None:
    for name in ("benchmark", "ci_prompts", "classroom", "release_benchmarking"):
        frame = written(name, 2_000, 1)
        assert frame["prompt"].str.to_lowercase().n_unique() < 0.5 * frame.height, name
    shared = written("benchmark", 2_000, 1).group_by("prompt").agg(pl.col("account_id").n_unique())
    assert np.mean(shared["account_id"].to_numpy() > 1) > 0.5


def test_laboratories_run_all_or_parts() -> None:
    n_items = [
        written("benchmark", 2_000, seed)
        .group_by("account_id")
        .agg(pl.col("prompt").n_unique())["prompt"]
        .to_numpy()
        for seed in range(3)
    ]
    assert any(each.max() >= 1.3 * each.min() for each in n_items)


def test_storms_are_seconds_apart_and_hackathons_on_weekends() -> None:
    storm = written("retry_storm", 500, 0).sort("account_id", "prompt", "time")
    gaps = storm.select(pl.col("time").diff().over("account_id", "prompt")).drop_nulls().to_series()
    assert np.median(gaps.to_numpy()) < 300e6
    hackathon = written("hackathon", 500, 0)["time"].to_numpy() // (24 * HOUR_US)
    assert set((NOTHING.start.weekday() + hackathon) % 7) <= {5, 6}


def test_farm_sweeps_a_grid() -> None:
    prompts = written("seo_farm", 800, 2).sort("time")["prompt"]
    assert prompts.is_unique().all()


def test_canned_history_is_common_and_a_shared_link_is_not() -> None:
    canned = written("few_shot_chat", 300, 0)
    heads = canned.select(pl.col("messages").list.head(2)).to_series()
    assert heads.n_unique() == canned["group"].n_unique()
    links = written("shared_links", 600, 0)
    seen = links.select(
        "account_id",
        "time",
        "messages",
        head=pl.col("messages").list.slice(0, pl.col("messages").list.len() - 2),
    ).filter(pl.col("head").list.len() > 1)
    before = links.select("messages", owner="account_id", asked="time")
    hops = seen.join(before, left_on="head", right_on="messages").filter(
        pl.col("account_id") != pl.col("owner")
    )
    assert hops.height > 50
    assert (hops["time"] > hops["asked"]).mean() > 0.8  # type: ignore[operator]


def test_customers_keep_to_their_own_matter() -> None:
    """In one log they are in one trade and hardly told apart; in another each has its own words."""
    own, others = [], []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        customers = make_people(world(), 40, rng=rng)
        who = np.repeat(np.arange(40), 30)
        texts = customers_texts(world(), customers, who, rng=rng).tolist()
        words = [set(" ".join(texts[15 * half : 15 * half + 15]).split()) for half in range(80)]
        overlap = np.array([[len(a & b) / len(a | b) for b in words[1::2]] for a in words[0::2]])
        own.append(np.diag(overlap).mean())
        others.append((overlap.sum() - np.trace(overlap)) / (40 * 39))
    ratios = np.array(own) / np.array(others)
    assert 0.95 < ratios.min() < 1.4
    assert np.median(ratios) > 1.3
    assert ratios.max() > 3.0


def test_programs_have_minutes_and_dates_of_their_own() -> None:
    rng = np.random.default_rng(1)
    people = make_people(world(), 400, rng=rng)
    who = np.repeat(np.arange(400), 50)
    times = program_times(world(), people, who, rng=rng).reshape(400, 50)
    spans = np.ptp(times, axis=1) / world().window_us
    assert 0.1 < np.mean(spans < 0.6) < 0.8
    minutes = times // (HOUR_US // 60) % 60
    few = np.array([len(np.unique(row)) for row in minutes])
    assert (few <= 12).any()
    assert (few > 20).any()


def test_groups_and_loads() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 5, 3_000, 200_000):
        sizes = parts(n, 500, rng=rng)
        assert sum(sizes) == n
        assert min(sizes, default=1) >= 1
    tops = []
    for _ in range(40):
        who = loads_of(3_000, (5.0, 20.0), rng=rng)
        counts = np.bincount(who)
        assert len(who) == 3_000
        assert counts.min() >= 1
        assert 140 <= len(counts) <= 620
        assert (np.diff(who) >= 0).all()
        tops.append(counts.max() / counts.mean())
    assert min(tops) < 4
    assert max(tops) > 20


def test_templates_are_drawn() -> None:
    rng = np.random.default_rng(0)
    for kind in ("viral", "menu", "request", "system", "pipeline", "benchmark", "product"):
        assert len({draw_template(kind, rng=rng) for _ in range(40)}) > 20, kind
    assert len(record_kinds()) > 10
