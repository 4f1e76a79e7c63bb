"""Drills end to end: the log untouched, campaigns found, resumed, complete or absent, in the terminal."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from clustering import RunError, RunSettings, load_run, pipeline
from clustering.drill import Drill, DrillSettings, drill, load_drill
from clustering.drill.findings import planting_of
from clustering.drill.planting import Planted
from clustering.simulation import CampaignPlan, SimulationSettings, simulate
from scripts.drill import drill_command

SETTINGS = DrillSettings(
    (CampaignPlan("trace", 340, 90), CampaignPlan("grid", 180, 60, group="mine")),
    shares=(0.02, 0.05),
    keep=True,
    run=RunSettings(threads=1),
)
runner = CliRunner()


@dataclass(frozen=True)
class Drilled:
    """A log, and a drill over it that kept everything."""

    log: Path
    requests: pl.DataFrame
    out: Path
    made: Drill


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Drilled:
    folder = tmp_path_factory.mktemp("drill")
    made = simulate(SimulationSettings(n_requests=2_500, campaigns=(), campaign_share=None), seed=2)
    log = folder / "requests.parquet"
    made.requests.write_parquet(log)
    return Drilled(log, made.requests, folder / "out", drill(log, folder / "out", settings=SETTINGS))


class RunCalls:
    """Counts runs, kills the `fatal`-th, and takes those of an equal drill, when there is one, as its own."""

    def __init__(self, fatal: int | None = None, made: Path | None = None) -> None:
        self.n, self.fatal, self.made, self.run = 0, fatal, made, pipeline.run

    def __call__(self, logs: Any, folder: Path, **kwargs: Any) -> Any:
        self.n += 1
        if self.n == self.fatal:
            raise KeyboardInterrupt
        if self.made is not None and not folder.exists():
            shutil.copytree(self.made / folder.relative_to(folder.parents[folder.name == "run"]), folder)
        return self.run(logs, folder, **kwargs)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunCalls]:
    whole = pipeline.run

    def counting(fatal: int | None = None, made: Path | None = None) -> RunCalls:
        monkeypatch.setattr(pipeline, "run", whole)
        calls = RunCalls(fatal, made)
        monkeypatch.setattr(pipeline, "run", calls)
        return calls

    return counting


def without_seconds(made: Drill) -> tuple[object, ...]:
    return (
        replace(made.baseline, seconds=0.0),
        *(replace(planting, seconds=0.0) for planting in made.plantings),
    )


def test_planted_campaigns_are_found_and_said_to_be(drilled: Drilled) -> None:
    made = drilled.made
    assert [planting.share for planting in made.plantings] == [0.05, 0.02]
    assert made.baseline.n_requests == drilled.requests.height
    for planting in made.plantings:
        assert [finding.campaign for finding in planting.findings] == ["trace", "mine"]
        assert planting.n_requests == drilled.requests.height + planting.n_planted
        for finding in planting.findings:
            assert abs(finding.n_requests - planting.share * planting.n_requests) <= 1
            assert 0 <= finding.in_flagged <= finding.in_families <= 1
            assert finding.first_rank is None or finding.n_unknown_before < finding.first_rank  # type: ignore[operator]
    largest = {finding.campaign: finding for finding in made.plantings[0].findings}
    assert largest["mine"].in_families > 0.9
    assert largest["mine"].first_rank is not None


def test_the_log_is_whole_and_as_it_was(drilled: Drilled) -> None:
    assert pl.read_parquet(drilled.log).equals(drilled.requests)
    folder = drilled.out / "share_0.05"
    truth, run = pl.read_parquet(folder / "truth.parquet"), load_run(folder / "run")
    own = run.assignments.join(truth, on="request_id", how="anti")
    assert own.height == drilled.requests.height
    joined = own.join(drilled.requests, on=["request_id", "account_id", "timestamp"], how="inner")
    assert joined.height == drilled.requests.height
    assert not set(truth["account_id"]) & set(drilled.requests["account_id"])
    assert truth.join(run.assignments, on=["request_id", "account_id"]).height == truth.height


def test_findings_are_what_the_kept_run_says(drilled: Drilled) -> None:
    folder = drilled.out / "share_0.05"
    planted = pl.read_parquet(folder / "planted.parquet")
    truth, run = pl.read_parquet(folder / "truth.parquet"), load_run(folder / "run")
    planting = drilled.made.plantings[0]
    labels = {"trace": CampaignPlan("trace"), "mine": CampaignPlan("grid", group="mine")}
    again = planting_of(run, Planted(planted, truth, tuple(labels.values())), share=0.05)
    assert again == planting
    flagged = set(run.families.filter("flagged")["family_id"])
    rows = run.assignments.join(truth, on="request_id", how="left")
    caught = rows.filter(pl.col("family_id").is_in(list(flagged)) & pl.col("kind").is_null())
    assert planting.n_own_requests_flagged == caught.height
    for finding in planting.findings:
        extraction = pl.col("group").eq_missing(finding.campaign) & pl.col("kind").eq_missing("campaign")
        share = rows.group_by("family_id").agg(
            own=extraction.mean(), extraction=pl.col("kind").eq_missing("campaign").mean()
        )
        ranks = run.families.join(share, on="family_id").sort("rank")
        first = ranks.filter(pl.col("own") > 0.5)["rank"].min()
        assert finding.first_rank == first
        if isinstance(first, int):
            before = ranks.filter((pl.col("rank") < first) & (pl.col("extraction") < 0.5))
            assert finding.n_unknown_before == before.height


def test_a_drill_is_private_and_can_be_opened(drilled: Drilled) -> None:
    assert stat.S_IMODE(drilled.out.stat().st_mode) == 0o700
    assert {path.name for path in drilled.out.iterdir()} == {
        "baseline", "drill.json", "share_0.02", "share_0.05"
    }  # fmt: skip
    assert not drilled.out.with_name("out.partial").exists()
    assert load_drill(drilled.out) == drilled.made


def test_a_finished_drill_is_left_and_another_is_refused(
    drilled: Drilled, count: Callable[..., RunCalls]
) -> None:
    calls = count()
    again = drill(drilled.log, drilled.out, settings=SETTINGS)
    assert again.was_complete
    assert replace(again, was_complete=False) == drilled.made
    with pytest.raises(RunError, match="other logs or settings"):
        drill(drilled.log, drilled.out, settings=replace(SETTINGS, shares=(0.05,)))
    assert calls.n == 0


def test_a_killed_drill_goes_on_and_keeps_nothing(
    drilled: Drilled, tmp_path: Path, count: Callable[..., RunCalls]
) -> None:
    settings, out = replace(SETTINGS, keep=False), tmp_path / "out"
    calls = count(fatal=3, made=drilled.out)  # baseline, 5 %, killed in 2 %
    with pytest.raises(KeyboardInterrupt):
        drill(drilled.log, out, settings=settings)
    partial = tmp_path / "out.partial"
    assert not out.exists()
    assert stat.S_IMODE(partial.stat().st_mode) == 0o700
    assert not (partial / "share_0.05").exists()  # neither run nor plants
    before = (partial / "share_0.05.json").read_bytes()
    assert json.loads(before)["findings"]
    shuffled = tmp_path / "shuffled.parquet"  # the same log in another order
    drilled.requests.sample(fraction=1.0, shuffle=True, seed=1).write_parquet(shuffled)
    calls = count(made=drilled.out)
    # The run checks that plants and log are those of the drill that is copied, or refuses.
    made = drill(shuffled, out, settings=settings)
    assert calls.n == 2  # the baseline is found to be there, the other share is made
    assert without_seconds(made) == without_seconds(drilled.made)
    assert [path.name for path in out.iterdir()] == ["drill.json"]
    assert not partial.exists()


def test_a_place_in_the_way_is_refused_before_any_work(
    drilled: Drilled, tmp_path: Path, count: Callable[..., RunCalls]
) -> None:
    calls = count()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for name in ("full", "file"):
        with pytest.raises(RunError, match=name):
            drill(drilled.log, tmp_path / name, settings=SETTINGS)
    forced = replace(SETTINGS, run=RunSettings(force=True))
    with pytest.raises(RunError, match=r"notes\.txt"):
        drill(drilled.log, tmp_path / "full", settings=forced)
    with pytest.raises(RunError, match="among the logs"):
        drill(drilled.log.parent, drilled.log.parent / "inside", settings=SETTINGS)
    with pytest.raises(RunError, match="no finished drill"):
        load_drill(tmp_path / "nowhere")
    assert calls.n == 0


def test_too_few_requests_are_said_before_any_work(
    drilled: Drilled, tmp_path: Path, count: Callable[..., RunCalls]
) -> None:
    calls = count()
    with pytest.raises(ValueError, match=r"share 0\.001: 2,500 requests are too few"):
        drill(drilled.log, tmp_path / "out", settings=replace(SETTINGS, shares=(0.05, 0.001)))
    assert calls.n == 0
    assert not list(tmp_path.iterdir())


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command("drill")(drill_command)
    return made


def test_command_prints_the_findings(
    drilled: Drilled, app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = replace(drilled.made, notes=("note",), n_rejected=3)
    finding = replace(hostile.plantings[0].findings[0], campaign="\x1b[31mred", first_rank=None)
    planting = replace(hostile.plantings[0], findings=(finding,))
    seen: list[DrillSettings] = []

    def fake(logs: object, out: object, *, settings: DrillSettings, progress: object) -> Drill:
        seen.append(settings)
        return replace(hostile, plantings=(planting,))

    monkeypatch.setattr("clustering.drill.drill", fake)
    call = ["LOG", "-o", "OUT", "--campaign", "trace", "--campaign", "qwen", "--share", "0.05", "--seed", "4"]
    shown = runner.invoke(app, [*call, "--schedule", "people,replaced", "--disguise", "paraphrases"])
    assert shown.exit_code == 0, shown.output
    assert "\x1b" not in shown.stdout
    for words in ("5", "Unknown before", "Rejected 3 rows", "note", "Without plants", "may be true"):
        assert words in shown.stdout
    plans = seen[0].plans
    assert [plan.name for plan in plans] == ["trace", "qwen"]
    assert {(plan.schedule, plan.pools, plan.disguises) for plan in plans} == {
        ("people", 2, ("paraphrases",))
    }
    as_json = json.loads(runner.invoke(app, [*call, "--json"]).stdout)
    assert as_json["plantings"][0]["findings"][0]["first_rank"] is None
    assert as_json["baseline"]["n_requests"] == drilled.requests.height


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--campaign", "nobody"], "nobody"),
        (["--share", "0.7"], "share=0.7"),
        (["--share", "0.0001"], "too few"),
        (["--schedule", "never"], "never"),
        (["--column", "prompt=nothing"], "nothing"),
    ],
)
def test_mistakes_are_one_line(
    extra: list[str], words: str, drilled: Drilled, app: typer.Typer, tmp_path: Path
) -> None:
    shown = runner.invoke(app, [str(drilled.log), "-o", str(tmp_path / "out"), *extra])
    assert shown.exit_code == 2
    assert words in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_apart_and_together_plant_the_same(drilled: Drilled, tmp_path: Path) -> None:
    settings = replace(SETTINGS, apart=True, shares=(0.05,))
    made = drill(drilled.log, tmp_path / "out", settings=settings)
    assert [planting.findings[0].campaign for planting in made.plantings] == ["trace", "mine"]
    for planting in made.plantings:
        assert abs(planting.findings[0].n_requests - 0.05 * planting.n_requests) <= 1


@pytest.mark.slow
def test_a_log_without_times_in_other_columns(drilled: Drilled, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    drilled.requests.select(user="account_id", said="prompt").write_csv(log)
    before = hashlib.sha256(log.read_bytes()).hexdigest()
    columns = (("account_id", "user"), ("prompt", "said"))
    settings = replace(SETTINGS, shares=(0.05,), run=RunSettings(threads=1, columns=columns))
    made = drill(log, tmp_path / "out", settings=settings)
    assert "no times" in made.notes[0]
    assert made.plantings[0].findings[1].in_families > 0.9
    assert hashlib.sha256(log.read_bytes()).hexdigest() == before
