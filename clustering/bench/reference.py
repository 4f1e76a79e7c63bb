"""The families that ``clustering.benign_reference`` compares with: of worlds of people and look-alikes."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from clustering.benign_reference import REFERENCE, reference_of, reference_text
from clustering.judgement import judgement

from .counting import Counted, OnWorld, count_pieces, count_worlds
from .place import take_place
from .worlds import BenchSettings, worlds_of

_WORLDS, _ABOUT = "worlds", "reference.json"


def measure_reference(
    out: Path, settings: BenchSettings, *, force: bool = False, on_world: OnWorld | None = None
) -> pl.DataFrame:
    """Make the worlds that are missing, and write their families as ``benign_reference.csv``.

    Parameters
    ----------
    out : folder of the worlds' tables; made when it is not there.
    settings : without sections and logs.
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
    folder = take_place(out, _WORLDS, settings, about=_ABOUT, kept=("*.parquet",), force=force)
    worlds = worlds_of(settings, [("quiet", "pieces")])
    counts = {"pieces": count_pieces}
    counted = count_worlds(worlds, folder, counts, threads=settings.threads, on_world=on_world)
    table = reference_of([_families(world) for world in counted])
    (out / REFERENCE).write_text(reference_text(table), encoding="utf-8")
    return table


def _families(world: Counted) -> pl.DataFrame:
    mostly = world.families.join(judgement(world.pieces), on="family_id", how="left", maintain_order="left")
    kind = pl.col("top_kind").str.strip_prefix("benign:").replace({"organic": "people"})
    return mostly.with_columns(kind=kind)
