"""The bench of costs: its logs differ in what they are to tell apart, and what runs took is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from clustering.bench import costs as bench
from clustering.costs import STAGES, TERMS, Costs, LogSize, load_costs
from clustering.measured_run import MeasuredRun
from scripts.cli import app

TRUE = Costs("2026-01-01", 0.02, 0.0, {name: dict.fromkeys(terms, 1.0) for name, terms in TERMS.items()})
COMPILING = 7.0


def taken(size: LogSize, **figures: Any) -> MeasuredRun:
    """A measured run of which some figures are known."""
    names = ("seconds", "elapsed", "peak_mib", "rows", "units", "written_bytes")
    by_stage: dict[str, Any] = {name: {} for name in names}
    return MeasuredRun(size, **({**by_stage, "run_bytes": 0, "n_encoded": 0} | figures))


class Runs:
    """Stands in for real runs: they take exactly what `TRUE` says, the first one longer."""

    def __init__(self) -> None:
        self.sizes: dict[str, LogSize] = {}
        self.n_runs = 0

    def __call__(self, log: Path, folder: Path, **_: object) -> MeasuredRun:
        rows = pl.read_parquet(log)
        texts = rows["prompt"].unique()
        n_bytes = float(texts.str.len_bytes().sum())
        size = LogSize(rows.height, len(texts), n_bytes, n_bytes, 0.3)
        self.sizes[log.stem] = size
        seconds = {name: TRUE.of(name, size) for name in STAGES}
        seconds["map"] += COMPILING * (self.n_runs == 0)
        self.n_runs += 1
        peaks = {"read logs": 300, "views": TRUE.of("memory of views", size) + size.tables_mib}
        return taken(
            size,
            seconds=seconds,
            peak_mib=peaks | {"map": TRUE.of("memory elsewhere", size) + 300, "report": 310},
            run_bytes=int(TRUE.of("run directory", size) * 2**20),
            n_encoded=int(TRUE.of("encoded", size) * 1000),
        )


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(bench, "in_own_process", made)
    monkeypatch.setattr(bench, "load_encoder", lambda: None)
    return made


def test_costs_of_known_runs_are_found_again(runs: Runs) -> None:
    told: list[tuple[int, int, str]] = []
    found = bench.measure_costs(sizes=(1_000, 2_000, 4_000), on_run=lambda *run: told.append(run))
    assert found.compiling == pytest.approx(COMPILING, abs=0.1)
    for size in runs.sizes.values():
        for name in (*STAGES, "memory of views", "run directory", "encoded"):
            assert found.of(name, size) == pytest.approx(TRUE.of(name, size), rel=0.02), name
    assert [done for done, _, _ in told] == list(range(len(told)))
    assert told[-1] == (runs.n_runs, runs.n_runs, "")


def test_the_logs_tell_requests_prompts_and_bytes_apart(runs: Runs) -> None:
    bench.measure_costs(sizes=(1_000, 2_000, 4_000))
    plain, repeated, long = (runs.sizes[name] for name in ("simulated-2000", "repeated", "long-2000"))
    assert repeated.requests == plain.requests
    assert repeated.prompts < 0.1 * plain.prompts
    assert long.text_bytes / long.prompts > 10 * plain.text_bytes / plain.prompts


def test_memory_is_that_of_the_views_without_their_tables_and_that_of_any_other_stage() -> None:
    size = LogSize(1e4, 1e4, 1e6, 1e6, 0.3)
    took = taken(size, peak_mib={"read logs": 400, "views": 1000, "map": 800, "report": 300})
    assert bench.quantity(took, "memory elsewhere") == 800
    assert bench.quantity(took, "memory of views") == 1000 - size.tables_mib


def test_the_command_writes_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "measure_costs", lambda **_: TRUE)
    monkeypatch.setenv("COVEY_CACHE", str(tmp_path / "cache"))
    assert CliRunner().invoke(app, ["bench", "plan"]).exit_code == 0
    assert load_costs() == TRUE
    assert CliRunner().invoke(app, ["bench", "plan", "--out", str(tmp_path)]).exit_code == 2
