"""The simulator: determinism, sizes, every campaign and look-alike, times, variety, shared wrappers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.simulation import (
    CAMPAIGNS,
    LOOKALIKES,
    PRESETS,
    Simulation,
    SimulationSettings,
    drawn_plans,
    simulate,
    simulator,
    write_simulation,
)
from clustering.simulation.grammar import LANGUAGES
from clustering.simulation.habits import MOST_MIXING
from clustering.simulation.plans import DISGUISES, LOADS, SCHEDULES, WRAPPER_LANGUAGES

NOTHING = SimulationSettings(n_requests=2_000, campaigns=(), lookalikes=())


def joined(simulation: Simulation) -> pl.DataFrame:
    return simulation.requests.join(simulation.truth, on="request_id", validate="1:1")


def check_simulation(simulation: Simulation, wanted: SimulationSettings) -> None:
    """What holds for every simulated log."""
    requests, truth = simulation.requests, simulation.truth
    assert requests.height == truth.height == wanted.n_requests
    assert requests["request_id"].to_list() == truth["request_id"].to_list()
    assert requests["request_id"].is_unique().all()
    assert requests["timestamp"].dtype == pl.Datetime("us", "UTC")
    assert requests["timestamp"].is_sorted()
    assert truth.columns == ["request_id", "kind", "group", "family"]
    for column in ("request_id", "timestamp", "account_id", "prompt", "model", "output_tokens"):
        assert requests[column].null_count() == 0
    assert (requests["prompt"].str.strip_chars().str.len_chars() > 0).all()
    if requests.height:
        first, last = requests["timestamp"].min(), requests["timestamp"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        assert wanted.start <= first
        assert last < wanted.start + timedelta(days=wanted.days)
        assert requests["output_tokens"].to_numpy().min() >= 1
    is_campaign = truth["kind"] == "campaign"
    assert truth["family"].is_not_null().equals(is_campaign)
    named = truth.filter(is_campaign)
    assert (named["family"].str.split("/").list.first() == named["group"]).all()
    for plan in simulation.plans:
        own = truth.filter(pl.col("group") == plan.label)["kind"].value_counts()
        assert dict(own.iter_rows()).get("campaign", 0) == plan.n_requests
        assert dict(own.iter_rows()).get("organic", 0) == plan.n_ordinary


def test_same_seed_same_frames_and_other_seed_others() -> None:
    wanted = SimulationSettings(n_requests=3_000)
    first, again, other = simulate(wanted, seed=7), simulate(wanted, seed=7), simulate(wanted, seed=8)
    assert first.requests.equals(again.requests)
    assert first.truth.equals(again.truth)
    shared = set(first.requests["account_id"]) & set(other.requests["account_id"])
    assert not shared


def test_same_bytes_in_another_process(tmp_path: Path) -> None:
    write_simulation(replace(NOTHING, n_requests=300), tmp_path / "here", seed=1)
    program = (
        "from clustering.simulation import *; "
        "write_simulation(SimulationSettings(n_requests=300, campaigns=(), lookalikes=()), "
        f"{str(tmp_path / 'there')!r}, seed=1)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1234"}
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1], env=environment
    )
    for name in ("requests.parquet", "truth.parquet", "simulation.json"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_default_log_has_everything_at_its_size() -> None:
    wanted = SimulationSettings()
    simulation = simulate(wanted, seed=0)
    check_simulation(simulation, wanted)
    kinds = dict(simulation.truth.group_by("kind").len().iter_rows())
    assert set(kinds) == {"organic", "campaign"} | {f"benign:{name}" for name in LOOKALIKES}
    assert kinds["campaign"] == round(0.06 * wanted.n_requests)
    benign = sum(n for kind, n in kinds.items() if kind.startswith("benign:"))
    assert benign == round(0.22 * wanted.n_requests)
    for name, weight in LOOKALIKES.items():
        expected = 0.22 * wanted.n_requests * weight / sum(LOOKALIKES.values())
        assert abs(kinds[f"benign:{name}"] - expected) <= 1
    groups = set(simulation.truth.filter(pl.col("kind") == "campaign")["group"])
    assert groups == {plan.label for plan in simulation.plans} <= set(CAMPAIGNS)


def test_twenty_seeds_are_twenty_worlds() -> None:
    worlds = [drawn_plans(SimulationSettings(), seed=seed) for seed in range(20)]
    assert len({frozenset(plan.name for plan in world) for world in worlds}) > 12
    assert {len(world) for world in worlds} == {4, 5, 6}
    plans = [plan for world in worlds for plan in world]
    assert {plan.name for plan in plans} == set(CAMPAIGNS)
    assert {plan.schedule for plan in plans} == set(SCHEDULES)
    assert {plan.loads for plan in plans} == set(LOADS)
    assert {plan.language for plan in plans} == set(WRAPPER_LANGUAGES)
    assert {worn for plan in plans for worn in plan.disguises} == set(DISGUISES)
    assert {1, 2} <= {plan.pools for plan in plans}
    for habit in ("mixing", "relays", "pivots", "shards", "plain", "relayed"):
        assert 0.04 < np.mean([bool(getattr(plan, habit)) for plan in plans]) < 0.7, habit
    assert max(plan.mixing for plan in plans) <= MOST_MIXING


@pytest.mark.parametrize("name", list(LOOKALIKES))
def test_lookalike_alone(name: str) -> None:
    wanted = replace(NOTHING, lookalikes=(name,), lookalike_share=0.2)
    simulation = simulate(wanted, seed=3)
    check_simulation(simulation, wanted)
    kinds = dict(simulation.truth.group_by("kind").len().iter_rows())
    assert kinds == {"organic": 1_600, f"benign:{name}": 400}


def test_a_part_switched_off_leaves_the_others_alone() -> None:
    both = replace(NOTHING, campaigns=("grid", "trace"), campaign_share=None)
    one = replace(both, campaigns=("grid",))
    prompts = [
        joined(simulate(s, seed=2)).filter(pl.col("group") == "grid").select("prompt", "timestamp")
        for s in (both, one)
    ]
    assert prompts[0].equals(prompts[1])


def test_hostile_texts_are_there() -> None:
    prompts = joined(simulate(seed=0)).filter(pl.col("group") == "hostile_samples")["prompt"]
    for piece in ("<script>", "\x1b[31m", "DROP TABLE", "=HYPERLINK(", "</table>"):
        assert prompts.str.contains(piece, literal=True).any()


def test_organic_traffic_is_varied_heavy_tailed_and_awake_by_day() -> None:
    frame = simulate(replace(NOTHING, n_requests=20_000), seed=0).requests
    assert 0.7 < frame["prompt"].n_unique() / frame.height < 0.97
    loads = np.sort(frame["account_id"].value_counts()["count"].to_numpy())[::-1]
    assert loads[: len(loads) // 100].sum() > 0.07 * loads.sum()
    assert np.median(loads) < loads.mean()
    assert 0.02 < frame["org_id"].is_not_null().mean() < 0.2  # type: ignore[operator]
    popular = frame["prompt"].value_counts(sort=True)
    assert popular["count"][0] > 20
    assert popular["prompt"].str.len_chars()[0] < 40
    assert frame["prompt"].str.contains(r"[\u4e00-\u9fff]").mean() > 0.02  # type: ignore[operator]
    assert frame["prompt"].str.contains("What is the difference between", literal=True).sum() > 20


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(0, 400),
    days=st.integers(1, 20),
    lookalikes=st.sets(st.sampled_from(list(LOOKALIKES))),
    campaigns=st.sets(st.sampled_from([*CAMPAIGNS, *PRESETS])),
    languages=st.lists(st.sampled_from(list(LANGUAGES)), min_size=1, unique=True),
    seed=st.integers(0, 5),
)
def test_any_small_log_is_whole(
    n: int, days: int, lookalikes: set[str], campaigns: set[str], languages: list[str], seed: int
) -> None:
    wanted = SimulationSettings(
        n_requests=n,
        days=days,
        campaigns=tuple(sorted(campaigns)),
        lookalikes=tuple(sorted(lookalikes)),
        languages=tuple(languages),
        campaign_share=0.1,
        release_day=None if seed == 0 else 1.5,
    )
    check_simulation(simulate(wanted, seed=seed), wanted)


def test_people_repeat_themselves_as_often_as_wanted() -> None:
    frames = [simulate(replace(NOTHING, repeats=share), seed=0).requests for share in (0.0, 0.035, 0.5)]
    assert frames[1].equals(simulate(NOTHING, seed=0).requests)
    distinct = [frame["prompt"].n_unique() / frame.height for frame in frames]
    assert distinct[0] > distinct[1] > distinct[2] + 0.25


def test_start_moves_the_window() -> None:
    start = datetime(2025, 12, 24, tzinfo=UTC)
    wanted = SimulationSettings(n_requests=500, start=start, days=3)
    check_simulation(simulate(wanted, seed=0), wanted)


def test_batches_are_whole_and_of_different_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "_BATCH", 300)
    made = simulate(NOTHING, seed=0)
    check_simulation(made, NOTHING)
    assert made.requests["account_id"].n_unique() > 150
