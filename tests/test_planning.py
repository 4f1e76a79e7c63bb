"""The plan of a run: what it says of the logs, that it does nothing, and how near the truth it comes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from clustering import RunError, RunSettings, Stage, run
from clustering.costs import STAGES, TERMS, Costs, LogSize, fit_costs, load_costs, save_costs
from clustering.measured_run import RUN, in_own_process
from clustering.planning import Plan, plan
from clustering.report.signals import format_count
from clustering.simulation import SimulationSettings, simulate
from embedder import LogError, default_cache_dir, load_encoder
from scripts.cli import app
from scripts.plan import in_bytes, in_time

runner = CliRunner()
SIZE = LogSize(requests=2e5, prompts=1e5, text_bytes=2e7, seen_bytes=2e7, packed_share=0.3)


def log_of(n: int, n_texts: int, *, seed: int = 0, length: int = 80) -> pl.DataFrame:
    """Rows that draw their text from as many, evenly."""
    rng = np.random.default_rng(seed)
    drawn = pl.Series(rng.integers(n_texts, size=n))
    return pl.DataFrame(
        {
            "prompt": "question " + drawn.cast(pl.String) + " of" * (length // 3),
            "account_id": "a" + pl.Series(rng.integers(max(1, n // 20), size=n)).cast(pl.String),
            "timestamp": 1_780_000_000 + pl.int_range(n, eager=True),
        }
    )


def untimed(made: Plan) -> Plan:
    return replace(made, seconds=(), once=(), slowness=0.0)


def test_a_small_log_is_told_exactly(tmp_path: Path) -> None:
    rows = log_of(3_000, 700)
    rows[10, "prompt"] = "  "
    rows.write_parquet(tmp_path / "log.parquet")
    made = plan(tmp_path / "log.parquet")
    kept = rows.filter(pl.col("prompt") != "  ")
    assert (made.n_rows, made.rows_are_exact, made.is_whole, made.n_files) == (3_000, True, True, 1)
    assert made.n_prompts == kept["prompt"].n_unique()
    assert made.n_accounts == kept["account_id"].n_unique()
    assert made.rejected_share == pytest.approx(1 / 3_000)
    assert made.mean_text_bytes == pytest.approx(kept["prompt"].unique().str.len_bytes().mean())
    assert [name for name, _ in made.seconds] == ["start", "read logs", *STAGES[1:]]
    assert min(seconds for _, seconds in made.seconds) >= 0


def test_texts_of_one_normal_form_are_one_prompt(tmp_path: Path) -> None:
    texts = ["Why  so?", "Why so?", "Why so? ", "Why\u200b so?", "Why not?"]
    pl.DataFrame({"prompt": texts, "account_id": "a"}).write_parquet(tmp_path / "log.parquet")
    assert plan(tmp_path / "log.parquet").n_prompts == 2


@pytest.mark.parametrize("n_texts", [1_000, 30_000, 10**9])
def test_distinct_prompts_of_a_large_log_are_met_within_a_factor_of_two(tmp_path: Path, n_texts: int) -> None:
    rows = log_of(400_000, n_texts)
    rows.write_parquet(tmp_path / "log.parquet", row_group_size=50_000)
    made = plan(tmp_path / "log.parquet")
    assert (made.n_rows, made.rows_are_exact, made.is_whole) == (400_000, True, False)
    assert made.n_sampled <= 60_000
    assert 0.5 < made.n_prompts / rows["prompt"].n_unique() < 2
    assert 0.5 < made.n_accounts / rows["account_id"].n_unique() < 2


def test_columns_are_looked_up_where_they_are_mapped(tmp_path: Path) -> None:
    rows = [{"body": {"text": f"say {i % 7}"}, "who": f"a{i}"} for i in range(40)]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = plan(path, settings=RunSettings(columns=(("prompt", "body.text"), ("account_id", "who"))))
    assert (made.n_rows, made.n_prompts, made.n_accounts) == (40, 7, 40)


def test_the_same_logs_give_the_same_plan_but_for_what_is_timed(tmp_path: Path) -> None:
    log_of(80_000, 20_000).write_csv(tmp_path / "log.csv")
    assert untimed(plan(tmp_path)) == untimed(plan(tmp_path))


def test_more_logs_need_more(tmp_path: Path) -> None:
    made = []
    for n in (2_000, 20_000, 200_000):
        log_of(n, 10**9).write_parquet(tmp_path / f"{n}.parquet")
        made.append(plan(tmp_path / f"{n}.parquet"))
    for less, more in pairwise(made):
        assert less.n_prompts < more.n_prompts
        assert less.memory_mib < more.memory_mib
        assert less.total_disk < more.total_disk
        assert less.total_seconds / less.slowness < more.total_seconds / more.slowness


def test_half_as_quick_a_machine_doubles_the_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_of(1_000, 300).write_parquet(tmp_path / "log.parquet")
    costs = load_costs()
    found = []
    for slowness in (1.0, 2.0):
        monkeypatch.setattr(
            "clustering.planning.time_shingles", lambda _, s=slowness: s * costs.seconds_per_mib
        )
        found.append(dict(plan(tmp_path / "log.parquet", costs=costs).seconds))
    for stage in STAGES:
        assert found[1][stage] == pytest.approx(2 * found[0][stage])


def test_what_is_in_the_way_of_a_run_is_in_the_way_of_its_plan(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log_of(100, 50).write_parquet(log)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds files but no run"):
        plan(log, tmp_path / "full")
    with pytest.raises(LogError, match="missing"):
        plan(log, settings=RunSettings(columns=(("prompt", "text"),)))
    with pytest.raises(LogError, match="no such file"):
        plan(tmp_path / "absent.parquet")
    with pytest.raises(ValueError, match="registry"):
        plan(log, settings=RunSettings(registry=str(tmp_path / "absent.toml")))
    pl.DataFrame({"prompt": [" "], "account_id": ["a"]}).write_parquet(log)
    with pytest.raises(LogError, match="no usable record among 1"):
        plan(log)


def test_the_command_prints_a_plan_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_CACHE", str(tmp_path / "cache"))
    log_of(2_000, 500).write_parquet(tmp_path / "log.parquet")
    call = ["run", str(tmp_path / "log.parquet"), "--out", str(tmp_path / "new" / "run"), "--plan"]
    shown = runner.invoke(app, call)
    assert shown.exit_code == 0, shown.output
    assert format_count(2_000) in shown.stdout
    assert "fill memory" in shown.stdout
    found = json.loads(runner.invoke(app, [*call, "--json"]).stdout)
    assert (found["n_rows"], found["n_prompts"]) == (2_000, plan(tmp_path / "log.parquet").n_prompts)
    assert found["total_seconds"] == pytest.approx(sum(found["seconds"].values()))
    assert found["total_disk"] == pytest.approx(sum(found["disk"].values()))
    assert [path.name for path in tmp_path.iterdir()] == ["log.parquet"]
    assert found["once"]["distilling the encoder"] > 1


def test_the_command_refuses_what_a_run_refuses(tmp_path: Path) -> None:
    log_of(100, 50).write_parquet(tmp_path / "log.parquet")
    (tmp_path / "run").write_text("a file")
    call = ["run", str(tmp_path / "log.parquet"), "--out", str(tmp_path / "run"), "--plan"]
    assert runner.invoke(app, call).exit_code == 2


def test_costs_are_found_again_from_what_they_give() -> None:
    known = {name: {term: 0.5 + i for i, term in enumerate(terms)} for name, terms in TERMS.items()}
    true = Costs("2026-01-01", 0.02, 10.0, known)
    rng = np.random.default_rng(0)
    drawn = 10 ** rng.uniform((3, 3, 5, 5, -1), (6, 6, 8, 8, 0), size=(30, 5))
    sizes = [LogSize(*row) for row in drawn.tolist()]
    fitted = fit_costs(
        sizes,
        {name: [true.of(name, size) for size in sizes] for name in TERMS},
        seconds_per_mib=0.02,
        compiling=10.0,
    )
    for name in TERMS:
        for size in sizes:
            assert fitted.of(name, size) == pytest.approx(true.of(name, size), rel=0.05)


def test_costs_survive_their_file_and_a_foreign_file_is_refused(tmp_path: Path) -> None:
    costs = load_costs()
    save_costs(costs, tmp_path / "new" / "costs.json")
    assert load_costs(tmp_path / "new" / "costs.json") == costs
    (tmp_path / "costs.json").write_text('{"measured": "2026-01-01"}')
    with pytest.raises(ValueError, match="covey bench plan"):
        load_costs(tmp_path / "costs.json")


def test_costs_measured_here_come_before_the_packaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVEY_CACHE", str(tmp_path))
    packaged = load_costs()
    save_costs(replace(packaged, measured="1999-12-31"), tmp_path / "costs.json")
    assert load_costs().measured == "1999-12-31"


@pytest.mark.parametrize("n_requests", [2_000, 10_000])
def test_the_working_folder_is_as_large_as_planned(tmp_path: Path, n_requests: int) -> None:
    log, held = tmp_path / "log.parquet", []
    simulate(SimulationSettings(n_requests=n_requests), seed=5).requests.write_parquet(log)

    def look(stage: Stage) -> None:
        if stage.name == "report" and not stage.ended:
            files = (tmp_path / "run.partial" / "stages").rglob("*")
            held.append(sum(path.stat().st_size for path in files if path.is_file()))

    planned = dict(plan(log).disk)["working folder"]
    run(log, tmp_path / "run", progress=look)
    assert len(held) == 1
    assert 0.5 < planned / held[0] < 2


def test_the_memory_of_shingle_tables_ends_at_their_bound() -> None:
    huge = replace(SIZE, seen_bytes=1e12)
    assert huge.tables_mib == 12 * 2**27 / 2**20


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "under 1 s"), (45, "45 s"), (200, "3 min 20 s"), (18_630, "5 h 10 min")]
)
def test_times_are_short(seconds: float, shown: str) -> None:
    assert in_time(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(900, "1 KiB"), (5.5 * 2**20, "5.5 MiB"), (300 * 2**20, "300 MiB"), (2**31, "2.0 GiB")],
)
def test_sizes_are_short(size: float, shown: str) -> None:
    assert in_bytes(size) == shown


def few_texts(seed: int) -> pl.DataFrame:
    """Traffic whose prompts all come back."""
    log = simulate(SimulationSettings(n_requests=60_000), seed=seed).requests.drop("messages")
    texts = log["prompt"].unique(maintain_order=True).head(1_500)
    drawn = np.random.default_rng(seed).integers(len(texts), size=log.height)
    return log.with_columns(prompt=texts.gather(drawn))


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["simulated", "few texts"])
def test_what_a_run_takes_was_planned_within_a_factor_of_two(tmp_path: Path, shape: str) -> None:
    log = tmp_path / "log.parquet"
    simulated = shape == "simulated"
    rows = simulate(SimulationSettings(n_requests=30_000), seed=77).requests if simulated else few_texts(78)
    rows.write_parquet(log)
    load_encoder()  # distilled before anything is measured
    made = plan(log)
    took = in_own_process(log, tmp_path / "made", encoder_cache=default_cache_dir())
    disk = dict(made.disk)
    assert disk["vectors in the cache"] == 0
    assert list((tmp_path / "made" / "vectors").iterdir()) == []
    pairs = {
        "rows": (made.n_rows, rows.height),
        "prompts": (made.n_prompts, took.size.prompts),
        "text": (made.mean_text_bytes, took.size.text_bytes / took.size.prompts),
        "seconds": (made.total_seconds + dict(made.once).get("compiling", 0), sum(took.seconds.values())),
        "memory": (made.memory_mib, max(took.peak_mib.values())),
        "run directory": (disk["run directory"], took.run_bytes),
    }
    assert (tmp_path / "made" / RUN / "manifest.json").is_file()
    wrong = {name: pair for name, pair in pairs.items() if not 0.5 < pair[0] / pair[1] < 2}
    assert wrong == {}
