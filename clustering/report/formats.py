"""Jinja2 filters of the report: how a value of the tables is written on the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clustering.report.signals import format_count, format_figure, format_p
from clustering.report.visible import flatten, pieces, shorten, visible
from clustering.run_tables import MAX_FILLERS
from clustering.templates import N_FILLED

if TYPE_CHECKING:
    from markupsafe import Markup

SHORT = 240  # characters of a slot's filler


def filters(*, max_characters: int) -> dict[str, Callable[..., Any]]:
    """The filters by the names that the templates use."""
    return {
        "count": format_count,
        "figure": format_figure,
        "p": format_p,
        "time": lambda value: format_time(value, "%Y-%m-%d %H:%M"),
        "day": lambda value: format_time(value, "%Y-%m-%d"),
        "short_day": lambda value: format_time(value, "%m-%d"),
        "seconds": format_seconds,
        "cut": lambda text: shorten(text, max_characters),
        "cut_short": lambda text: shorten(text, SHORT),
        "cut_to": shorten,
        "shown": shown,
        "shown_flat": lambda value: shown(flatten(str(value))),
        "in_attribute": lambda value: visible(str(value), flat=True),
        "counted": counted,
        "counted_fillers": counted_fillers,
    }


def shown(text: str) -> Markup:
    """Escaped text whose hidden characters are marked symbols, so that they differ from a typed symbol."""
    from markupsafe import Markup

    mark = Markup('<span class="hidden-character">{}</span>')
    return Markup("").join(mark.format(run) if hidden else run for run, hidden in pieces(text))


def counted(n: object, noun: str) -> str:
    """A count with its noun: "1 request", "2 requests"."""
    return f"{format_count(n)} {noun}" + ("" if n == 1 else "s")


def counted_fillers(n_fillers: int, n_prompts: object) -> str:
    """A slot's number of distinct fillers as far as it is known.

    Templates read at most `N_FILLED` of a family's `n_prompts` prompts, and the table lists at most
    `MAX_FILLERS` of a slot's fillers; where either was too few, the text says so.
    """
    said = counted(n_fillers, "distinct filler")
    if n_fillers >= MAX_FILLERS:
        said = f"{format_count(n_fillers)} or more distinct fillers"
    if isinstance(n_prompts, int) and n_prompts > N_FILLED:
        said += f" of the {format_count(N_FILLED)} prompts read"
    return said


def format_seconds(value: object) -> str:
    """A duration in the unit that a person would use."""
    if not isinstance(value, int | float):
        return "\u2013"
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if value >= 2 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"


def format_time(value: object, form: str = "%Y-%m-%d %H:%M") -> str:
    """A moment in UTC; a text that is none as it is, a dash for nothing."""
    if isinstance(value, str):
        text = value
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            return visible(text, flat=True)
    if not isinstance(value, datetime):
        return "\u2013"
    return (value.astimezone(UTC) if value.tzinfo else value).strftime(form)
