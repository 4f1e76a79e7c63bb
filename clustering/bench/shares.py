"""Detection against share: from which share of the traffic on public campaigns are found, at what rank."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clustering.judgement import CAMPAIGN, counted_families, judgement

from .counting import Counted
from .section import Section, table_of

NAME = "shares"
_COLUMNS = (
    "Campaign", "Share", "Requests", "In its families", "In flagged families", "Rank of its first family",
    "False families before it",
)  # fmt: skip


def share_sections(worlds: Sequence[Counted]) -> list[Section]:
    """A row per preset and share."""
    rows = [_row(world) for world in worlds if world.world.kind == "share"]
    note = (
        "In its families: requests in families at least half of which are campaigns'. A campaign with fewer "
        "requests than the smallest family (20) for each of its templates cannot be found."
    )
    return [Section(NAME, "Detection against share of the traffic", note, table_of(rows, _COLUMNS))]


def _row(world: Counted) -> tuple[object, ...]:
    listed = world.families.select("family_id", "rank", "flagged")
    judged = judgement(world.pieces).join(listed, on="family_id", how="left")
    pieces = world.pieces.filter(CAMPAIGN).join(judged, on="family_id", how="left", maintain_order="left")
    n = int(pieces["n"].sum())
    right, flagged = pl.col("share").fill_null(0.0) >= 0.5, pl.col("flagged").fill_null(False)
    found, caught = (pieces.filter(part)["n"].sum() / max(1, n) for part in (right, flagged))
    order = counted_families(listed, world.pieces)["right"].to_list()
    before = order.index(True) if True in order else None
    first = judged.filter(pl.col("share") >= 0.5)["rank"].min()
    share = f"{world.world.share:.1%}"
    return (world.world.what, share, n, float(found), float(caught), first, before)
