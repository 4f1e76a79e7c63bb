"""A run's queue in the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clustering.report.signals import format_count, format_figure, format_p
from clustering.template_text import headline, in_a_line
from scripts.terminal import quoted, table

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table
    from rich.text import Text

    from clustering.report.contents import RunTables

WIDE = 120  # columns of a terminal that has room for the whole queue
NARROW_COLUMNS = (
    ("#", "right"),
    ("", "left"),
    ("Score", "right"),
    ("q", "right"),
    ("Requests", "right"),
    ("Accounts", "right"),
    ("Template", "left"),
)
WIDE_COLUMNS = (
    *NARROW_COLUMNS[:-1],
    ("Principals", "right"),
    ("First seen", "right"),
    ("Last seen", "right"),
    ("Family", "left"),
    ("Template", "left"),
)


def queue_table(families: pl.DataFrame, *, limit: int, width: int) -> Table:
    """The first `limit` families by rank; fewer columns on a narrow terminal."""
    wide = width >= WIDE
    made = table(*(WIDE_COLUMNS if wide else NARROW_COLUMNS), expand=True)
    made.columns[-1].no_wrap = True
    made.columns[-1].overflow = "ellipsis"
    made.columns[-1].ratio = 1
    for row in families.sort("rank").head(limit).iter_rows(named=True):
        made.add_row(*_cells(row, wide=wide))
    return made


def _cells(row: dict[str, Any], *, wide: bool) -> Iterator[Text]:
    from rich.text import Text

    yield Text(str(row["rank"]))
    yield Text(("flagged" if wide else "\u25cf") if row["flagged"] else "", style="bold red")
    yield Text(format_figure(row["score"]))
    yield Text(format_p(row["q_value"]))
    yield Text(format_count(row["n_requests"]))
    yield Text(format_count(row["n_accounts"]))
    if wide:
        yield Text(format_count(row["n_principals"]))
        for moment in (row["first_seen"], row["last_seen"]):
            yield Text(moment.strftime("%Y-%m-%d") if moment else "\u2013")
        yield quoted(str(row["family_id"])[:8])
    yield quoted(in_a_line(headline(row["template"], row["medoid_prompt"])), length=300)


def summary_line(run: RunTables) -> str:
    """Counts of a run in one sentence, without its full stop."""
    families = run.families
    n_flagged = int(families["flagged"].sum())
    return (
        f"{format_count(families.height)} families, {format_count(n_flagged)} flagged (q \u2264 0.05), "
        f"in {format_count(run.assignments.height)} requests of "
        f"{format_count(run.prompts.height)} distinct prompts"
    )


def queue_json(run: RunTables, *, limit: int) -> dict[str, object]:
    """The queue for machines: the first `limit` rows of the families table, and counts."""
    families = run.families.sort("rank")
    return {
        "n_families": families.height,
        "n_flagged": int(families["flagged"].sum()),
        "n_requests": run.assignments.height,
        "n_prompts": run.prompts.height,
        "families": families.head(limit).to_dicts(),
    }
