"""Campaigns: geometries, schedules, pools, subjects, disguises, languages, presets, names in the truth."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.simulation import (
    CAMPAIGNS,
    PRESETS,
    CampaignPlan,
    SimulationSettings,
    drawn_plans,
    preset_in,
    simulate,
)
from clustering.simulation.accounts import make_world
from clustering.simulation.disguises import shuffled_phrases
from clustering.simulation.grammar import LANGUAGES, slots_of
from clustering.simulation.payloads import N_SHARDS, campaign_grammar
from clustering.simulation.plans import DISGUISES, LOADS, SCHEDULES, WRAPPER_LANGUAGES
from clustering.simulation.recipes import Recipe, queue_of, recipes_of, wordings_of

LOG = SimulationSettings(n_requests=4_000, campaigns=(), lookalikes=(), campaign_share=None)
WORLD = make_world(LOG)
NAMES = [*CAMPAIGNS, *PRESETS]


def sent(plan: CampaignPlan, *, seed: int = 0, log: SimulationSettings = LOG) -> pl.DataFrame:
    """All requests of a campaign's accounts that belong to it, with their truth."""
    made = simulate(replace(log, campaigns=(plan,)), seed=seed)
    rows = made.requests.join(made.truth, on="request_id", validate="1:1")
    return rows.filter(pl.col("group") == plan.label)


def extraction(plan: CampaignPlan, *, seed: int = 0) -> pl.DataFrame:
    return sent(plan, seed=seed).filter(pl.col("kind") == "campaign")


def shared_head(texts: list[str]) -> str:
    """What all texts begin with."""
    first, last = min(texts), max(texts)
    n = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[:n]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", WRAPPER_LANGUAGES)
def test_every_recipe_speaks_every_language(name: str, language: str) -> None:
    plan = CampaignPlan(name, 240, 30, language=language, disguises=("paraphrases",))
    rows = extraction(plan, seed=1)
    assert rows.height == 240
    assert rows["org_id"].null_count() == rows.height
    templates = set(rows["family"].str.split("/").list.last().str.split("#").list.first())
    assert templates == {recipe.template for recipe in recipes_of(name)}
    english = [wordings_of(name, recipe, "en") for recipe in recipes_of(name)]
    own = [wordings_of(name, recipe, language) for recipe in recipes_of(name)]
    for first, listed in zip(english, own, strict=True):
        assert len(set(listed)) == len(listed) >= (1 if listed[0] == "{payload}" else 2)
        assert {frozenset(slots_of(text)) for text in (*first, *listed)} == {frozenset(slots_of(first[0]))}
    assert not rows["prompt"].str.contains(r"\{[a-z_]+\}").any()


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    n=st.integers(1, 120),
    accounts=st.integers(1, 60),
    schedule=st.sampled_from(SCHEDULES),
    loads=st.sampled_from(LOADS),
    mixing=st.sampled_from([0.0, 0.5, 0.95]),
    flags=st.tuples(*[st.booleans()] * 3),
    pools=st.integers(1, 4),
    disguises=st.sets(st.sampled_from(DISGUISES)),
    languages=st.tuples(st.sampled_from(WRAPPER_LANGUAGES), st.sampled_from([None, *LANGUAGES])),
    bare=st.sampled_from([(0.0, 0.0), (0.4, 0.3), (1.0, 0.0), (0.0, 1.0)]),
    days=st.integers(1, 15),
)
def test_every_combination_is_possible(
    name: str, n: int, accounts: int, schedule: str, loads: str, mixing: float,
    flags: tuple[bool, bool, bool], pools: int, disguises: set[str],
    languages: tuple[str, str | None], bare: tuple[float, float], days: int,
) -> None:  # fmt: skip
    plan = CampaignPlan(
        name, n, accounts, schedule=schedule, loads=loads, mixing=mixing, pools=pools, relays=flags[0],
        pivots=flags[1], shards=flags[2], disguises=tuple(sorted(disguises)), language=languages[0],
        payload_language=languages[1], plain=bare[0], relayed=bare[1], group="mine",
    )  # fmt: skip
    rows = sent(plan, log=replace(LOG, days=days))
    kinds = dict(rows.group_by("kind").len().iter_rows())
    assert kinds.get("campaign", 0) == n
    assert kinds.get("organic", 0) == plan.n_ordinary
    assert rows.filter(pl.col("kind") == "campaign")["account_id"].n_unique() <= accounts
    assert (rows["timestamp"] < LOG.start + timedelta(days=days)).all()
    assert (rows["prompt"].str.len_chars() > 0).all()
    assert rows.filter(pl.col("kind") == "campaign")["family"].str.starts_with("mine/").all()


