"""How a family's signals are named and put into figures for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from clustering.signals import SIGNALS
from clustering.tables import P_SUFFIX

SMALLEST_P = 1e-16  # smaller ones are rounding, not evidence


@dataclass(frozen=True)
class SignalFigure:
    """One signal of one family, ready to print. `strength` is -log10 p in [0, 16], 0 without evidence."""

    name: str
    meaning: str
    effect: str
    p_value: str
    strength: float


def signal_figures(family: Mapping[str, object]) -> tuple[SignalFigure, ...]:
    """Every signal of a row of FAMILIES; one without evidence in this log says so."""
    figures = []
    for column, words in SIGNALS.items():
        effect, p = family.get(column), family.get(column + P_SUFFIX)
        strength = _strength(p) if p is not None else 0.0
        figures.append(SignalFigure(words.title, words.meaning, format_figure(effect), format_p(p), strength))
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
