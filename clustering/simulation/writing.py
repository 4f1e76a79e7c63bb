"""A simulated log on the disk: ``requests.parquet``, ``truth.parquet`` and ``simulation.json``.

The log is written part by part, so that memory does not grow with it, under other names, which are renamed
when all is there: the manifest, which says what is in the log, comes last. The same settings and seed give
the same bytes, with the same versions of Polars and Arrow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet

from clustering.durable import seal, sync_folder, write_json
from clustering.results import MANIFEST
from clustering.stages import Progress, Stage

from .plans import CampaignPlan
from .settings import SimulationSettings
from .simulator import PART_REQUESTS, simulated_parts
from .tally import Tally

REQUESTS, TRUTH, CONTENTS = "requests.parquet", "truth.parquet", "simulation.json"
_ROWS = 100_000  # of a row group: what a reader has in memory at a time
_VERSIONS = ("covey", "numpy", "polars", "pyarrow")
_pq: Any = pyarrow.parquet  # Arrow ships no types


def check_folder(folder: Path | str, *, force: bool = False) -> None:
    """Refuse, before the work, a folder that ``write_simulation`` would refuse.

    Raises
    ------
    ValueError
        `folder` is a file; or it holds a log, its truth or a run, and not `force`.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for {REQUESTS} and {TRUTH}")
    for name in (REQUESTS, TRUTH, CONTENTS, MANIFEST):
        if not force and (folder / name).exists():
            raise ValueError(f"{folder}: holds {name} already; give another --out, or --force")


def write_simulation(
    settings: SimulationSettings,
    folder: Path | str,
    *,
    seed: int,
    force: bool = False,
    progress: Progress | None = None,
    part_requests: int = PART_REQUESTS,
) -> dict[str, Any]:
    """Simulate a log into a folder, which is made when it is not there.

    Parameters
    ----------
    force : replace those files that are there.
    part_requests : requests that are in memory at a time. Another number makes another log of the same
        settings, once it has more than one part.

    Returns
    -------
    contents : what ``simulation.json`` says: versions, settings, seed, campaigns, requests and accounts by
        kind, shares, mean lengths.

    Raises
    ------
    ValueError
        `folder` is a file; it holds a log, its truth or a run, and not `force`; or as ``simulate``.
    OSError
        The disk is full, or refuses. Nothing is left then, and what was there before is as it was.
    """
    check_folder(folder, force=force)
    folder = Path(folder)
    meter = _Meter(progress, settings.n_requests)
    parts = simulated_parts(settings, seed=seed, part_requests=part_requests, told=meter.add)
    tally, n_parts = Tally(), 0
    plans: tuple[CampaignPlan, ...] = ()
    with ExitStack() as stack:
        stack.enter_context(_made(folder))
        requests, truth = (stack.enter_context(_Table(folder / name)) for name in (REQUESTS, TRUTH))
        for part in parts:
            requests.write(part.requests)
            truth.write(part.truth)
            tally.add(part)
            plans, n_parts = part.plans, n_parts + 1
            del part  # or it would be kept while the next one is made
        contents = _contents(settings, plans, seed=seed) | {"n_parts": n_parts} | tally.figures()
        requests.close()
        truth.close()
        (folder / CONTENTS).unlink(missing_ok=True)
        truth.publish()
        requests.publish()
    write_json(folder / CONTENTS, contents)
    meter.end()
    return contents


class _Meter:
    """Requests that are written so far, for whoever watches."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, n: int) -> None:
        self._done += n
        self._tell(ended=False)

    def end(self) -> None:
        self._tell(ended=True)

    def _tell(self, *, ended: bool) -> None:
        if self._progress is not None:
            self._progress(Stage("simulate", self._done, self._total, "requests", ended=ended))


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; take it away again, if it was not there, when what is done inside fails."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for place in missing:
            if not any(place.iterdir()):
                place.rmdir()
        raise


class _Table:
    """A Parquet file that is written a frame after the other, and is there as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._writer: Any = None

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            self.close()
        finally:
            self._partial.unlink(missing_ok=True)

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows, in row groups."""
        for begin in range(0, max(frame.height, 1), _ROWS):
            rows = frame.slice(begin, _ROWS).to_arrow()
            if self._writer is None:
                self._writer = _pq.ParquetWriter(self._partial, rows.schema, compression="zstd")
            self._writer.write_table(rows)

    def close(self) -> None:
        """End the file, which needs nothing of the rows any more."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    def publish(self) -> None:
        """Give the file its name."""
        seal(self._partial)
        self._partial.replace(self._path)
        sync_folder(self._path.parent)


def _contents(settings: SimulationSettings, plans: tuple[CampaignPlan, ...], *, seed: int) -> dict[str, Any]:
    """What was asked for, and by what it was made."""
    asked = asdict(settings) | {"start": settings.start.isoformat()}
    return {
        "versions": {name: version(name) for name in _VERSIONS},
        "seed": seed,
        "settings": asked,
        "campaigns": [asdict(plan) for plan in plans],
    }
