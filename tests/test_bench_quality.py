"""A bench as a whole: its worlds, that it goes on where it stopped, and what the command prints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from bench_cases import world
from typer.testing import CliRunner

from clustering.bench import SECTIONS, BenchSettings, measure_quality, place, quality
from clustering.bench import counting as counting_module
from clustering.bench.counting import Counted, Finished, count_pieces
from clustering.bench.worlds import N_ALONE, N_COMPARED, SHARES, worlds_of
from clustering.evaluation import evaluate_run
from clustering.judgement import Ranking, ranking
from clustering.simulation import LOOKALIKES, PRESETS
from scripts.bench import bench_app

runner = CliRunner()


@dataclass(frozen=True)
class FakeRun:
    families: pl.DataFrame
    assignments: pl.DataFrame


def fake_finished(seed: int) -> Finished:
    """Forty requests of a campaign in a flagged family, and noise; texts that must not be kept."""
    ids = [f"r{i}" for i in range(60)]
    families = pl.DataFrame(
        {
            "family_id": ["F"], "rank": [1], "q_value": [0.01], "flagged": [True], "score": [3.0],
            "n_requests": [40], "n_accounts": [9], "template": ["secret"], "medoid_prompt": ["secret"],
            "reasons": [["why"]],
        }
    )  # fmt: skip
    truth = pl.DataFrame(
        {
            "request_id": ids,
            "kind": ["campaign"] * 40 + ["organic"] * 20,
            "group": ["a"] * 40 + [None] * 20,
            "family": ["a/t"] * 40 + [None] * 20,
        }
    )
    found = pl.DataFrame({"request_id": ids, "family_id": ["F"] * 40 + [None] * 20})
    return Finished(truth.select("request_id"), truth, FakeRun(families, found), seed)  # type: ignore[arg-type]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the worlds that were simulated and run; nothing really is."""
    names: list[str] = []

    def finish(world, scratch, threads):
        names.append(world.name)
        return fake_finished(world.seed)

    monkeypatch.setattr(counting_module, "_finish", finish)
    return names


SETTINGS = BenchSettings(n_seeds=3, n_requests=2_000, first_seed=7, sections=("fdr",))


def test_worlds_have_names_and_seeds_of_their_own():
    settings = BenchSettings(n_seeds=5, n_requests=2_000)
    kinds = ("campaigns", "quiet", "alone", "share", "without")
    worlds = worlds_of(settings, [*((kind, "pieces") for kind in kinds), ("campaigns*", "pairs")])
    assert len({each.name for each in worlds}) == len(worlds)
    count = {kind: sum(each.kind == kind for each in worlds) for kind in kinds}
    assert count["campaigns"] == count["quiet"] == 5
    assert count["alone"] == len(LOOKALIKES) * N_ALONE
    assert count["share"] == len(PRESETS) * len(SHARES)
    assert count["without"] == 5 * N_COMPARED
    assert sum("pairs" in each.counted for each in worlds) == N_COMPARED
    quiet = [each.settings for each in worlds if each.kind in ("quiet", "alone")]
    assert all(each is not None and each.campaigns == () for each in quiet)
    assert worlds_of(settings, [("quiet", "pieces")])[0].kind == "quiet"


def test_a_bench_goes_on_where_it_stopped(tmp_path: Path, made: list[str]):
    first = measure_quality(tmp_path, SETTINGS)
    assert made == [f"campaigns-2000-{seed}" for seed in (7, 8, 9)]
    (tmp_path / "worlds" / f"{made[1]}.pieces.parquet").unlink()
    made.clear()
    again = measure_quality(tmp_path, SETTINGS)
    assert made == ["campaigns-2000-8"]
    assert all(a.table.equals(b.table) for a, b in zip(first, again, strict=True))
    measure_quality(tmp_path, SETTINGS, force=True)
    assert len(made) == 4
    assert "### Realised against nominal" in (tmp_path / "quality.md").read_text()


