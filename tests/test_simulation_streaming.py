"""Logs in several parts: whole, of the asked shares, one campaign across parts, bounded, same for a seed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.simulation import (
    CAMPAIGNS,
    CampaignPlan,
    SimulationSettings,
    simulate,
    simulated_parts,
    simulator,
    write_simulation,
)
from clustering.simulation.accounts import make_world
from clustering.simulation.campaigns import campaign_requests, campaign_slices
from clustering.simulation.plans import DISGUISES, SCHEDULES
from clustering.simulation.tally import Tally
from clustering.stages import Stage

PART = 2_000
PLAN = CampaignPlan("trace", 1_200, 40, mixing=0.4, pools=2)
WANTED = SimulationSettings(n_requests=9_000, campaigns=(PLAN,), campaign_share=0.1)


def rows_of(folder: Path) -> pl.DataFrame:
    requests, truth = (pl.read_parquet(folder / f"{name}.parquet") for name in ("requests", "truth"))
    assert requests["request_id"].equals(truth["request_id"])
    return requests.join(truth, on="request_id", validate="1:1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("streamed") / "log"
    write_simulation(WANTED, place, seed=4, part_requests=PART)
    return place


def test_parts_together_have_what_was_asked_for(folder: Path) -> None:
    rows = rows_of(folder)
    assert rows["request_id"].to_list() == [f"req_{k:09d}" for k in range(9_000)]
    coarse = dict(rows.group_by(pl.col("kind").str.split(":").list.first()).len().iter_rows())
    assert coarse == {"campaign": 900, "benign": 1_980, "organic": 6_120}
    of_campaign = rows.filter(pl.col("group") == "trace")
    assert dict(of_campaign.group_by("kind").len().iter_rows()) == {"campaign": 900, "organic": 600}
    whole = dict(simulate(WANTED, seed=4).truth.group_by("kind").len().iter_rows())
    assert dict(rows.group_by("kind").len().iter_rows()) == whole


def test_each_part_is_in_the_order_of_time_and_of_nearly_the_same_size() -> None:
    parts = list(simulated_parts(WANTED, seed=4, part_requests=PART))
    assert len(parts) == 5
    for part in parts:
        assert part.requests["timestamp"].is_sorted()
        assert abs(part.requests.height - 1_800) <= 40
        assert part.requests.schema == parts[0].requests.schema
        assert part.truth.schema == parts[0].truth.schema
    families = [set(part.truth["family"].drop_nulls()) for part in parts[:3]]
    assert set.intersection(*families)  # each of the first parts has requests of the same families


def test_what_the_manifest_says(folder: Path) -> None:
    rows, contents = rows_of(folder), json.loads((folder / "simulation.json").read_text())
    assert (contents["seed"], contents["n_parts"]) == (4, 5)
    assert contents["settings"]["n_requests"] == contents["n_requests"] == rows.height
    assert contents["n_requests_by_kind"] == dict(rows.group_by("kind").len().sort("kind").iter_rows())
    assert contents["campaign_share"] == 0.1
    assert contents["n_distinct_prompts"] == rows["prompt"].n_unique()
    assert contents["distinct_share"] == pytest.approx(rows["prompt"].n_unique() / 9_000, abs=1e-6)
    assert contents["n_accounts"] == rows["account_id"].n_unique()
    kinds = rows.with_columns(pl.col("kind").str.split(":").list.first()).group_by("kind")
    assert contents["n_accounts_with_requests_of_kind"] == dict(
        kinds.agg(pl.col("account_id").n_unique()).iter_rows()
    )
    assert contents["mean_characters_of_prompt"] == pytest.approx(
        rows["prompt"].str.len_chars().to_numpy().mean(), abs=0.01
    )
    # A token is a few letters, and at most one: between a word and a letter.
    assert rows["prompt"].str.split(" ").list.len().to_numpy().mean() < contents["mean_tokens_of_prompt"]
    assert contents["mean_tokens_of_prompt"] < contents["mean_characters_of_prompt"]
    assert contents["mean_tokens_of_request"] > 1.5 * contents["mean_tokens_of_prompt"]  # with its history
    # Half of the prompts are short, and pages that people paste make the mean.
    lengths = [contents[f"{name}_tokens_of_prompt"] for name in ("median", "mean", "p90")]
    assert 10 < lengths[0] < lengths[1] / 1.3
    assert lengths[0] < lengths[2] < 12 * lengths[0]
    (plan,) = contents["campaigns"]
    assert CampaignPlan(**{**plan, "disguises": tuple(plan["disguises"])}) == PLAN.scaled(900)


def test_a_campaign_is_one_across_parts(folder: Path) -> None:
    extraction = rows_of(folder).filter(pl.col("kind") == "campaign")
    place = extraction["request_id"].str.slice(4).cast(pl.Int64) // 1_800
    n_accounts = PLAN.scaled(900).n_accounts
    assert extraction["account_id"].n_unique() <= n_accounts
    first, second = (set(extraction.filter(place == part)["account_id"]) for part in (0, 1))
    # Of two pools the first is used in the first two parts: the accounts are the same, not new ones each.
    assert len(first & second) >= 0.8 * min(len(first), len(second))
    # One schedule: the pools follow one another in time, over all parts.
    spans = extraction.group_by("account_id").agg(
        first=pl.col("timestamp").min(), last=pl.col("timestamp").max()
    )
    ban = spans["last"].sort()[len(spans) // 2 - 1]
    later = spans.filter(pl.col("last") > ban)
    assert (later["first"] > ban).mean() > 0.9  # type: ignore[operator]
    ordinary = rows_of(folder).filter((pl.col("group") == "trace") & (pl.col("kind") == "organic"))
    assert set(ordinary["account_id"]) <= set(extraction["account_id"])


@pytest.mark.parametrize("name", list(CAMPAIGNS))
def test_slices_say_what_the_whole_says(name: str) -> None:
    plan = CampaignPlan(name, 600, 30, disguises=DISGUISES, language="en")
    world = make_world(WANTED)
    whole = campaign_requests(world, plan, rng=np.random.default_rng(1))
    slices = [pl.concat(s) for s in campaign_slices(world, plan, rng=np.random.default_rng(1), n_slices=4)]
    assert [s.height for s in slices] == [150] * 4
    sliced = pl.concat(slices)
    # Pool, schedule and families are drawn before any text.
    relayed = pl.col("family").str.contains("relayed")  # its times depend on where conversations begin
    sent = [frame.filter(~relayed).select("time", "account_id").sort(pl.all()) for frame in (whole, sliced)]
    assert sent[0].equals(sent[1])
    bare = [frame["family"].str.replace(r"#\d+$", "") for frame in (whole, sliced)]
    assert bare[0].value_counts().sort("family").equals(bare[1].value_counts().sort("family"))


def test_items_and_sweeps_go_on_from_slice_to_slice() -> None:
    world = make_world(WANTED)

    def sliced(plan: CampaignPlan, n: int) -> pl.DataFrame:
        blocks = campaign_slices(world, plan, rng=np.random.default_rng(2), n_slices=n)
        return pl.concat([block for listed in blocks for block in listed])

    resampled = sliced(CampaignPlan("resample", 300, 30), 5)
    assert resampled.group_by("family").agg(pl.col("prompt").n_unique())["prompt"].to_list() == [1] * 5
    grid = sliced(CampaignPlan("grid", 7 * 3 * 6 * 30, 36), 4)
    assert grid["prompt"].is_unique().all()
    wrapped = sliced(CampaignPlan("trace", 400, 30, disguises=("nonces",)), 4)
    heads = wrapped.group_by("family").agg(pl.col("prompt").str.head(1).n_unique())["prompt"]
    assert heads.to_list() == [1] * len(heads)  # a family has one form of nonce


@settings(max_examples=12, deadline=None)
@given(
    n_slices=st.integers(1, 9),
    n_requests=st.integers(1, 200),
    n_accounts=st.integers(1, 30),
    mixing=st.sampled_from([0.0, 0.3, 0.9]),
    relays=st.booleans(),
    relayed=st.sampled_from([0.0, 0.3]),
    pools=st.integers(1, 3),
    schedule=st.sampled_from(SCHEDULES),
    seed=st.integers(0, 3),
)
def test_any_campaign_in_any_slices_has_its_size(
    n_slices: int,
    n_requests: int,
    n_accounts: int,
    mixing: float,
    relays: bool,
    relayed: float,
    pools: int,
    schedule: str,
    seed: int,
) -> None:
    plan = CampaignPlan(
        "operators", n_requests, n_accounts, mixing=mixing, relays=relays, relayed=relayed, pools=pools,
        schedule=schedule, shards=True,
    )  # fmt: skip
    world = make_world(WANTED)
    slices = list(campaign_slices(world, plan, rng=np.random.default_rng(seed), n_slices=n_slices))
    sizes = [sum(block.height for block in blocks) for blocks in slices]
    assert max(sizes) - min(sizes) <= 1
    rows = pl.concat([block for blocks in slices for block in blocks])
    counts = dict(rows.group_by("kind").len().iter_rows())
    assert counts.get("campaign", 0) == n_requests
    assert counts.get("organic", 0) == plan.n_ordinary
    assert rows["account_id"].n_unique() <= min(n_accounts, n_requests)
    assert rows["time"].is_between(0, world.window_us, closed="left").all()


def test_ids_are_unique_across_parts_and_people_are_not_shared(folder: Path) -> None:
    rows = rows_of(folder)
    part = rows["request_id"].str.slice(4).cast(pl.Int64) // 1_800
    assert rows["request_id"].is_unique().all()
    people = rows.with_columns(part=part).filter(pl.col("group").is_null()).group_by("account_id")
    assert (people.agg(pl.col("part").n_unique())["part"] == 1).mean() > 0.98  # type: ignore[operator]
    sessions = rows.with_columns(part=part).drop_nulls("session_id").group_by("session_id")
    assert (
        sessions.agg(pl.col("account_id").n_unique())["account_id"].to_list() == [1] * sessions.len().height
    )
    groups = rows.with_columns(part=part).filter(pl.col("kind").str.starts_with("benign")).group_by("group")
    spread = groups.agg(pl.col("part").max() - pl.col("part").min())["part"].to_numpy()
    assert spread.max() <= 1  # sizes of parts differ by a few rows


def test_same_seed_same_bytes_and_another_seed_another_log(folder: Path, tmp_path: Path) -> None:
    write_simulation(WANTED, tmp_path / "again", seed=4, part_requests=PART)
    write_simulation(WANTED, tmp_path / "other", seed=5, part_requests=PART)
    for name in ("requests.parquet", "truth.parquet", "simulation.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        assert (folder / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_in_memory_and_on_disk_are_the_same_rows(tmp_path: Path) -> None:
    write_simulation(WANTED, tmp_path, seed=4, part_requests=PART)
    parts = list(simulated_parts(WANTED, seed=4, part_requests=PART))
    assert pl.read_parquet(tmp_path / "requests.parquet").equals(pl.concat([p.requests for p in parts]))
    assert pl.read_parquet(tmp_path / "truth.parquet").equals(pl.concat([p.truth for p in parts]))


def test_one_part_at_a_time_is_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No frame outlives its part: what is alive when one begins is none of the parts before it."""
    import gc
    import weakref

    alive: list[weakref.ref[simulator.Simulation]] = []
    most = 0
    made = simulator._in_order

    class Watched(simulator.Simulation):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            alive.append(weakref.ref(self))

    def watched(blocks: list[pl.DataFrame], *rest: object) -> tuple[pl.DataFrame, pl.DataFrame]:
        nonlocal most
        gc.collect()
        most = max(most, sum(one() is not None for one in alive))
        ordered = made(blocks, *rest)  # type: ignore[arg-type]
        assert blocks == []
        return ordered

    monkeypatch.setattr(simulator, "_in_order", watched)
    monkeypatch.setattr(simulator, "Simulation", Watched)
    write_simulation(WANTED, tmp_path, seed=0, part_requests=PART)
    assert len(alive) == 5
    assert most == 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    program = (
        "import sys; from clustering.simulation import *; from clustering.peak_memory import *\n"
        "with PeakMemory() as memory: "
        "write_simulation(SimulationSettings(n_requests=int(sys.argv[1]), campaigns=('qwen',)), "
        "sys.argv[2], seed=0, part_requests=25_000)\n"
        "print(memory.mib)"
    )
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", program, str(n), str(tmp_path / str(n))],
                check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1],
            ).stdout
        )
        for n in (50_000, 400_000)
    ]  # fmt: skip
    assert peaks[1] < peaks[0] + 100
    assert pq.ParquetFile(tmp_path / "400000" / "requests.parquet").num_row_groups == 16


