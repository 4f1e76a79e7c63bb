"""Realised against nominal false discovery rate, the order of the queue, and what becomes of each recipe.

The rate is the mean over worlds of the share of wrong families among those flagged, 0 where none is
(Benjamini and Hochberg 1995); worlds are drawn again for its interval, since families of one world are not
independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from clustering.judgement import CAMPAIGN, Ranking, judgement, ranking

from .counting import Counted
from .intervals import mean_interval, spread
from .section import Section, table_of

NAME = "fdr"
LEVELS = (0.01, 0.05, 0.1, 0.2)
FIGURES = ("average_precision", "precision_at_10", "precision_at_20", "campaign_requests_flagged")


def at_level(families: pl.DataFrame, level: float) -> pl.DataFrame:
    """The same list, flagged at another q."""
    return families.select("family_id", "rank", flagged=pl.col("q_value") <= level)


def realised(worlds: Sequence[Counted]) -> Section:
    """Realised rate at each nominal q."""
    rows = []
    for level in LEVELS:
        judged = [ranking(at_level(world.families, level), world.pieces) for world in worlds]
        rates = [figures.realised_fdr for figures in judged]
        wrong = sum(figures.n_flagged_wrong for figures in judged)
        counted = sum(figures.n_flagged_counted for figures in judged)
        caught = [figures.campaign_requests_flagged for figures in judged]
        rows.append(
            (level, _mean(rates), spread(*mean_interval(rates)), f"{wrong} of {counted}", _mean(caught))
        )
    columns = ("Nominal q", "Realised FDR", "95 %", "Wrong families", "Campaign requests flagged")
    note = (
        f"Mean over {len(worlds)} worlds with campaigns; worlds are drawn again for the interval. "
        "Families are found and tested on the same rows: this is where it would show."
    )
    return Section(NAME, "Realised against nominal false discovery rate", note, table_of(rows, columns))


def order(worlds: Sequence[Counted]) -> Section:
    """Figures of the queue."""
    judged = [ranking(world.families, world.pieces) for world in worlds]
    rows = []
    for name in FIGURES:
        values = [value for figures in judged if (value := getattr(figures, name)) is not None]
        if values:
            rows.append(
                (
                    name.replace("_", " "),
                    _mean(values),
                    spread(*mean_interval(values)),
                    min(values),
                    max(values),
                )
            )
    columns = ("Figure", "Mean", "95 %", "Least", "Most")
    return Section(NAME, "The queue", f"{len(worlds)} worlds with campaigns.", table_of(rows, columns))


def recipes(worlds: Sequence[Counted]) -> Section:
    """Of each recipe, how many of its requests are found and flagged."""
    listed = [_recipes(world) for world in worlds]
    rows = []
    if listed:
        table = (
            pl.concat(listed)
            .group_by("group")
            .agg(
                pl.len(), pl.col("found").mean(), pl.col("flagged").mean(), hit=(pl.col("flagged") > 0).sum()
            )
        )
        rows = table.sort("group").rows()
    columns = ("Recipe", "Worlds", "Requests in its families", "Requests flagged", "Worlds where flagged")
    note = "Means over the worlds that have it. Its families: at least half of their requests are campaigns'."
    return Section(NAME, "Campaign recipes", note, table_of(rows, columns))


def discovery_sections(worlds: Sequence[Counted]) -> list[Section]:
    """All three tables, from the campaigns worlds."""
    kept = [world for world in worlds if world.world.kind == "campaigns"]
    return [realised(kept), order(kept), recipes(kept)]


def log_section(worlds: Sequence[Counted]) -> Section:
    """The same figures of each log from elsewhere."""
    names = ("realised_fdr", "n_flagged_wrong", "n_flagged_counted", *FIGURES)
    rows = []
    for world in worlds:
        if world.world.kind == "log":
            figures: Ranking = ranking(world.families, world.pieces)
            wrong = ", ".join(f"{kind} {n}" for kind, n in figures.wrong_kinds.items())
            rows.append((world.world.name, *(getattr(figures, name) for name in names), wrong))
    columns = ("Log", *(name.replace("_", " ") for name in names), "Wrong kinds")
    return Section("logs", "Logs from elsewhere", "", table_of(rows, columns))


def _recipes(world: Counted) -> pl.DataFrame:
    """Per campaign the shares of its requests in campaigns' families, and in flagged families."""
    judged = judgement(world.pieces).join(world.families.select("family_id", "flagged"), on="family_id")
    pieces = world.pieces.filter(CAMPAIGN).join(judged, on="family_id", how="left", maintain_order="left")
    right, flagged = pl.col("share").fill_null(0.0) >= 0.5, pl.col("flagged").fill_null(False)
    return pieces.group_by("group").agg(
        found=pl.col("n").filter(right).sum() / pl.col("n").sum(),
        flagged=pl.col("n").filter(flagged).sum() / pl.col("n").sum(),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
