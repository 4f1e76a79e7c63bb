"""How a family's signals are named and put into figures for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from clustering.tables import FAMILIES

P_SUFFIX = "_p"
SMALLEST_P = 1e-16  # smaller ones are rounding, not evidence

# Column of FAMILIES -> (name, what the effect says). A signal without an entry is shown under its
# column's name.
DESCRIPTIONS: Mapping[str, tuple[str, str]] = {
    "principals": ("Principals", "verified organisations or accounts behind the family"),
    "union_efficiency": (
        "Union efficiency",
        "1: no account repeats another's prompt, as from a work queue; near 0: everyone sends the same",
    ),
    "exchangeability": (
        "Exchangeability",
        "intraclass correlation of payloads within accounts; 0: any account could have sent any prompt",
    ),
    "load_dispersion": ("Load dispersion", "variance over mean of requests per account; low: an even load"),
    "one_clock": (
        "One clock",
        "intraclass correlation of the hour within accounts; 0: all keep the same hours, 1: each its own",
    ),
    "hour_flatness": ("Hour flatness", "how evenly requests fall on the hours of the day; people sleep"),
    "slot_evenness": (
        "Slot evenness",
        "how equally often the fillers of a slot are used; organic use is skewed",
    ),
    "repetition": ("Repetition", "times that an account sends the same prompt, in the mean"),
    "comembership": (
        "Co-membership",
        "share of its accounts that another family has, too, where that is beyond chance",
    ),
    "devotion": ("Devotion", "share of its accounts' traffic that the family takes"),
}


@dataclass(frozen=True)
class SignalFigure:
    """One signal of one family, ready to print. `strength` is -log10 p in [0, 16], 0 without evidence."""

    name: str
    meaning: str
    effect: str
    p_value: str
    strength: float


def signal_columns() -> tuple[str, ...]:
    """Columns of FAMILIES that hold a signal's effect, in the order of the schema."""
    return tuple(name for name in FAMILIES if name + P_SUFFIX in FAMILIES)


def signal_figures(family: Mapping[str, object]) -> tuple[SignalFigure, ...]:
    """Every signal of a row of FAMILIES; one without evidence in this log says so."""
    figures = []
    for column in signal_columns():
        name, meaning = DESCRIPTIONS.get(column, (column.replace("_", " ").capitalize(), ""))
        effect, p = family.get(column), family.get(column + P_SUFFIX)
        figures.append(
            SignalFigure(
                name, meaning, format_figure(effect), format_p(p), _strength(p) if p is not None else 0.0
            )
        )
    return tuple(figures)


def _strength(p: object) -> float:
    value = float(p) if isinstance(p, int | float) else math.nan
    return 0.0 if math.isnan(value) else -math.log10(min(max(value, SMALLEST_P), 1.0)) + 0.0


def format_p(p: object) -> str:
    """A p- or q-value: two digits, a bound where it is below `SMALLEST_P`, a dash without one."""
    if not isinstance(p, int | float) or math.isnan(p):
        return "\u2013"
    if p < SMALLEST_P:
        return f"< {SMALLEST_P:.0e}"
    return f"{p:.2g}" if p >= 0.001 else f"{p:.1e}"


def format_figure(value: object) -> str:
    """A number for reading: whole ones with thin groups, others with three digits; a dash for none."""
    if not isinstance(value, int | float) or math.isnan(value):
        return "\u2013"
    if float(value).is_integer() and abs(value) >= 1:
        return format_count(int(value))
    return f"{value:.3g}"


def format_count(value: object) -> str:
    """A count with its thousands parted by narrow no-break spaces."""
    if not isinstance(value, int | float):
        return "\u2013"
    return f"{int(value):,}".replace(",", "\u202f")
