"""Real processes, killed: SIGKILL at fifty moments and in every stage, and a disk that is really full."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_injection import check_same_tables, small_log

from clustering import Run, RunSettings, Stage, load_run, run
from clustering.checkpoints import SCRATCH
from clustering.run_directory import partial_of

pytestmark = pytest.mark.slow

STAGES = ("load encoder", "check logs", "read logs", "views", "families", "templates")
STAGES += ("signals", "campaigns", "tables", "map", "report")
N_KILLS = 50
# Names each stage on a line of its own as it begins.
PROGRAM = """
import sys
from clustering import run
def told(stage):
    if not stage.ended and not stage.done:
        print(stage.name, flush=True)
run(sys.argv[1], sys.argv[2], progress=told)
"""
# Kills itself while it reads logs, when it first tells of some unit.
SUICIDE = """
import os, signal, sys
from clustering import run
def told(stage):
    if stage.name == "read logs" and stage.unit == sys.argv[3] and not stage.ended:
        os.kill(os.getpid(), signal.SIGKILL)
run(sys.argv[1], sys.argv[2], progress=told)
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_log(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def whole(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(log, tmp_path_factory.mktemp("whole") / "run")


def started(log: Path, place: Path) -> subprocess.Popen[str]:
    call = [sys.executable, "-c", PROGRAM, str(log), str(place)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def killed(process: subprocess.Popen[str], *, after: float, at: str | None = None) -> bool:
    """Kill so many seconds after a stage began (or at once); False where the process was quicker."""
    assert process.stdout is not None
    if at is not None:
        for line in process.stdout:
            if line.strip() == at:
                break
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("unit", ["bytes", "parts put together"])
@pytest.mark.parametrize("same_command", [True, False])
def test_a_kill_while_logs_are_read_leaves_scratch_and_the_next_run_deletes_it(
    log: Path, whole: Run, tmp_path: Path, unit: str, same_command: bool
) -> None:
    place = tmp_path / "run"
    scratch = partial_of(place) / SCRATCH
    call = [sys.executable, "-c", SUICIDE, str(log), str(place), unit]
    ended = subprocess.run(call, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = {path for path in scratch.rglob("*") if path.is_file()}
    assert left
    assert {path.name for path in partial_of(place).iterdir()} == {SCRATCH}
    seen: list[bool] = []

    def look(stage: Stage) -> None:
        if stage.name == "read logs" and not stage.ended and not stage.done:
            seen.append(any(path.exists() for path in left))

    settings = RunSettings() if same_command else RunSettings(max_rejected_share=0.25)
    check_same_tables(run(log, place, settings=settings, progress=look), whole)
    assert seen == [False]
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_fifty_kills_in_all_stages_change_no_byte(log: Path, whole: Run, tmp_path: Path) -> None:
    draw = random.Random(20)
    n_killed, n_places, hit = 0, 0, set()
    place = tmp_path / "0" / "run"
    while n_killed < N_KILLS:
        place.parent.mkdir(exist_ok=True)
        stage = STAGES[n_killed % len(STAGES)]
        # The times after the stage's begin differ by a factor of 1000. Where a kill comes too late, or the
        # stage was whole already, the run comes to its end, and the stage is aimed at in a new place.
        if killed(started(log, place), at=stage, after=10 ** draw.uniform(-3, 0)):
            n_killed += 1
            hit.add(stage)
        if place.exists():
            check_same_tables(place, whole)
            n_places += 1
            place = tmp_path / str(n_places) / "run"
    place.parent.mkdir(exist_ok=True)
    run(log, place)
    check_same_tables(place, whole)
    assert hit == set(STAGES)
    assert n_places >= 2, "runs that were killed again and again come to their end"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, too small for a run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "covey", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_a_line_and_the_run_goes_on_when_there_is_room(
    log: Path, whole: Run, small_disk: Path
) -> None:
    place, n_refused, size = small_disk / "run", 0, 64
    call = [sys.executable, "-m", "scripts.cli", "run", str(log), "--out", str(place)]
    while not place.exists():
        ended = subprocess.run(call, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == 2, ended.stderr
        assert ended.stderr.count("\n") == 1
        assert "No space left on device" in ended.stderr
        assert "same command again" in ended.stderr
        assert str(partial_of(place)) in ended.stderr
        n_refused, size = n_refused + 1, size * 3 // 2
        subprocess.run(["mount", "-o", f"remount,size={size}k", small_disk], check=True)
    assert n_refused >= 4
    check_same_tables(place, whole)
    assert load_run(place).families.height