@pytest.mark.parametrize(
    ("family", "where"),
    [("trace/tags_head", "head"), ("trace/tags_tail", "tail"), ("trace/system_tags", "system")],
)
def test_wrappers_are_shared_to_the_letter(family: str, where: str) -> None:
    rows = extraction(CampaignPlan("trace", 340, 110), seed=4).filter(pl.col("family") == family)
    prompts = rows["prompt"].to_list()
    if where == "system":
        assert rows["system_prompt"].n_unique() == 1
    elif where == "head":
        assert len(shared_head(prompts)) > 150
    else:
        assert len(shared_head([prompt[::-1] for prompt in prompts])) > 150
    assert rows["prompt"].n_unique() >= len(prompts) / 2 - 1  # around arbitrary payloads


def test_paraphrases_are_families_of_their_own() -> None:
    rows = extraction(CampaignPlan("rubric", 400, 40, disguises=("paraphrases",)))
    grades = rows.filter(pl.col("family").str.starts_with("rubric/grade"))
    assert set(grades["family"]) == {"rubric/grade#1", "rubric/grade#2", "rubric/grade#3"}
    heads = [shared_head(part["prompt"].to_list()) for part in grades.partition_by("family")]
    assert min(map(len, heads)) > 20
    assert len({head[:20] for head in heads}) == 3


def test_grid_is_swept_and_one_prompt_resampled() -> None:
    whole = 7 * 3 * 6 * 30
    assert extraction(CampaignPlan("grid", whole, 36))["prompt"].is_unique().all()
    again = extraction(CampaignPlan("grid", whole + 10, 36, disguises=("paraphrases",)))
    assert again["family"].n_unique() == 3
    assert whole <= again["prompt"].n_unique() <= whole + 10
    resampled = extraction(CampaignPlan("resample", 120, 30))
    assert resampled.group_by("family").agg(pl.col("prompt").n_unique())["prompt"].to_list() == [1] * 5


def test_queue_has_each_item_as_often_as_sampled() -> None:
    recipe = Recipe("tags_tail", 1.0, samples=3)
    nobody = np.full(31, -1)
    queue = queue_of(WORLD, CampaignPlan("trace"), recipe, nobody, rng=np.random.default_rng(0), once={})
    prompts = queue.prompts.tolist()
    assert [prompts.count(prompts[i]) for i in (0, 3, 27)] == [3, 3, 3]
    assert prompts.count(prompts[30]) == 1


def test_plain_and_relayed_parts() -> None:
    rows = extraction(CampaignPlan("personas", 600, 60, plain=0.3, relayed=0.3))
    share = dict(rows.group_by("family").len().with_columns(pl.col("len") / 600).iter_rows())
    assert 0.22 < share["personas/plain:payloads"] < 0.38
    assert 0.22 < share["personas/plain:relayed"] < 0.38
    relayed = rows.filter(pl.col("family") == "personas/plain:relayed")
    assert relayed["messages"].null_count() == 0
    assert relayed["messages"].list.len().to_numpy().max() > 2
    assert rows.filter(pl.col("family") != "personas/plain:relayed")["messages"].is_null().all()