def test_a_failing_write_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = 0

    def full(self: Tally, part: simulator.Simulation) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Tally, "add", full)
    with pytest.raises(OSError, match="No space left"):
        write_simulation(WANTED, tmp_path / "a" / "b", seed=0, part_requests=PART)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "requests.parquet").write_text("mine")
    calls = 0
    with pytest.raises(OSError, match="No space left"):
        write_simulation(WANTED, tmp_path, seed=0, part_requests=PART, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["requests.parquet"]
    assert (tmp_path / "requests.parquet").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_a_killed_write_leaves_no_log(tmp_path: Path, name: str) -> None:
    program = (
        "import sys; from clustering.simulation import *\n"
        "write_simulation(SimulationSettings(n_requests=10**6), sys.argv[1], seed=0, part_requests=2_000)"
    )
    place = tmp_path / "log"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(place)], cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (place.is_dir() and any(place.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(getattr(signal, name))  # again: a compiler's callback may have had the first
        time.sleep(1)
    assert process.wait(30) != 0
    if name == "SIGINT":
        assert not place.exists()
    else:  # hidden partial files stay, under names that no reader takes for a log
        assert {path.name[0] for path in place.iterdir()} == {"."}
        write_simulation(replace(WANTED, n_requests=2_000), place, seed=0)
        assert pl.read_parquet(place / "requests.parquet").height == 2_000


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    told: list[Stage] = []
    write_simulation(WANTED, tmp_path, seed=0, part_requests=PART, progress=told.append)
    done = [stage.done for stage in told]
    assert done == sorted(done)
    assert len(done) > 10
    assert (done[-1], told[-1].total, told[-1].ended) == (9_000, 9_000, True)
    assert not any(stage.ended for stage in told[:-1])


def test_an_empty_log_is_a_part(tmp_path: Path) -> None:
    nothing = SimulationSettings(n_requests=0, campaigns=(), lookalikes=())
    contents = write_simulation(nothing, tmp_path, seed=0)
    assert (contents["n_requests"], contents["distinct_share"]) == (0, None)
    assert pl.read_parquet(tmp_path / "requests.parquet").height == 0
