"""Jinja2 filters of the report: how a value of the tables is written on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clustering.report.aspects import AspectFigure
from clustering.report.descriptions import (
    coverage_sentence,
    figures_sentence,
    found_by,
    pattern_sentence,
    reference_sentence,
    sizes,
)
from clustering.report.signals import format_count, format_figure, format_p
from clustering.report.visible import flatten, pieces, shorten, visible
from clustering.run_tables import MAX_FILLERS
from clustering.scores import HIGHEST, LOWEST
from clustering.template_text import Part, headline
from clustering.templates import N_FILLED

if TYPE_CHECKING:
    from markupsafe import Markup

SHORT = 240  # characters of a slot's filler
QUEUE_CHARACTERS = 320  # of a template in the queue, which shows two lines of it


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
        "counted_figure": lambda n, noun: counted(n, noun, figure=format_figure),
        "counted_fillers": counted_fillers,
        "dash": lambda value: "\u2013" if value is None else str(value),
        "share": format_share,
        "shares": format_shares,
        "aspect_bar": aspect_bar,
        "headline_parts": headline_parts,
        "sizes": sizes,
        "pattern_sentence": pattern_sentence,
        "coverage_sentence": coverage_sentence,
        "found_by": found_by,
        "figures_sentence": figures_sentence,
        "reference_sentence": reference_sentence,
    }


@dataclass(frozen=True)
class Bar:
    """An aspect's bar in hundredths of its width: where it begins and ends, its middle, and what it says."""

    x: float
    width: float
    middle: float
    said: str


def aspect_bar(aspect: AspectFigure) -> Bar:
    """A bar from the middle: to the left for people, to the right for one hand."""
    unit = 100 / (HIGHEST - LOWEST)
    middle, deviate = -LOWEST * unit, aspect.deviate
    if deviate is None:
        return Bar(middle, 0.0, middle, "not measured")
    said = f"{deviate:+.1f}, from {LOWEST:+g} for people to {HIGHEST:+g} for one hand"
    return Bar(round(middle + min(deviate, 0) * unit, 1), round(abs(deviate) * unit, 1), middle, said)


def headline_parts(family: Mapping[str, object], *, length: int = QUEUE_CHARACTERS) -> tuple[Part, ...]:
    """What names a row of FAMILIES in a list, cut to `length` characters."""
    texts = (None if family[key] is None else str(family[key]) for key in ("template", "medoid_prompt"))
    parts, room = [], length
    for part in headline(*texts):
        if room > 0:
            parts.append(part if part.is_slot else Part(shorten(part.text, room), False))
        room -= len(part.text)
    return tuple(parts)


def format_share(value: object) -> str:
    """A share or a probability in per cent, a dash for none."""
    return f"{value:.0%}" if isinstance(value, int | float) else "\u2013"


def format_shares(parts: Sequence[tuple[str, int]]) -> str:
    """Names, each with its share of the counts."""
    total = sum(n for _, n in parts)
    return ", ".join(f"{name or 'unknown'} {n / total:.0%}" for name, n in parts)


def shown(text: str) -> Markup:
    """Escaped text whose hidden characters are marked symbols, so that they differ from a typed symbol."""
    from markupsafe import Markup

    mark = Markup('<span class="hidden-character">{}</span>')
    return Markup("").join(mark.format(run) if hidden else run for run, hidden in pieces(text))


def counted(n: object, noun: str, *, figure: Callable[[object], str] = format_count) -> str:
    """A count with its noun: "1 request", "2 requests"."""
    return f"{figure(n)} {noun}" + ("" if n == 1 else "s")


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