def test_loads_and_mixing() -> None:
    rows = sent(CampaignPlan("rubric", 300, 25, schedule="people", mixing=0.8), seed=1)
    assert set(rows.filter(pl.col("kind") == "campaign")["account_id"].value_counts()["count"]) == {12}
    assert rows.filter(pl.col("kind") == "organic").height == 1_200


def spans(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.group_by("account_id")
        .agg(first=pl.col("timestamp").min(), last=pl.col("timestamp").max())
        .sort("first")
    )


def test_schedules_show() -> None:
    plans = {name: CampaignPlan("grid", 600, 32, schedule=name) for name in SCHEDULES}
    rows = {name: extraction(plan, seed=6) for name, plan in plans.items()}
    lengths = spans(rows["slices"]).select(pl.col("last") - pl.col("first")).to_series()
    assert lengths.max() <= timedelta(hours=10)  # type: ignore[operator]
    assert rows["round_the_clock"]["timestamp"].dt.hour().n_unique() == 24
    assert rows["office"]["timestamp"].dt.weekday().is_in([6, 7]).mean() < 0.15  # type: ignore[operator]
    assert rows["bursts"]["timestamp"].dt.truncate("1h").n_unique() <= 11 * 4
    at_once = {
        name: rows[name]
        .group_by(pl.col("timestamp").dt.truncate("1m"))
        .agg(pl.col("account_id").n_unique())["account_id"]
        .to_numpy()
        .mean()
        for name in ("groups", "round_the_clock")
    }
    assert at_once["groups"] > 2.5 * at_once["round_the_clock"]


def test_pools_follow_one_another() -> None:
    pools = spans(extraction(CampaignPlan("grid", 600, 30, pools=3), seed=6))
    for ban in (10, 20):
        assert pools["last"][:ban].max() < pools["first"][ban:].min()  # type: ignore[operator]


def test_pivot_moves_half_the_accounts_within_a_day() -> None:
    rows = extraction(CampaignPlan("rubric", 1_000, 50, pivots=True))
    after = rows.filter(pl.col("timestamp") > LOG.start + timedelta(days=9))
    new = after.group_by("account_id").agg((pl.col("model") == "atlas-2").mean())["model"].to_numpy()
    assert set(new) == {0.0, 1.0}
    assert 0.4 < new.mean() < 0.6


def test_shards_keep_accounts_to_a_subject() -> None:
    def subjects(plan: CampaignPlan) -> float:
        word = pl.col("prompt").str.extract("(kernel|balls|patient|switches|budget)")
        known = extraction(plan).with_columns(subject=word).drop_nulls("subject")
        of_account = known.group_by("account_id").agg(pl.col("subject").n_unique())
        return float(of_account["subject"].to_numpy().mean())

    assert subjects(CampaignPlan("instructions", 800, 20, shards=True)) < 1.6
    assert subjects(CampaignPlan("instructions", 800, 20)) > 2.5
    for language in WRAPPER_LANGUAGES:
        parts = [campaign_grammar(language, language, (), k).alternatives["payload"] for k in range(N_SHARDS)]
        assert sum(map(len, parts)) == len(campaign_grammar(language, language).alternatives["payload"])


@pytest.mark.parametrize("disguise", ["greetings", "nonces", "invisible", "homoglyphs", "case"])
def test_disguises_change_the_text_and_say_the_same(disguise: str) -> None:
    plan = CampaignPlan("operators", 60, 20)
    bare, worn = extraction(plan), extraction(replace(plan, disguises=(disguise,)))
    assert bare.drop("prompt").equals(worn.drop("prompt"))
    pairs = list(zip(bare["prompt"], worn["prompt"], strict=True))
    assert np.mean([first != second for first, second in pairs]) > 0.3
    assert len({text[:12] for text in worn["prompt"]}) > len({text[:12] for text in bare["prompt"]})
    for first, second in pairs:
        if disguise in ("greetings", "nonces"):
            assert second.endswith(first)
        elif disguise == "invisible":
            assert "".join(c for c in second if unicodedata.category(c) != "Cf") == first
        elif disguise == "case":
            assert second.lower() == first.lower()
        else:
            assert np.mean([a == b for a, b in zip(first, second, strict=True)]) > 0.5
    if disguise == "homoglyphs":
        assert worn["prompt"].str.contains(r"\p{Cyrillic}").sum() > 20


