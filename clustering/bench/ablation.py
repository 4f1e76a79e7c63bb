"""What each signal, each aspect and each column of the log is worth: the figures without it.

Signals are left out of the stored p-values, and everything behind them is done again: the combination, q,
flags and the order. Nothing is run again; a signal's part in linking families stays. Lost
columns are other runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.judgement import best_matches, mean, ranking
from clustering.scores import FLAG_LEVEL, combined_p_values, q_values, ranked, scores
from clustering.signals import Signal
from clustering.signals.catalogue import aspects

from .counting import Counted
from .section import Section, table_of

NAME = "signals"
_COLUMNS = ("average precision", "precision at 10", "realised FDR", "campaign requests flagged")


def signals_of(families: pl.DataFrame) -> dict[str, Signal]:
    """The signals that a families table holds: each ``<name>`` with a ``<name>_p`` beside it.

    Null is NaN, no evidence. The p-values are those that were combined: of the family, or of the families
    that it is linked to.
    """
    columns = set(families.columns)
    names = [name for name in families.columns if f"{name}_p" in columns]
    return {name: Signal(_floats(families[name]), _floats(families[f"{name}_p"])) for name in names}


def reweighed(families: pl.DataFrame, without: Collection[str] = ()) -> pl.DataFrame:
    """The families combined, flagged and ranked again as if the signals `without` had not been measured.

    Those that only a campaign's accounts led to have no evidence of their own, whatever they show.
    """
    signals = {name: signal for name, signal in signals_of(families).items() if name not in without}
    if not signals or not families.height:
        return families
    p = np.where(families["own_p_value"].is_null(), 1.0, combined_p_values(signals))
    q = q_values(p)
    again = {"p_value": p, "q_value": q, "flagged": q <= FLAG_LEVEL, "score": scores(signals)}
    return ranked(families.with_columns(**{name: pl.Series(values) for name, values in again.items()}))


def ablation_sections(worlds: Sequence[Counted]) -> list[Section]:
    """The figures without each signal and each aspect, over the campaigns and quiet worlds."""
    names = sorted({name for world in worlds for name in signals_of(world.families)})
    left_out: dict[str, tuple[str, ...]] = {"nothing": ()}
    left_out |= {name.replace("_", " "): (name,) for name in names}
    left_out |= {f"aspect: {aspect}": tuple(signals) for aspect, signals in aspects().items()}
    rows = [(label, *_figures(worlds, without)) for label, without in left_out.items()]
    note = (
        "Each row combines the stored p-values again without what it names. Without the condition on "
        "principals nothing can be flagged: a condition that is not measured does not hold. The first row is "
        "not quite the runs': linked families are not charged for a second look, and none is brought in by "
        "its campaign's accounts."
    )
    columns = ("Left out", *_COLUMNS, "Quiet worlds that flag")
    return [Section(NAME, "Without each signal", note, table_of(rows, columns))]


def column_sections(worlds: Sequence[Counted]) -> list[Section]:
    """The figures of runs on logs without some columns, against the same worlds with all of them."""
    lost = [world for world in worlds if world.world.kind == "without"]
    seeds = {world.world.seed for world in lost}
    whole = [world for world in worlds if world.world.kind == "campaigns" and world.world.seed in seeds]
    groups: Mapping[str, list[Counted]] = {"nothing": whole}
    for world in lost:
        groups = {**groups, world.world.what: [*groups.get(world.world.what, []), world]}
    rows = [
        (what, len(group), _mean_f1(group), *_means([(world.families, world) for world in group]))
        for what, group in groups.items()
    ]
    columns = ("Lost", "Worlds", "mean family F1", *_COLUMNS)
    return [Section("columns", "Logs without some columns", "", table_of(rows, columns))]


def _figures(worlds: Sequence[Counted], without: Collection[str]) -> tuple[float | int | None, ...]:
    again = [(reweighed(world.families, without), world) for world in worlds]
    loud = [bool(families["flagged"].any()) for families, world in again if world.world.kind == "quiet"]
    campaigns = [(families, world) for families, world in again if world.world.kind == "campaigns"]
    return (*_means(campaigns), sum(loud))


def _means(listed: Sequence[tuple[pl.DataFrame, Counted]]) -> tuple[float | None, ...]:
    """Means of the figures named in _COLUMNS."""
    judged = [ranking(families, world.pieces) for families, world in listed]
    columns = (
        [figures.average_precision for figures in judged],
        [figures.precision_at_10 for figures in judged],
        [figures.realised_fdr for figures in judged],
        [figures.campaign_requests_flagged for figures in judged],
    )
    return tuple(mean([value for value in values if value is not None]) for values in columns)


def _mean_f1(worlds: Sequence[Counted]) -> float | None:
    matches = [item for world in worlds for item in best_matches(world.pieces).items()]
    return mean([match.f1 for name, match in matches if "/plain:" not in name])


def _floats(column: pl.Series) -> NDArray[np.float64]:
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
