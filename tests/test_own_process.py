"""A function in a process of its own: its answer, its limit, its falls."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import own_process_cases as cases
import pytest

from clustering.own_process import OwnProcessError, call


def test_the_answer_comes_from_another_process_with_its_environment():
    pid, said, value = call(cases.echo, {"a": [1, 2.5, None]}, environment={"COVEY_SAID": "here"})
    assert pid != os.getpid()
    assert said == "here"
    assert value == {"a": [1, 2.5, None]}


def alive(pid: str) -> bool:
    """Whether a process runs; a dead one may wait for its parent to notice."""
    said = subprocess.run(
        ["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False
    ).stdout
    return bool(said.strip()) and not said.strip().startswith("Z")


def eventually(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Whether something comes true in time."""
    deadline = time.perf_counter() + seconds
    while not holds() and time.perf_counter() < deadline:
        time.sleep(0.05)
    return holds()


def test_a_process_over_its_limit_is_killed_with_what_it_started(tmp_path: Path):
    file, started = tmp_path / "pid", time.perf_counter()
    with pytest.raises(OwnProcessError, match=r"^stopped after 8 s$"):
        call(cases.start_another_and_sleep, str(file), limit=8)
    assert time.perf_counter() - started < 60
    assert eventually(lambda: not alive(file.read_text()), seconds=20)


def test_a_process_ends_with_the_one_that_waits_for_it(tmp_path: Path):
    file, code = tmp_path / "pid", "import sys; from own_process_cases import *; call_and_wait(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    waiting = subprocess.Popen([sys.executable, "-c", code, str(file)], env=environment)
    assert eventually(lambda: file.is_file() and bool(file.read_text()), seconds=60)
    assert alive(file.read_text())
    waiting.kill()
    waiting.wait()
    assert eventually(lambda: not alive(file.read_text()), seconds=20)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (cases.fail, "failed: KeyError: 'why'"),
        (cases.exhaust, "out of memory"),
        (cases.be_killed, "out of memory"),
        (cases.leave, "failed: exit status 3"),
    ],
)
def test_how_it_fell_is_said(case, said):
    with pytest.raises(OwnProcessError) as caught:
        call(case)
    assert str(caught.value) == said
