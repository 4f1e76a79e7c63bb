"""Parts that families, campaigns and accounts are shown with in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from clustering.report.formats import format_time
from clustering.scores import HIGHEST, LOWEST
from clustering.template_text import Part
from scripts.terminal import quoted, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from clustering.report.aspects import AspectFigure

PROSE_WIDTH = 110  # longer lines are hard to read, however wide the terminal
SPARKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_CELLS = 4  # of an aspect's bar for each deviation
_COLOURS = {"hand": "red", "people": "green", "undecided": "", "unmeasured": "dim"}
_SHADES = {"hand": "", "people": "", "undecided": "dim", "unmeasured": "dim"}
_ASPECT_HEADER = "\u25c2people one hand\u25b8"  # as wide as the bar


def title(name: str) -> Text:
    """A heading with an empty line before it."""
    from rich.text import Text

    return Text(f"\n{name}", style="bold")


def prose(text: str, *, style: str = "") -> Text:
    """A sentence that may hold a stranger's words, folded where it is too long for a line."""
    shown = quoted(text)
    shown.overflow = "fold"
    shown.stylize(style)
    return shown


def facts(*rows: tuple[str, str | Text | None]) -> Table:
    """Names and what is said to each; rows without a text are left out."""
    from rich.table import Table

    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, text in rows:
        if text:
            made.add_row(name, prose(text) if isinstance(text, str) else text)
    return made


def listed(sentences: Sequence[str]) -> Table:
    """Sentences with a bullet each."""
    from rich.table import Table

    made = Table.grid(padding=(0, 1))
    for sentence in sentences:
        made.add_row("\u2022", prose(sentence))
    return made


def aspect_table(figures: Sequence[AspectFigure]) -> Table:
    """A line per aspect: its name, a bar from the middle each way, and its sentence."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("", Text(_ASPECT_HEADER, style="dim"), "")
    for figure in figures:
        made.add_row(figure.title, _bar(figure), prose(figure.sentence, style=_SHADES[figure.leaning]))
    return made


def _bar(figure: AspectFigure) -> Text:
    from rich.text import Text

    left, right = round(-LOWEST * _CELLS), round(HIGHEST * _CELLS)
    filled = round((figure.deviate or 0.0) * _CELLS)
    shown = ("\u2588" * -filled).rjust(left) + "\u2502" + ("\u2588" * filled).ljust(right)
    return Text(shown, style=_COLOURS[figure.leaning])


def template_text(parts: Sequence[Part], *, length: int) -> Text:
    """A template with its slots set off; brackets keep them apart where there is no colour."""
    from rich.text import Text

    shown = Text(overflow="fold")
    for part in parts:
        if part.is_slot:
            shown.append(f"[{part.text}]", style="bold yellow")
        else:
            shown.append_text(quoted(part.text, length=length, flat=False))
    return shown if parts else Text("Its prompts share no wording.", style="dim")


def with_headline(*columns: tuple[str, str]) -> Table:
    """A table as wide as the screen whose last column, a family's template, takes what the others leave."""
    made = table(*columns, ("Template", "left"), expand=True)
    for column in made.columns:
        column.no_wrap = True
    made.columns[-1].overflow = "ellipsis"
    made.columns[-1].ratio = 1
    return made


def timelines(rows: Sequence[tuple[str, Sequence[int]]]) -> Table:
    """Counts over the log's span, a line each, every one to its own height."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    for _ in range(2):
        made.add_column(no_wrap=True, overflow="crop")
    for name, counts in rows:
        if counts:
            made.add_row(Text(name, style="dim"), Text(_sparks(counts)))
    return made


def _sparks(counts: Sequence[int]) -> str:
    peak = max(counts)
    return "".join(SPARKS[(n * (len(SPARKS) - 1) + peak - 1) // peak] if n else " " for n in counts)


def period(first: object, last: object) -> str:
    """From when to when, in UTC; nothing without times."""
    if first is None or last is None:
        return ""
    return f"{format_time(first)} to {format_time(last)} UTC"


def days(first: object, last: object) -> str:
    """The days from when to when, short enough for a column."""
    return f"{format_time(first, '%m-%d')}\u2013{format_time(last, '%m-%d')}" if first and last else "\u2013"


def account_name(account_id: str) -> Text:
    """An id that is never cut: it has to be copied."""
    shown = quoted(account_id)
    shown.overflow = "fold"
    return shown


def examples(texts: Sequence[tuple[str, str | None, str]], *, length: int) -> Iterator[RenderableType]:
    """Prompts below their captions: (caption, system prompt, prompt)."""
    from rich.text import Text

    for caption, system_prompt, prompt in texts:
        yield Text(caption, style="dim")
        if system_prompt:
            yield quoted("system: " + system_prompt, length=length, flat=False)
        yield quoted(prompt, length=length, flat=False).append("\n")
