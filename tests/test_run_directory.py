"""A run directory is complete or absent; what a run did not write is never deleted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from clustering import Run, RunError, RunSettings, Stage, load_run, run
from clustering.results import TABLES
from clustering.run_directory import CONTENTS
from clustering.simulation import SimulationSettings, simulate
from clustering.tables import SCHEMA_VERSION
from scripts.cli import app

# What `covey show RUN FAMILY` reads.
SHOWN = {"families", "campaigns", "accounts", "assignments", "prompts", "slots"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = SimulationSettings(n_requests=1_000, campaign_share=0.3, lookalike_share=0.3)
    path = tmp_path_factory.mktemp("log") / "requests.parquet"
    simulate(settings, seed=2).requests.write_parquet(path)
    return path


@pytest.fixture(scope="module")
def made(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(log, tmp_path_factory.mktemp("made") / "run")


@pytest.fixture
def done(made: Run, tmp_path: Path) -> Run:
    """A copy of the run: a run directory may be moved."""
    shutil.copytree(made.path, tmp_path / "run")
    return replace(made, path=tmp_path / "run")


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_complete_run_is_returned_untouched(log: Path, made: Run, done: Run) -> None:
    before = stamps(done.path)
    told: list[Stage] = []
    again = run(log, done.path, progress=told.append)
    assert again.was_complete
    assert not made.was_complete
    assert stamps(done.path) == before
    assert "families" not in {stage.name for stage in told}
    assert again.families.equals(done.families)
    assert load_run(done.path).families.equals(done.families)


def test_threads_and_force_are_no_other_settings(log: Path, done: Run) -> None:
    assert run(log, done.path, settings=RunSettings(threads=1)).was_complete


@pytest.mark.parametrize("settings", [RunSettings(seed=1), RunSettings(min_family=30)])
def test_other_settings_are_refused(log: Path, done: Run, settings: RunSettings) -> None:
    before = stamps(done.path)
    with pytest.raises(RunError, match=r"other logs or settings.*--force"):
        run(log, done.path, settings=settings)
    assert stamps(done.path) == before


def test_other_rows_are_refused(log: Path, done: Run, tmp_path: Path) -> None:
    moved = pl.read_parquet(log).with_columns(pl.col("org_id").fill_null("an-org"))
    moved.write_parquet(tmp_path / "moved.parquet")
    with pytest.raises(RunError, match="other logs"):
        run(tmp_path / "moved.parquet", done.path)


def test_force_replaces(log: Path, done: Run) -> None:
    again = run(log, done.path, settings=RunSettings(seed=1, force=True))
    assert not again.was_complete
    assert load_run(done.path).manifest["settings"]["seed"] == 1
    assert [path.name for path in done.path.parent.iterdir()] == ["run"]


def test_force_keeps_notes_that_an_analyst_left(log: Path, done: Run) -> None:
    (done.path / "notes.txt").write_text("seen")
    with pytest.raises(RunError, match=r"notes\.txt"):
        run(log, done.path, settings=RunSettings(force=True))
    assert (done.path / "notes.txt").read_text() == "seen"


def test_a_broken_manifest_is_mended_by_force(log: Path, done: Run) -> None:
    (done.path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match="--force"):
        load_run(done.path)
    with pytest.raises(RunError, match="--force"):
        run(log, done.path)
    assert run(log, done.path, settings=RunSettings(force=True)).families.height


def test_another_schema_version_is_refused(done: Run) -> None:
    path = done.path / "manifest.json"
    path.write_text(path.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 999'))
    with pytest.raises(RunError, match="999"):
        load_run(done.path)


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_way_is_left_alone(log: Path, tmp_path: Path, force: bool) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RunError, match="is a file"):
        run(log, tmp_path / "out", settings=RunSettings(force=force))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("folder", ["out", "out.partial"])
def test_a_folder_of_something_else_is_left_alone(
    log: Path, tmp_path: Path, folder: str, force: bool
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="another --out"):
        run(log, tmp_path / "out", settings=RunSettings(force=force))
    assert (tmp_path / folder / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("beside", ["out.partial", "out.replaced.partial"])
@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_in_the_way_beside_it_shows_before_the_work(
    log: Path, tmp_path: Path, beside: str, kind: str, force: bool
) -> None:
    mine = tmp_path / beside / "thesis.tex" if kind == "folder" else tmp_path / beside
    mine.parent.mkdir(exist_ok=True)
    mine.symlink_to(log.parent) if kind == "link" else mine.write_text("mine")
    told: list[Stage] = []
    with pytest.raises(RunError, match=rf"{beside}.*move.*another --out"):
        run(log, tmp_path / "out", settings=RunSettings(force=force), progress=told.append)
    assert not told
    assert log.exists() if kind == "link" else mine.read_text() == "mine"


@pytest.mark.parametrize("there", [False, True])
def test_a_link_stays_and_its_target_is_the_run_directory(log: Path, tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "disk" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.mkdir()
    link.symlink_to(target)
    assert run(log, link).path == link
    assert run(log, link).was_complete
    assert not run(log, link, settings=RunSettings(seed=1, force=True)).was_complete
    assert link.is_symlink()
    assert load_run(target).manifest["settings"]["seed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_link_to_itself_is_refused(log: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(RunError, match="another --out"):
        run(log, tmp_path / "link")


def test_the_current_folder_may_be_the_run_directory(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(log, ".").families.height
    assert run(log, ".").was_complete
    assert run(log, ".", settings=RunSettings(seed=1, force=True)).manifest["settings"]["seed"] == 1
    assert {path.name for path in Path().iterdir()} == CONTENTS
    assert Path().stat().st_mode & 0o777 == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_cut_off_or_missing_is_named(done: Run, name: str) -> None:
    table = done.path / f"{name}.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(RunError, match=rf"{name}\.parquet: not readable .*--force"):
        getattr(load_run(done.path), name)
    shown = CliRunner().invoke(app, ["show", str(done.path), "1"])
    assert shown.exit_code == (2 if name in SHOWN else 0)
    table.unlink()
    with pytest.raises(RunError, match=rf"{name}\.parquet: not readable .*--force"):
        getattr(load_run(done.path), name)


@pytest.mark.parametrize("inside", ["run", "deeper/run", "."])
def test_a_place_among_the_logs_is_refused(log: Path, tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    shutil.copy(log, folder / "requests.parquet")
    with pytest.raises(RunError, match="lies among the logs"):
        run(folder, folder / inside)
    assert [path.name for path in folder.iterdir()] == ["requests.parquet"]


def test_a_pattern_that_reaches_into_the_place_is_refused(log: Path, done: Run) -> None:
    shutil.copy(log, done.path.parent / "requests.parquet")
    with pytest.raises(RunError, match="would be read as a log"):
        run(f"{done.path.parent}/**/*.parquet", done.path)


def test_an_empty_folder_is_taken(log: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run(log, tmp_path / "out").families.height


@pytest.mark.parametrize("name", ["[x]", "*", "~", "{a,b}"])
def test_a_name_is_no_pattern(
    made: Run, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def stop(stage: Stage) -> None:
        if stage.name == "map":
            raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    shutil.copytree(made.path, tmp_path / "other" / "run")  # what a star would find as well
    with pytest.raises(KeyboardInterrupt):
        run(log, f"{name}/run", progress=stop)
    assert run(log, f"{name}/run").families.equals(made.families)
    assert load_run(f"{name}/run").assign(["Hello"]).height == 1
    assert (tmp_path / name / "run").is_dir()


def test_a_mistaken_command_costs_nothing_of_what_a_killed_run_has_done(log: Path, tmp_path: Path) -> None:
    def stop(stage: Stage) -> None:
        if stage.name == "map":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(log, tmp_path / "run", progress=stop)
    for mistake in (
        RunSettings(columns={"prompt": "nope"}),
        RunSettings(since=datetime(2100, 1, 1, tzinfo=UTC)),
        RunSettings(account_key=str(tmp_path / "none")),
    ):
        with pytest.raises(ValueError, match=r"nope|no usable record|account key"):
            run(log, tmp_path / "run", settings=mistake)
    told: list[Stage] = []
    run(log, tmp_path / "run", progress=told.append)
    assert (
        {"map", "report"}
        <= {stage.name for stage in told if not stage.ended}
        <= {
            "load encoder",
            "check logs",
            "map",
            "report",
        }
    )


def test_a_name_that_is_no_utf_8_is_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not UTF-8"):
        run(log, os.fsdecode(os.fsencode(tmp_path) + b"/l\xe9"))
    assert not list(tmp_path.iterdir())


def test_where_a_disk_is_mounted_no_run_can_be_put(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path / "disk")
    with pytest.raises(RunError, match="disk is mounted there"):
        run(log, tmp_path / "disk")
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]
    assert run(log, tmp_path / "disk" / "run").families.height


def test_a_place_that_cannot_be_made(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        run(log, tmp_path / "file" / "out")


def test_an_interrupted_run_leaves_no_directory_and_no_harm(log: Path, tmp_path: Path) -> None:
    def stop(stage: Stage) -> None:
        if stage.name == "map":
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(log, out, progress=stop)
    assert not out.exists()
    assert out.with_name("out.partial").is_dir()
    with pytest.raises(RunError, match="not a complete run"):
        load_run(out)
    done = run(log, out)
    assert {path.name for path in out.iterdir()} == CONTENTS
    assert done.families.height
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_forced_run_keeps_the_old_one(log: Path, done: Run) -> None:
    def stop(stage: Stage) -> None:
        if stage.name == "report":
            raise KeyboardInterrupt

    before = stamps(done.path)
    with pytest.raises(KeyboardInterrupt):
        run(log, done.path, settings=RunSettings(seed=1, force=True), progress=stop)
    assert stamps(done.path) == before


@pytest.mark.slow
def test_a_killed_process_leaves_no_directory_and_no_harm(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"import sys; from scripts.cli import app; app(['run', {str(log)!r}, '--out', {str(out)!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while (
        not out.with_name("out.partial").exists() and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert run(log, out).families.height


def test_load_run_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no such directory.*covey run"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"holds no manifest\.json"):
        load_run(tmp_path)
