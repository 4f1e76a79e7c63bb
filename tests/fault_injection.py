"""Moments at which a run can die or fail: the system calls by which its files come to count."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clustering import Run
from clustering.results import MANIFEST
from clustering.run_directory import REPORT
from clustering.simulation import SimulationSettings, simulate

CALLS = ("fsync", "replace", "rename")


def small_log(folder: Path) -> Path:
    """A log that a run takes seconds for, with campaigns that are flagged, so that every stage has work."""
    settings = SimulationSettings(
        n_requests=1_200, campaigns=("trace", "operators"), campaign_share=0.5, lookalike_share=0.1
    )
    path = folder / "requests.parquet"
    simulate(settings, seed=2).requests.write_parquet(path)
    return path


def before_each_call(monkeypatch: pytest.MonkeyPatch, told: Callable[[str, int], None]) -> None:
    """Call ``told(name, n)`` before the n-th (from 0) of all calls of ``CALLS``."""
    n = 0

    def patched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal n
            told(name, n)
            n += 1
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, patched(name, getattr(os, name)))


def left_behind(place: Path, to: Path) -> Path:
    """A copy of what a process that is killed now leaves of a run into `place`; the same place elsewhere."""
    to.mkdir(parents=True)
    for path in place.parent.glob(f"{place.name}*"):
        if path.is_dir():
            shutil.copytree(path, to / path.name)
        else:
            shutil.copy(path, to / path.name)
    return to / place.name


def tables_of(run: Run | Path) -> dict[str, bytes]:
    """Every table and index file by its name; not the manifest and the report, which tell times."""
    folder = run if isinstance(run, Path) else run.path
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.relative_to(folder).as_posix() not in (REPORT, MANIFEST)
    }


def check_same_tables(one: Run | Path, other: Run | Path) -> None:
    """Byte for byte, and nothing besides."""
    seen, expected = tables_of(one), tables_of(other)
    assert seen.keys() == expected.keys()
    assert [name for name in expected if seen[name] != expected[name]] == []
