"""A run's queue in the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from clustering.report.formats import counted
from clustering.report.signals import format_count, format_figure, format_p
from clustering.template_text import headline, in_a_line
from scripts.parts import days, with_headline
from scripts.terminal import quoted

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from clustering.report.contents import RunTables

TEMPLATE_CHARACTERS, NAME_CHARACTERS = 300, 24
SHORT_ID = 8  # characters of an id, enough to name it to `covey show`
PATTERN_WIDTH = 110  # columns of a terminal that has room for campaign and pattern
WIDE_WIDTH = 150  # and for the whole queue


@dataclass(frozen=True)
class _Column:
    """A column of the queue: its name, its side, the narrowest terminal that has it, and its cell."""

    name: str
    side: str
    width: int
    cell: Callable[[Mapping[str, Any]], str]
    style: str = ""


_COLUMNS = (
    _Column("#", "right", 0, lambda row: str(row["rank"])),
    _Column("", "left", 0, lambda row: "\u25cf" if row["flagged"] else "", "bold red"),
    _Column("Score", "right", 0, lambda row: format_figure(row["score"])),
    _Column("q", "right", 0, lambda row: format_p(row["q_value"])),
    _Column("Requests", "right", 0, lambda row: format_count(row["n_requests"])),
    _Column("Accounts", "right", 0, lambda row: format_count(row["n_accounts"])),
    _Column("Seen", "right", WIDE_WIDTH, lambda row: days(row["first_seen"], row["last_seen"])),
    _Column("Family", "left", WIDE_WIDTH, lambda row: str(row["family_id"])[:SHORT_ID]),
    _Column("Campaign", "left", PATTERN_WIDTH, lambda row: str(row["campaign_id"] or "")[:SHORT_ID]),
    _Column("Pattern", "left", PATTERN_WIDTH, lambda row: str(row["pattern"] or "")),
    _Column("Asks for", "left", WIDE_WIDTH, lambda row: str(row["capability"] or "")),
    _Column("Template", "left", 0, lambda row: in_a_line(headline(row["template"], row["medoid_prompt"]))),
)


def queue_table(families: pl.DataFrame, *, limit: int, width: int) -> Table:
    """The first `limit` families by rank; fewer columns on a narrow terminal."""
    columns = [column for column in _COLUMNS if column.width <= width]
    made = with_headline(*((column.name, column.side) for column in columns[:-1]))
    for row in families.sort("rank").head(limit).iter_rows(named=True):
        made.add_row(*(_shown(column, row) for column in columns))
    return made


def _shown(column: _Column, row: Mapping[str, Any]) -> Text:
    text = quoted(
        column.cell(row), length=TEMPLATE_CHARACTERS if column.name == "Template" else NAME_CHARACTERS
    )
    text.stylize(column.style)
    return text


def _height(run: RunTables, name: str) -> int:
    return int(run.lazy(name).select(pl.len()).collect().item())


def summary_line(run: RunTables) -> str:
    """Counts of a run in one sentence, without its full stop."""
    n_flagged = format_count(int(run.families["flagged"].sum()))
    return (
        f"{format_count(run.families.height)} families, {n_flagged} flagged (\u25cf, q \u2264 0.05), "
        f"{counted(run.campaigns.height, 'campaign')}, "
        f"in {format_count(_height(run, 'assignments'))} requests of "
        f"{format_count(_height(run, 'prompts'))} distinct prompts"
    )


def queue_json(run: RunTables, *, limit: int) -> dict[str, object]:
    """The queue for machines: the first `limit` families and campaigns, and counts."""
    families = run.families.sort("rank")
    return {
        "n_families": families.height,
        "n_flagged": int(families["flagged"].sum()),
        "n_requests": _height(run, "assignments"),
        "n_prompts": _height(run, "prompts"),
        "n_campaigns": run.campaigns.height,
        "families": families.head(limit).to_dicts(),
        "campaigns": run.campaigns.sort("rank").head(limit).to_dicts(),
    }
