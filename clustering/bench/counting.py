"""A world is simulated and run once, and only what the sections need is kept: a Parquet file per count.

A file is complete or absent; a count that is there is not made again. The logs and the run directories of
simulated worlds go when they are counted: the same seed makes them again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from clustering.judgement import pieces_of
from clustering.pipeline import run
from clustering.results import Run
from clustering.run_settings import RunSettings
from clustering.simulation import simulate

from .worlds import World

_TEXTS = ("template", "medoid_prompt")  # of families: prompts have no place in a bench's tables
_TRUTH = ("kind", "group", "family", "n")


@dataclass(frozen=True, eq=False)
class Finished:
    """A world with its truth and what a run made of it.

    Parameters
    ----------
    requests, truth : as of ``clustering.simulation``; `requests` lacks what the world lost.
    run : of them.
    seed : of the world, for methods that draw.
    threads : that a method may use.
    """

    requests: pl.DataFrame
    truth: pl.DataFrame
    run: Run
    seed: int = 0
    threads: int | None = None

    def rows(self, found: pl.DataFrame) -> pl.DataFrame:
        """A row per request with its truth and the family that `found` (request_id, family_id) gives it."""
        known = self.truth.with_columns(pl.col("kind", "group", "family").cast(pl.String))
        named = found.select("request_id", pl.col("family_id").cast(pl.String))
        return known.join(named, on="request_id", how="left", maintain_order="left")


Count = Callable[[Finished], pl.DataFrame]


@dataclass(frozen=True, eq=False)
class Counted:
    """What was kept of a world: its tables by the name of the count."""

    world: World
    tables: Mapping[str, pl.DataFrame]

    @property
    def pieces(self) -> pl.DataFrame:
        """See ``clustering.judgement``."""
        return self.tables["pieces"].select("family_id", *_TRUTH)

    @property
    def families(self) -> pl.DataFrame:
        """The run's families without their texts, in rank order."""
        found = self.tables["pieces"].drop(_TRUTH).drop_nulls("family_id")
        return found.unique("family_id", keep="first").sort("rank")


def count_pieces(finished: Finished) -> pl.DataFrame:
    """The pieces of a run, each with the columns of its family; null in the rows of noise."""
    families = finished.run.families.drop(_TEXTS, strict=False)
    pieces = pieces_of(finished.rows(finished.run.assignments))
    return pieces.join(families, on="family_id", how="left", maintain_order="left")


OnWorld = Callable[[int, int, World | None], None]


def count_worlds(
    worlds: Sequence[World],
    folder: Path,
    counts: Mapping[str, Count],
    *,
    threads: int | None = None,
    on_world: OnWorld | None = None,
) -> list[Counted]:
    """``count_world`` of each.

    Parameters
    ----------
    on_world : told how many are done, of all, and which is next; None at the end.
    """
    told = on_world or (lambda done, total, world: None)
    counted = []
    for place, world in enumerate(worlds):
        told(place, len(worlds), world)
        counted.append(count_world(world, folder, counts, threads=threads))
    told(len(worlds), len(worlds), None)
    return counted


def count_world(
    world: World, folder: Path, counts: Mapping[str, Count], *, threads: int | None = None
) -> Counted:
    """Make what is missing of a world's tables, and read them all.

    Parameters
    ----------
    folder : where the tables are.
    counts : a function for each name in ``world.counted``.
    """
    files = {name: folder / f"{world.name}.{name}.parquet" for name in sorted(world.counted)}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        with tempfile.TemporaryDirectory(prefix=".world-", dir=folder) as scratch:
            finished = _finish(world, Path(scratch), threads)
            for name in missing:
                _write(counts[name](finished), files[name])
    return Counted(world, {name: pl.read_parquet(file) for name, file in files.items()})


def _finish(world: World, scratch: Path, threads: int | None) -> Finished:
    if world.folder is not None:
        requests, truth = (_read(world.folder / f"{name}.parquet") for name in ("requests", "truth"))
        log = world.folder / "requests.parquet"
    else:
        made = simulate(world.settings, seed=world.seed)
        requests, truth = made.requests.drop(world.lost), made.truth
        log = scratch / "requests.parquet"
        requests.write_parquet(log)
    done = run(log, scratch / "run", settings=RunSettings(threads=threads))
    return Finished(requests, truth, done, world.seed, threads)


def _read(file: Path) -> pl.DataFrame:
    if not file.is_file():
        raise ValueError(f"{file} is not there; give a folder as `covey simulate` writes it")
    return pl.read_parquet(file)


def _write(table: pl.DataFrame, file: Path) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        table.write_parquet(partial, compression="zstd")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
