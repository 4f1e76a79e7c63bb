"""The families that ``clustering.benign_reference`` compares with: of worlds of people and look-alikes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from clustering.benign_reference import REFERENCE, reference_of, reference_text
from clustering.judgement import judgement

from .counting import Counted, OnWorld, count_pieces, count_worlds
from .place import take_place
from .worlds import BenchSettings, worlds_of

_WORLDS, _ABOUT = "worlds", "reference.json"


@dataclass(frozen=True)
class ReferenceSettings:
    """Settings of a reference.

    Parameters
    ----------
    n_requests : of a world, each size: a family is compared with others about as large.
    n_seeds : worlds of each size.
    first_seed : seeds are these from here on; none that a bench of quality is taken on.
    threads : of a run; None takes all that are free.
    """

    n_requests: tuple[int, ...] = (12_000, 40_000, 200_000)
    n_seeds: int = 6
    first_seed: int = 500
    threads: int | None = None

    def of_each_size(self) -> list[BenchSettings]:
        """The bench of each size."""
        sizes = sorted(set(self.n_requests))
        return [BenchSettings(self.n_seeds, n, self.first_seed, threads=self.threads) for n in sizes]


def measure_reference(
    out: Path,
    settings: ReferenceSettings | None = None,
    *,
    force: bool = False,
    on_world: OnWorld | None = None,
) -> pl.DataFrame:
    """Make the worlds that are missing, and write their families as ``benign_reference.csv``.

    Parameters
    ----------
    out : folder of the worlds' tables; made when it is not there.
    settings
    force : count every world again.
    on_world : see ``counting.count_worlds``.

    Returns
    -------
    The table that was written. The same settings and versions give the same one.

    Raises
    ------
    ValueError
        `out` holds worlds of another version of Covey, and not `force`.
    """
    settings = settings or ReferenceSettings()
    folder = take_place(out, _WORLDS, settings, about=_ABOUT, kept=("*.parquet",), force=force)
    worlds = [world for each in settings.of_each_size() for world in worlds_of(each, [("quiet", "pieces")])]
    counts = {"pieces": count_pieces}
    counted = count_worlds(worlds, folder, counts, threads=settings.threads, on_world=on_world)
    table = reference_of([_families(world) for world in counted])
    (out / REFERENCE).write_text(reference_text(table), encoding="utf-8")
    return table


def _families(world: Counted) -> pl.DataFrame:
    mostly = world.families.join(judgement(world.pieces), on="family_id", how="left", maintain_order="left")
    kind = pl.col("top_kind").str.strip_prefix("benign:").replace({"organic": "people"})
    return mostly.with_columns(kind=kind)
