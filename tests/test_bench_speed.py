"""The bench of speed: how growth is told, that it goes on where it stopped, and who is not tried again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import speed_cases as cases
from typer.testing import CliRunner

from clustering.bench import SpeedSettings, measure_speed, place, speed, timed
from clustering.bench.speed_tables import DONE, MeasuredSize, growth_exponent, speed_sections
from clustering.costs import LogSize
from clustering.measured_run import MeasuredRun
from clustering.own_process import OutOfMemoryError, OwnProcessError, call
from clustering.results import RunError
from clustering.run_directory import exclusive
from clustering.simulation import SimulationSettings, write_simulation
from scripts.bench import bench_app

runner = CliRunner()


class Machine:
    """Stands in for processes: remembers what was done at which size; `falls` says how finders end there."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.falls: dict[tuple[str, int], Exception] = {}

    def call(
        self, function: Any, *arguments: Any, limit: float | None = None, environment: Any = None
    ) -> Any:
        if function is timed.write_log:
            size, _, folder = arguments
            self.done += [] if "compiling" in folder else [("log", size)]
            return cases.LOG
        if function is timed.prepare:
            (Path(arguments[1]) / "vectors.npy").touch()
            return 9
        if function is timed.find:
            step = (arguments[1], int(Path(arguments[2]).parent.name))
            self.done.append(step)
            if step in self.falls:
                raise self.falls[step]
            return cases.TAKEN
        return {timed.judge_run: cases.JUDGED, timed.judge: cases.FOUND}[function]

    def run(self, log: Path, folder: Path, **_: object) -> MeasuredRun:
        compiling = "compiling" in log.parent.name
        size = 2_000 if compiling else int(log.parent.name)
        self.done += [] if compiling else [("Covey", size)]
        if ("Covey", size) in self.falls:
            raise self.falls["Covey", size]
        fields = cases.taken_by_covey(size)
        return MeasuredRun(**{**fields, "size": LogSize(**fields["size"])})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(speed, "call", made.call)
    monkeypatch.setattr(speed, "in_own_process", made.run)
    monkeypatch.setattr(speed, "load_encoder", lambda: None)
    rivals = {"speed_cases": cases.by_first_word, "no_such_package": cases.asleep}
    monkeypatch.setattr(speed, "RIVALS", rivals)
    return made


def settings(*sizes: int, limit: float = 600.0) -> SpeedSettings:
    return SpeedSettings(sizes, limit=limit)


def test_the_exponent_of_a_power_is_found():
    requests = [1_000, 3_000, 10_000]
    for power in (0.5, 1.0, 1.2):
        seconds = [2 * n**power for n in requests]
        assert growth_exponent(requests, seconds, least=0.1) == pytest.approx(power)
    assert growth_exponent([1_000, 4_000, 16_000], [1.0, 4.0, 8.0], least=1.0) == pytest.approx(0.75)
    assert growth_exponent([1_000], [1.0], least=0.1) is None
    assert growth_exponent([1_000, 2_000], [0.05, 5.0], least=0.1) is None


def test_tables_of_planted_measurements():
    sizes = [
        MeasuredSize(n, cases.LOG, cases.taken_by_covey(n) | cases.JUDGED, rivals)
        for n, rivals in (
            (1_000, {"a": {"outcome": DONE} | cases.TAKEN | cases.FOUND}),
            (10_000, {"a": {"outcome": "stopped after 60 s", "limit": 60}}),
        )
    ]
    seconds, rates, memory, disk, logs, others = speed_sections(sizes, seed=3, threads=None, cores=2)
    assert seconds.table.columns == ["Stage", "1,000", "10,000", "Exponent"]
    rows = {row[0]: row[1:] for row in seconds.table.iter_rows()}
    assert rows["views"] == (1.0, 10.0, pytest.approx(1.0))
    assert rows["families"] == (1.0, 100.0, pytest.approx(2.0))
    assert rows["start"][2] == pytest.approx(0.0)
    assert rows["report"] == (0.01, 0.01, None)
    assert rows["whole run"] == (4.01, 112.01, pytest.approx(np.log10(112.01 / 4.01)))
    assert rows["CPU, families"] == rows["families"]
    assert rows["CPU, whole run"] == rows["whole run"]
    assert rates.table.rows() == [
        ("views", "prompts", 900.0, 900.0),
        ("families", "prompts", 900.0, 90.0),
        ("report", "requests", 100_000.0, 1_000_000.0),
        ("whole run", "requests", 249.0, 89.0),
    ]
    assert memory.table.row(1) == ("views", 200.0, 2_000.0, pytest.approx(1.0))
    assert memory.table.rows()[-1] == ("whole run", 300.0, 2_000.0, pytest.approx(np.log10(20 / 3)))
    assert disk.table.row(1) == ("views", 4.0, 40.0, pytest.approx(1.0))
    assert disk.table.row(3) == ("report", 2**-10, 2**-10, None)
    assert disk.table.row(4)[:3] == ("working folder", 6 + 2**-10, 60 + 2**-10)
    assert disk.table.row(5) == ("run directory", 2**-20, 2**-20, None)
    assert logs.table.row(1)[:6] == (10_000, 50, 9_000, 0.9, 120.0, 30.0)
    assert others.table.row(1)[:5] == ("Covey, views and families", 1_000, 2.0, 2.0, 300.0)
    assert others.table.row(2) == ("a", 1_000, 3.0, 4.0, 500, 5, 0.5, None, DONE)
    assert others.table.row(5) == ("a", 10_000, *[None] * 6, "stopped after 60 s")
    alone = MeasuredSize(1_000, sizes[0].log, sizes[0].covey, {})
    assert len(speed_sections([alone], seed=0, threads=1, cores=None)) == 5


