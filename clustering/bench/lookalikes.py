"""The headline: which look-alikes are flagged, how often, and whether a log without campaigns is silent."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import polars as pl

from clustering.judgement import counted_families

from .counting import Counted
from .intervals import share_interval, spread
from .section import Section, table_of

NAME = "lookalikes"


def false_flags(worlds: Sequence[Counted]) -> Section:
    """Families of each kind that are not campaigns', and those of them that are flagged.

    Only campaigns and quiet worlds count, so that each look-alike has its share of a whole log.
    """
    judged = [_wrong_families(world) for world in worlds if world.world.kind in ("campaigns", "quiet")]
    table = pl.concat(judged) if judged else _NOTHING
    by_kind = table.group_by("kind").agg(
        families=pl.len(),
        flagged=pl.col("flagged").sum(),
        worlds=pl.col("world").filter("flagged").n_unique(),
        seen=pl.col("world").n_unique(),
    )
    rows = []
    for kind, n, flagged, hit, seen in by_kind.sort(
        ["flagged", "kind"], descending=[True, False]
    ).iter_rows():
        rows.append((kind, seen, n, flagged, flagged / n, spread(*share_interval(flagged, n)), hit))
    return Section(
        NAME,
        "False flags by kind of look-alike",
        f"Families at least half of whose requests are benign, in {len(judged)} worlds; by the kind of "
        "most of their benign requests. The interval takes families as independent.",
        table_of(rows, ("Kind", "Worlds", "Families", "Flagged", "Share", "95 %", "Worlds with a flag")),
    )


def silence(worlds: Sequence[Counted]) -> Section:
    """How many worlds without a campaign flag anything."""
    quiet = [world.families["flagged"].sum() for world in worlds if world.world.kind == "quiet"]
    hit = sum(n > 0 for n in quiet)
    rows = [(len(quiet), hit, int(sum(quiet)), spread(*share_interval(hit, len(quiet))))]
    return Section(
        NAME,
        "Worlds without a campaign",
        "People and all look-alikes.",
        table_of(rows, ("Worlds", "That flag anything", "Families flagged", "95 % of the share")),
    )


def alone(worlds: Sequence[Counted]) -> Section:
    """Each look-alike alone among people: what is flagged, and the reasons given."""
    by_kind: dict[str, list[Counted]] = {}
    for world in worlds:
        if world.world.kind == "alone":
            by_kind.setdefault(world.world.what, []).append(world)
    rows = []
    for what, group in by_kind.items():
        flagged = [world.families.filter("flagged") for world in group]
        reasons = [one["reasons"][0].to_list()[:2] for one in flagged if one.height]
        n_requests = [_n_benign(world) for world in group]
        families = sum(world.families.height for world in group)
        loud, n_flagged = sum(one.height > 0 for one in flagged), sum(one.height for one in flagged)
        why = " ".join(reasons[0]) if reasons else ""
        rows.append((what, len(group), round(fmean(n_requests)), families, n_flagged, loud, why))
    columns = ("Look-alike", "Worlds", "Its requests", "Families", "Flagged", "Worlds that flag", "Why")
    return Section(
        NAME,
        "Each look-alike alone",
        "People and one look-alike, whose requests are the mean of its worlds; the first reasons of the "
        "first flagged family.",
        table_of(rows, columns),
    )


def _n_benign(world: Counted) -> int:
    """Requests of the look-alikes in a world."""
    return int(world.pieces.filter(pl.col("kind").str.starts_with("benign:"))["n"].sum())


def lookalike_sections(worlds: Sequence[Counted]) -> list[Section]:
    """All three tables."""
    return [false_flags(worlds), silence(worlds), alone(worlds)]


_NOTHING = pl.DataFrame(schema={"world": pl.String, "kind": pl.String, "flagged": pl.Boolean})


def _wrong_families(world: Counted) -> pl.DataFrame:
    judged = counted_families(world.families.select("family_id", "rank", "flagged"), world.pieces)
    kind = pl.col("top_kind").fill_null("organic").str.strip_prefix("benign:")
    return judged.filter(~pl.col("right")).select(
        pl.lit(world.world.name).alias("world"), kind.alias("kind"), "flagged"
    )