def test_what_is_kept_holds_no_prompt(tmp_path: Path, made: list[str]):
    measure_quality(tmp_path, SETTINGS)
    table = pl.read_parquet(tmp_path / "worlds" / "campaigns-2000-7.pieces.parquet")
    assert "secret" not in str(table.rows())
    assert not [path for path in (tmp_path / "worlds").iterdir() if path.suffix != ".parquet"]


def test_a_killed_world_leaves_no_table(tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch):
    def fail(finished):
        raise KeyboardInterrupt

    monkeypatch.setattr(quality, "COUNTS", {"pieces": fail})
    with pytest.raises(KeyboardInterrupt):
        measure_quality(tmp_path, SETTINGS)
    assert list((tmp_path / "worlds").iterdir()) == []


def test_worlds_of_another_covey_are_refused(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
):
    measure_quality(tmp_path, SETTINGS)
    monkeypatch.setattr(place, "RECIPE", -1)
    with pytest.raises(ValueError, match="give another --out, or --force"):
        measure_quality(tmp_path, SETTINGS)
    measure_quality(tmp_path, SETTINGS, force=True)
    assert len(made) == 6


def test_wrong_settings_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match="no section speed; there are lookalikes"):
        measure_quality(tmp_path, BenchSettings(sections=("speed",)))
    with pytest.raises(ValueError, match="n_seeds=0"):
        BenchSettings(n_seeds=0)
    with pytest.raises(ValueError, match=r"truth\.parquet is not there|requests\.parquet is not there"):
        measure_quality(tmp_path, BenchSettings(n_seeds=1, sections=("fdr",), logs=(tmp_path / "x",)))


def test_the_command_prints_tables_and_json(tmp_path: Path, made: list[str]):
    call = ["quality", "--out", str(tmp_path), "--seeds", "2", "--requests", "2k", "--section", "fdr"]
    shown = runner.invoke(bench_app, call)
    assert shown.exit_code == 0
    assert "Campaign recipes" in shown.stdout
    listed = json.loads(runner.invoke(bench_app, [*call, "--json"]).stdout)
    assert [table["section"] for table in listed["tables"]] == ["fdr"] * 3
    assert listed["tables"][0]["rows"][1]["Realised FDR"] == 0.0
    assert len(made) == 2
    assert runner.invoke(bench_app, [*call, "--section", "speed"]).exit_code == 2
    assert runner.invoke(bench_app, ["quality", "--help"], env={"COLUMNS": "200"}).exit_code == 0


def test_the_help_names_every_section():
    shown = runner.invoke(bench_app, ["quality", "--help"], env={"COLUMNS": "300"})
    assert all(name in shown.stdout for name in SECTIONS)


def test_pieces_of_a_real_run_give_the_figures_of_its_evaluation(logged):
    truth = pl.read_parquet(logged.log.with_name("truth.parquet"))
    pieces = count_pieces(Finished(logged.requests, truth, logged.run))
    kept = Counted(world("campaigns", []).world, {"pieces": pieces})
    assert kept.families["family_id"].to_list() == logged.run.families["family_id"].to_list()
    assert kept.pieces["n"].sum() == logged.requests.height
    figures, whole = ranking(kept.families, kept.pieces), evaluate_run(logged.run.path, logged.log.parent)
    assert all(getattr(figures, name) == getattr(whole, name) for name in Ranking.__dataclass_fields__)


@pytest.mark.slow
def test_a_small_bench_of_real_worlds(tmp_path: Path):
    sections = ("fdr", "signals", "leave-out", "halves")
    settings = BenchSettings(n_seeds=1, n_requests=8_000, sections=sections)
    made = {part.title: part.table for part in measure_quality(tmp_path, settings)}
    assert made["Campaign recipes"].height >= 4
    assert made["Campaign recipes"]["Requests in its families"].mean() > 0.5
    assert made["Without each signal"].height > 20
    halves = made["Found and tested on the same rows"]
    level = halves["Nominal q"] == 0.05
    assert halves.filter(level)["own: FDR"][0] <= 0.2
    assert halves.filter(level)["split: FDR"][0] <= 0.2
    assert made["Leave one look-alike out"]["Flagged"][1:].sum() <= 1