def test_a_bench_goes_on_where_it_stopped(tmp_path: Path, machine: Machine):
    told: list[tuple[int, int, str]] = []
    machine.falls["Covey", 3_000] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        measure_speed(tmp_path, settings(3_000, 2_000))
    assert machine.done == [(name, 2_000) for name in ("log", "Covey", "by_first_word")] + [
        ("log", 3_000), ("Covey", 3_000)
    ]  # fmt: skip
    assert list(tmp_path.rglob(".*")) == []
    left = tmp_path / "sizes" / "3000" / ".scratch-run-x"  # as a bench that was killed leaves it
    (left / "measured").mkdir(parents=True)
    machine.done.clear()
    machine.falls.clear()
    first = measure_speed(tmp_path, settings(2_000, 3_000), on_step=lambda *step: told.append(step))
    assert machine.done == [("Covey", 3_000), ("by_first_word", 3_000)]
    assert [step[0] for step in told] == list(range(9))
    assert told[-1] == (8, 8, "")
    assert not left.exists()
    machine.done.clear()
    again = measure_speed(tmp_path, settings(2_000, 3_000))
    assert machine.done == []
    assert all(a.table.equals(b.table) for a, b in zip(first, again, strict=True))
    assert (tmp_path / "speed.md").read_text().count("not installed") == 2
    measure_speed(tmp_path, settings(2_000), force=True)
    assert machine.done == [("log", 2_000), ("Covey", 2_000), ("by_first_word", 2_000)]


def outcomes(sections: list[Any]) -> list[str]:
    table = sections[-1].table
    return table.filter(pl.col("Finder") == "speed_cases")["Outcome"].to_list()


def test_who_passed_the_limit_is_not_tried_at_larger_sizes(tmp_path: Path, machine: Machine):
    machine.falls["by_first_word", 3_000] = OwnProcessError("stopped after 5 s")
    made = measure_speed(tmp_path, settings(2_000, 3_000, 4_000, 5_000, limit=5))
    not_tried = "not tried: stopped after 5 s at 3,000"
    assert outcomes(made) == [DONE, "stopped after 5 s", not_tried, not_tried]
    machine.done.clear()
    machine.falls.clear()
    assert outcomes(measure_speed(tmp_path, settings(3_000, 4_000, limit=4))) == [
        "stopped after 5 s", not_tried
    ]  # fmt: skip
    assert machine.done == []
    assert outcomes(measure_speed(tmp_path, settings(3_000, 4_000, limit=50))) == [DONE, DONE]
    assert machine.done == [("by_first_word", 3_000), ("by_first_word", 4_000)]


def test_who_failed_is_tried_again_in_another_call_only(tmp_path: Path, machine: Machine):
    machine.falls["by_first_word", 2_000] = OwnProcessError("failed: KeyError: 1")
    made = measure_speed(tmp_path, settings(2_000, 3_000))
    assert outcomes(made) == ["failed: KeyError: 1", "not tried: failed: KeyError: 1 at 2,000"]
    machine.falls.clear()
    assert outcomes(measure_speed(tmp_path, settings(2_000, 3_000))) == [DONE, DONE]


def test_a_run_that_does_not_fit_into_memory_is_one_line(tmp_path: Path, machine: Machine):
    machine.falls["Covey", 3_000] = OutOfMemoryError("out of memory")
    with pytest.raises(ValueError, match="a run of 3,000 requests does not fit"):
        measure_speed(tmp_path, settings(2_000, 3_000))
    assert (tmp_path / "sizes" / "2000" / "covey.json").is_file()


