"""A clock measures its stages one by one, and peak memory is that of a piece of work alone."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from clustering import peak_memory
from clustering.peak_memory import MEASURED, PeakMemory, anonymous_memory_mib
from clustering.stages import Clock, Stage

on_linux = pytest.mark.skipif(MEASURED != "anonymous", reason="the system does not tell anonymous memory")


def hold(mib: int, *, seconds: float = 0.0) -> None:
    """Fill memory and give it back."""
    held = np.ones(mib << 20, np.uint8)
    time.sleep(seconds)
    assert held[-1] == 1


@on_linux
def test_what_was_held_before_is_no_peak_of_a_stage() -> None:
    clock = Clock(None)
    for name, mib in (("small", 10), ("large", 300), ("small again", 10)):
        with clock.stage(name):
            hold(mib, seconds=0.3)
    small, large, again = (stage["peak_memory_mib"] for stage in clock.stages)
    assert 280 < large - small < 320
    assert abs(again - small) < 20


@on_linux
def test_mapped_files_are_no_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(200 << 20))
    with PeakMemory() as memory:
        before = anonymous_memory_mib()
        mapped = np.memmap(tmp_path / "file", dtype=np.uint8, mode="r")
        assert mapped[::4096].sum() == 0
    assert memory.mib is not None
    assert before is not None
    assert memory.mib - before < 20


@on_linux
def test_watching_ends_with_the_work_also_where_it_fails() -> None:
    before = threading.active_count()
    with suppress(KeyError), PeakMemory():
        assert threading.active_count() == before + 1
        raise KeyError
    assert threading.active_count() == before


def test_where_the_system_tells_nothing_of_anonymous_memory_it_is_the_resident_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (None, "VmHWM:\t 100 kB\n"):
        status = tmp_path / "status"
        if text is not None:
            status.write_text(text)
        monkeypatch.setattr(peak_memory, "_STATUS", status)
        assert anonymous_memory_mib() is None
    status.write_text("VmHWM:\t 100 kB\nRssAnon:\t    2097152 kB\nRssFile:\t 5 kB\n")
    assert anonymous_memory_mib() == 2048
    monkeypatch.setattr(peak_memory, "MEASURED", "resident so far")
    before = threading.active_count()
    with PeakMemory() as first:
        assert threading.active_count() == before
        hold(100)
    with PeakMemory() as second:
        pass
    assert first.mib is not None
    assert second.mib is not None
    assert 100 < first.mib <= second.mib


def test_times_of_all_stages_are_those_of_the_run() -> None:
    clock = Clock(None)
    time.sleep(0.05)
    with clock.stage("asleep"):
        time.sleep(0.2)
    began = time.process_time()
    while time.process_time() < began + 0.2:  # between two stages: counts for the later one
        pass
    with clock.stage("late"):
        pass
    asleep, late = clock.stages
    assert asleep["seconds"] >= 0.25
    assert asleep["cpu_seconds"] < 0.15
    assert 0.2 <= late["cpu_seconds"] <= late["seconds"] + 0.05 * (os.cpu_count() or 1)
    assert sum(stage["seconds"] for stage in clock.stages) == pytest.approx(clock.seconds, abs=0.05)


def test_what_a_stage_wrote_is_its_own_and_its_last_count_is_its_total() -> None:
    told: list[Stage] = []
    clock = Clock(told.append)
    with clock.stage("writes"):
        clock.count(3, 10, unit="texts")
        clock.wrote(100)
        clock.wrote(20)
    with clock.stage("writes nothing"):
        pass
    assert [stage["written_bytes"] for stage in clock.stages] == [120, 0]
    assert told[-3] == Stage("writes", 3, 3, "texts", ended=True)
    assert told[-1] == Stage("writes nothing", 1, 1, "", ended=True)
    again = Clock(told.append)
    again.resumed("writes", clock.stages[0] | {"seconds": 100.0})
    assert again.seconds >= 100
    assert again.stages[0]["written_bytes"] == 120