def test_shuffled_phrases_have_all_parts() -> None:
    rng = np.random.default_rng(0)
    orders = shuffled_phrases("One.\n\n{payload}\n\nThree.", rng=rng)
    assert len(orders) == len(set(orders)) == 6
    assert {frozenset(text.split("\n\n")) for text in orders} == {frozenset(["One.", "{payload}", "Three."])}
    for name in NAMES:
        for recipe in recipes_of(name):
            for language in WRAPPER_LANGUAGES:
                for text in wordings_of(name, recipe, language):
                    for order in shuffled_phrases(text, rng=rng):
                        assert sorted(slots_of(order)) == sorted(slots_of(text))


def test_languages_of_wrappers_and_payloads() -> None:
    rows = extraction(CampaignPlan("instructions", 200, 20, language="zh", payload_language="ar"))
    assert rows["prompt"].str.contains(r"\p{Arabic}").mean() > 0.95  # type: ignore[operator]
    assert rows["prompt"].str.contains(r"\p{Han}").all()
    german = extraction(CampaignPlan("rubric", 100, 20, payload_language="de"))["prompt"]
    assert german.str.contains(r"[äöüß„]").mean() > 0.7  # type: ignore[operator]


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_at_several_scales(name: str) -> None:
    plan = PRESETS[name]
    assert plan.scaled(plan.n_requests).n_accounts == plan.n_accounts
    sizes = [plan.scaled(n) for n in (30, 1_000, 50_000)]
    for small, large in pairwise(sizes):
        assert small.n_accounts < large.n_accounts
        assert small.n_requests / small.n_accounts < large.n_requests / large.n_accounts
    assert sizes[0].n_accounts == 15
    assert sizes[1].n_accounts >= 20
    made = simulate(SimulationSettings(n_requests=20_000, campaigns=(name,), campaign_share=0.02), seed=0)
    assert made.truth.filter(pl.col("kind") == "campaign")["group"].value_counts().rows() == [(name, 400)]


@pytest.mark.parametrize(("name", "n_accounts"), [("qwen", 25_000), ("minimax", 20_000), ("moonshot", 600)])
def test_a_preset_at_full_scale_has_its_reported_accounts(name: str, n_accounts: int) -> None:
    whole = PRESETS[name].n_requests
    full = SimulationSettings(
        n_requests=whole, campaigns=(preset_in(name, whole, 0.01),), campaign_share=0.01
    )
    (plan,) = drawn_plans(full, seed=0)
    assert (plan.n_requests, plan.n_accounts) == (round(0.01 * whole), n_accounts)
    assert preset_in(name, whole, 1e-6).n_accounts == round(1e-6 * whole) // 2
    assert preset_in(name, whole - 1, 0.01) == PRESETS[name]


def test_later_families_begin_late() -> None:
    rows = extraction(replace(PRESETS["moonshot"].scaled(1_000), mixing=0.0))
    begin = rows.group_by("family").agg(pl.col("timestamp").min(), pl.len())
    first = dict(zip(begin["family"], begin["timestamp"], strict=True))
    assert first["moonshot/trace"] > rows["timestamp"].quantile(0.55)  # type: ignore[operator]
    share = dict(zip(begin["family"], begin["len"] / 1_000, strict=True))
    assert 0.13 < share["moonshot/trace"] < 0.27


def test_plans_in_a_log_are_rescaled_once() -> None:
    log = SimulationSettings(n_requests=30_000, campaigns=("trace", "grid"), campaign_share=0.05)
    plans = drawn_plans(log, seed=3)
    assert sum(plan.n_requests for plan in plans) == 1_500
    assert drawn_plans(replace(log, campaigns=plans), seed=9) == plans