def test_a_finder_over_its_limit_is_stopped(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    def really_find(function: Any, *arguments: Any, **options: Any) -> Any:
        if function is not timed.find:
            return machine.call(function, *arguments, **options)
        np.save(Path(arguments[2]) / "vectors.npy", np.zeros((3, 2), dtype=np.float32))
        pl.DataFrame({"prompt": ["a", "b", "c"]}).write_parquet(Path(arguments[2]) / "prompts.parquet")
        return call(function, *arguments, **options)

    monkeypatch.setattr(speed, "call", really_find)
    monkeypatch.setattr(speed, "RIVALS", {"speed_cases": cases.asleep})
    made = measure_speed(tmp_path, settings(2_000, 3_000, limit=6))
    assert outcomes(made) == ["stopped after 6 s", "not tried: stopped after 6 s at 2,000"]


def test_what_others_made_is_refused(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch):
    measure_speed(tmp_path, SpeedSettings((2_000,), threads=1))
    with pytest.raises(ValueError, match=r"holds sizes of .*'threads': 1.*give another --out, or --force"):
        measure_speed(tmp_path, SpeedSettings((2_000,), threads=2))
    with exclusive(tmp_path / "sizes"), pytest.raises(RunError, match="another run is at work there"):
        measure_speed(tmp_path, SpeedSettings((2_000,), threads=1))
    monkeypatch.setattr(place, "MEASURES", -1)
    with pytest.raises(ValueError, match="give another --out, or --force"):
        measure_speed(tmp_path, SpeedSettings((2_000,), threads=1))
    with pytest.raises(ValueError, match="sizes is empty"):
        SpeedSettings(())
    with pytest.raises(ValueError, match=r"limit=0\.0"):
        SpeedSettings(limit=0.0)


def test_a_finder_is_timed_and_judged_on_the_log_s_prompts(tmp_path: Path):
    words = ["alpha"] * 50 + ["beta"] * 45 + ["other"] * 20
    prompts = [f"{word} {place % 40}" for place, word in enumerate(words)]
    families = ["c/alpha"] * 50 + ["c/beta"] * 40 + [None] * 25
    pl.DataFrame({"prompt": prompts}).write_parquet(tmp_path / timed.LOG)
    truth = pl.DataFrame({"family": families}).with_columns(
        request_id=pl.int_range(pl.len()).cast(pl.String),
        kind=pl.when(pl.col("family").is_null()).then(pl.lit("organic")).otherwise(pl.lit("campaign")),
        group=pl.col("family").str.head(1),
    )
    truth.write_parquet(tmp_path / timed.TRUTH)
    assert timed.prepare(str(tmp_path / timed.LOG), str(tmp_path)) == len(set(prompts))
    taken = timed.find("speed_cases", "by_first_word", str(tmp_path), 0)
    assert 0 <= taken["seconds"] < 60
    assert taken["peak_mib"] > 50
    found = timed.judge(str(tmp_path / timed.TRUTH), str(tmp_path))
    assert found == {"families": 2, "mean_f1": pytest.approx((1 + 80 / 85) / 2), "plain_f1": None}


def test_a_log_says_what_it_is_like(tmp_path: Path):
    said = timed.write_log(2_000, 5, str(tmp_path))
    log = pl.read_parquet(tmp_path / timed.LOG)
    assert said["requests"] == log.height == 2_000
    assert said["accounts"] == len(set(log["account_id"]))
    assert said["mean_chars"] == pytest.approx(sum(map(len, log["prompt"])) / 2_000, abs=0.01)
    assert 0.1 < said["mean_tokens"] / said["mean_chars"] < 0.5
    again = tmp_path / "again"
    write_simulation(SimulationSettings(n_requests=2_000), again, seed=5)
    assert (again / timed.LOG).read_bytes() == (tmp_path / timed.LOG).read_bytes()


def test_the_command_prints_tables_and_json(tmp_path: Path, machine: Machine):
    call = ["speed", "--out", str(tmp_path), "--requests", "2k", "--requests", "3000"]
    shown = runner.invoke(bench_app, call)
    assert shown.exit_code == 0
    assert "Seconds per stage" in shown.stdout
    assert re.search(r"speed\.md", shown.stdout)
    listed = json.loads(runner.invoke(bench_app, [*call, "--json"]).stdout)
    assert [row["Stage"] for row in listed["tables"][0]["rows"]][:2] == ["start", "views"]
    assert len(listed["tables"]) == 6
    assert len(json.loads(runner.invoke(bench_app, [*call, "--json", "--no-rivals"]).stdout)["tables"]) == 5
    assert runner.invoke(bench_app, [*call, "--threads", "1"]).exit_code == 2


@pytest.mark.slow
def test_a_small_bench_of_real_runs(tmp_path: Path):
    made = measure_speed(tmp_path, SpeedSettings((4_000,), seed=1))
    seconds, rates, memory, disk, logs, others = (section.table for section in made)
    assert {"start", "read logs", "views", "families", "map", "report"} <= set(seconds["Stage"])
    assert seconds.filter(pl.col("Stage") == "whole run")["4,000"].item() > 1
    assert 50 < memory["4,000"].min() < memory["4,000"].max() < 4_000
    assert rates["4,000"].min() > 10
    assert disk.filter(pl.col("Stage") == "views")["4,000"].item() > 1
    assert disk["4,000"][-1] < disk["4,000"][-2]
    assert 0.3 < logs["Share"].item() < 1
    rows = {row["Finder"]: row for row in others.iter_rows(named=True)}
    assert rows["hdbscan"]["Outcome"] == DONE
    assert rows["hdbscan"]["Families"] > 0
    assert rows["Covey, the whole run"]["Peak MiB"] == memory["4,000"].max()
