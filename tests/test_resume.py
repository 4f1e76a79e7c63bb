"""A run that was stopped at any moment ends with the bytes of one that was not; two at once keep apart."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fault_injection import before_each_call, check_same_tables, left_behind, small_log
from typer.testing import CliRunner

from clustering import Run, RunError, RunSettings, Stage, load_run, run
from clustering.checkpoints import FOLDER
from clustering.results import MANIFEST
from clustering.run_directory import CONTENTS, exclusive, lock_of, partial_of
from scripts.cli import app

STAGES = ("read logs", "views", "families", "templates", "signals", "campaigns", "tables", "map", "report")


class KilledError(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_log(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def whole(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(log, tmp_path_factory.mktemp("whole") / "run")


def stopped(log: Path, place: Path, *, at: str, settings: RunSettings | None = None) -> None:
    """A run that dies when a stage begins."""

    def stop(stage: Stage) -> None:
        if stage.name == at and not stage.ended:
            raise KilledError

    with pytest.raises(KilledError):
        run(log, place, settings=settings, progress=stop)


def done_again(log: Path, place: Path) -> list[str]:
    """The stages that the same command does, rather than takes over."""
    told: list[Stage] = []
    assert not run(log, place, progress=told.append).was_complete
    taken = {stage.name for stage in told if stage.note == "done before"}
    return [name for name in dict.fromkeys(stage.name for stage in told) if name not in taken]


def test_a_whole_run_is_to_be_compared_with(whole: Run) -> None:
    assert whole.families.height >= 5
    assert whole.families["flagged"].any()
    assert set(CONTENTS) == {path.name for path in whole.path.iterdir()}


@pytest.mark.parametrize("at", STAGES)
def test_it_goes_on_from_the_last_whole_stage(log: Path, whole: Run, tmp_path: Path, at: str) -> None:
    stopped(log, tmp_path / "run", at=at)
    assert not (tmp_path / "run").exists()
    assert done_again(log, tmp_path / "run")[2:] == list(STAGES[STAGES.index(at) :])
    check_same_tables(tmp_path / "run", whole)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    stages = load_run(tmp_path / "run").manifest["stages"]
    assert [stage["stage"] for stage in stages][2:] == list(STAGES)


@pytest.mark.slow
def test_what_a_kill_before_any_call_leaves_is_gone_on_with(
    log: Path, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, moments = tmp_path / "whole" / "run", []
    place.parent.mkdir()

    def moment(name: str, n: int) -> None:
        if name != "fsync" or n % 8 == 0:  # between two files of one stage nothing counts yet
            moments.append((name, left_behind(place, tmp_path / f"moment_{n}")))

    with monkeypatch.context() as patched:
        before_each_call(patched, moment)
        run(log, place)
    assert len(moments) > 40
    assert {name for name, _ in moments} == {"fsync", "replace", "rename"}
    for name, left in moments:
        done = (left / MANIFEST).exists()
        assert name == "fsync" or not done, "a run is complete by its last rename"
        assert run(log, left).was_complete or not done
        check_same_tables(left, whole)
        assert [path.name for path in left.parent.iterdir()] == ["run"]


@pytest.mark.slow
def test_what_a_kill_while_a_run_is_replaced_leaves_is_gone_on_with(
    log: Path, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, moments = tmp_path / "whole" / "run", []
    place.parent.mkdir()
    run(log, place, settings=RunSettings(seed=1))
    moving = False

    def moment(name: str, n: int) -> None:
        nonlocal moving
        moving |= name == "rename"
        if moving:
            moments.append(left_behind(place, tmp_path / f"moment_{n}"))

    with monkeypatch.context() as patched:
        before_each_call(patched, moment)
        run(log, place, settings=RunSettings(force=True))
    assert len(moments) > 2 * len(CONTENTS)
    for left in moments:
        # The new run is published whatever the next command is, so one without force finds it there.
        assert run(log, left).was_complete
        check_same_tables(left, whole)
        assert [path.name for path in left.parent.iterdir()] == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_is_told_in_a_line_and_the_run_goes_on(
    log: Path, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    for stage in STAGES:
        with monkeypatch.context() as patched, failing(patched, call, code, in_stage=stage) as told:
            with pytest.raises(RunError, match=r"same command again") as error:
                run(log, tmp_path / "run", progress=told)
            assert os.strerror(code) in str(error.value)
            assert "\n" not in str(error.value)
        assert not (tmp_path / "run").exists()
    assert run(log, tmp_path / "run").families.height
    check_same_tables(tmp_path / "run", whole)


@contextmanager
def failing(patched: pytest.MonkeyPatch, call: str, code: int, *, in_stage: str) -> Iterator[object]:
    """The last call in a stage fails: the one that its record is written with."""
    running = ""

    def told(stage: Stage) -> None:
        nonlocal running
        running = f"{stage.name}{' ended' if stage.ended and not stage.note else ''}"

    def refuse(name: str, _n: int) -> None:
        if name == call and running == f"{in_stage} ended":
            raise OSError(code, os.strerror(code))

    before_each_call(patched, refuse)
    yield told


def test_a_failing_rename_at_the_end_is_told_and_made_up_for(
    log: Path, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, _n: int) -> None:
        if name == "rename":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        before_each_call(patched, refuse)
        with pytest.raises(RunError, match="same command again"):
            run(log, tmp_path / "run")
    assert run(log, tmp_path / "run").was_complete
    check_same_tables(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["cut", "zeros"])
def test_files_that_a_power_cut_emptied_are_made_again(
    log: Path, whole: Run, tmp_path: Path, harm: str
) -> None:
    stopped(log, tmp_path / "before" / "run", at="report")
    folder = partial_of(tmp_path / "before" / "run")
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(paths) > 40
    # One file of each stage and kind; all of them would take minutes.
    for number, path in enumerate(paths[::7]):
        left = left_behind(tmp_path / "before" / "run", tmp_path / f"cut_{number}")
        file = partial_of(left) / path
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2] if harm == "cut" else bytes(len(data)))
        run(log, left)
        check_same_tables(left, whole)


def test_another_command_starts_over(log: Path, tmp_path: Path) -> None:
    stopped(log, tmp_path / "run", at="map")
    settings = RunSettings(min_family=30)
    told: list[Stage] = []
    other = run(log, tmp_path / "run", settings=settings, progress=told.append)
    assert not [stage for stage in told if stage.note == "done before"]
    check_same_tables(other, run(log, tmp_path / "fresh", settings=settings))


def test_logs_that_changed_start_over(log: Path, tmp_path: Path) -> None:
    own = tmp_path / "log.parquet"
    own.write_bytes(log.read_bytes())
    stopped(own, tmp_path / "run", at="map")
    pl.read_parquet(log)[:800].write_parquet(own)
    assert run(own, tmp_path / "run").assignments.height == 800


def test_logs_that_change_while_they_are_read_are_refused(log: Path, tmp_path: Path) -> None:
    own = tmp_path / "log.parquet"
    own.write_bytes(log.read_bytes())

    def write_on(stage: Stage) -> None:
        if stage.name == "read logs" and stage.done:
            os.utime(own, ns=(1, 1))

    with pytest.raises(ValueError, match=r"log\.parquet: changed while it was read"):
        run(own, tmp_path / "run", progress=write_on)
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_others_out_of_its_place(log: Path, tmp_path: Path) -> None:
    refused: list[str] = []

    def second(stage: Stage) -> None:
        if stage.name == "views" and not stage.ended:
            with pytest.raises(RunError, match="another run is at work there") as error:
                run(log, tmp_path / "run")
            refused.append(str(error.value))

    assert run(log, tmp_path / "run", progress=second).families.height
    assert refused
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_lock_that_a_killed_process_left_keeps_nobody_out(tmp_path: Path) -> None:
    place = tmp_path / "run"
    lock_of(place).write_text("")
    with exclusive(place), pytest.raises(RunError, match="another run"), exclusive(place):
        pass
    assert not lock_of(place).exists()


@pytest.mark.slow
def test_of_two_processes_one_makes_the_run(log: Path, whole: Run, tmp_path: Path) -> None:
    place = tmp_path / "run"
    call = [sys.executable, "-m", "scripts.cli", "run", str(log), "--out", str(place)]
    both = [subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
    ends = sorted((process.wait(), process.stderr.read().decode()) for process in both if process.stderr)
    assert [code for code, _ in ends] in ([0, 2], [0, 0])  # the second may come when the first is done
    assert ends[1][0] == 0 or "another run is at work there" in ends[1][1]
    check_same_tables(place, whole)


def test_a_finished_run_that_was_damaged_is_not_taken_for_whole(
    log: Path, whole: Run, tmp_path: Path
) -> None:
    place = left_behind(whole.path, tmp_path / "copy")
    table = place / "families.parquet"
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(bytes(data))
    for call in (lambda: run(log, place), lambda: load_run(place).families):
        with pytest.raises(RunError, match=r"families\.parquet: .*damaged.*--force"):
            call()
    assert run(log, place, settings=RunSettings(force=True)).families.equals(whole.families)


def test_an_interrupted_command_says_that_it_goes_on(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import clustering.pipeline as pipeline

    def stop(*_args: object, **_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "build_views", stop)
    ended = CliRunner().invoke(app, ["run", str(log), "--out", str(tmp_path / "run")])
    assert ended.exit_code == 130
    assert "the same command goes on" in ended.stderr
    assert (partial_of(tmp_path / "run") / FOLDER / "read_logs.json").is_file()


def test_threads_do_not_change_families_and_ranks(log: Path, whole: Run, tmp_path: Path) -> None:
    columns = ["rank", "family_id", "flagged", "campaign_id", "n_requests", "template"]
    for threads in (1, 3):
        other = run(log, tmp_path / f"run{threads}", settings=RunSettings(threads=threads))
        assert other.families.select(columns).equals(whole.families.select(columns))
        assert other.assignments.select("request_id", "family_id").equals(
            whole.assignments.select("request_id", "family_id")
        )
    assert replace(RunSettings(), threads=1) != RunSettings()
