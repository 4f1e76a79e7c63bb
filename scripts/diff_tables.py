"""What changed between two runs, in the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from clustering.comparison import STATUSES, Comparison
from clustering.report.formats import counted
from clustering.report.signals import format_count, format_p
from clustering.template_text import headline, in_a_line
from scripts.parts import days, prose, title, with_headline
from scripts.queue_table import NAME_CHARACTERS, PATTERN_WIDTH, SHORT_ID, TEMPLATE_CHARACTERS, WIDE_WIDTH
from scripts.terminal import quoted, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ARROW = " \u2192 "
PATH_CHARACTERS, VALUE_CHARACTERS = 200, 60  # of a log, and of a setting
LEGEND = "# rank, \u25cf flagged"
KNOWN = "known: accounts that were in flagged families of the other run"
_WORDS = {"split": "split off", "merged": "merged into others"}
_CAMPAIGN_COUNTS = ("n_families", "n_requests", "n_accounts", "n_known_accounts")


def diff_json(made: Comparison, *, limit: int) -> dict[str, object]:
    """Counts, and the first `limit` families that changed, campaigns and differences."""
    return {
        "n_families": _counts(made.families),
        "n_newly_flagged": _reflagged(made.families, was=False).height,
        "n_no_longer_flagged": _reflagged(made.families, was=True).height,
        "families": made.families.filter("changed").head(limit).to_dicts(),
        "campaigns": made.campaigns.head(limit).to_dicts(),
        "differences": made.differences.head(limit).to_dicts(),
    }


def diff_lines(made: Comparison, *, limit: int, width: int) -> Iterator[RenderableType]:
    """Everything to print, in order: a summary, families, campaigns, and what else differs."""
    yield prose(summary(made), style="bold")
    changed = made.families.filter("changed")
    if changed.height:
        yield _noted(_families(changed.head(limit), width), changed.height - limit, LEGEND)
    for status, name in (("came", "New campaigns"), ("went", "Campaigns that went")):
        campaigns = made.campaigns.filter(pl.col("status") == status)
        if campaigns.height:
            yield title(name)
            yield _noted(_campaigns(campaigns.head(limit)), campaigns.height - limit, KNOWN)
    if made.differences.height:
        yield title("What else differs")
        yield _noted(_differences(made.differences.head(limit)), made.differences.height - limit)


def summary(made: Comparison) -> str:
    """How many families became what, and of how many the flag is another."""
    counts = _counts(made.families)
    told = [_part(made.families, status) for status, n in counts.items() if n and status != "same"]
    flags = [
        f"{format_count(n)} {words}"
        for was, words in ((False, "newly flagged"), (True, "no longer flagged"))
        if (n := _reflagged(made.families, was=was).height)
    ]
    if not told and not flags:
        also = "" if made.differences.height else ", and nothing else differs"
        return f"Families: all {format_count(counts['same'])} as they were{also}."
    sizes = ", ".join([*told, f"{format_count(counts['same'])} of about the same size"])
    return f"Families: {sizes}." + (f" Of those in both runs: {', '.join(flags)}." if flags else "")


def _counts(families: pl.DataFrame) -> dict[str, int]:
    """Families of each status, in the order of `STATUSES`."""
    return {status: families.filter(pl.col("status") == status).height for status in STATUSES}


def _part(families: pl.DataFrame, status: str) -> str:
    """A number of families, what became of them, and how many of them are, or were, flagged."""
    rows = families.filter(pl.col("status") == status)
    side = "old" if status in ("went", "merged") else "new"
    n_flagged = int(rows[f"{side}_flagged"].sum())
    flagged = f" ({format_count(n_flagged)} flagged)" if n_flagged else ""
    return f"{format_count(rows.height)} {_WORDS.get(status, status)}{flagged}"


def _reflagged(families: pl.DataFrame, *, was: bool) -> pl.DataFrame:
    """Families of both runs that only one of them flags: the old one where `was`."""
    flags = (pl.col("old_flagged") == was) & (pl.col("new_flagged") != was)
    return families.filter(flags & ~pl.col("status").is_in(["split", "merged"]))


def _families(families: pl.DataFrame, width: int) -> Table:
    """A row per family; fewer columns on a narrow terminal."""
    columns = [column for column in _COLUMNS if column[2] <= width]
    made = with_headline(*((name, side) for name, side, _, _ in columns))
    for row in families.iter_rows(named=True):
        name = in_a_line(headline(row["template"], row["medoid_prompt"]))
        cells = [quoted(cell(row), length=NAME_CHARACTERS) for _, _, _, cell in columns]
        made.add_row(*cells, quoted(name, length=TEMPLATE_CHARACTERS))
    return made


def _campaigns(campaigns: pl.DataFrame) -> Table:
    made = table(
        ("Campaign", "left"),
        ("Families", "right"),
        ("Requests", "right"),
        ("Accounts", "right"),
        ("Known", "right"),
        ("Seen", "right"),
        ("Patterns", "left"),
    )
    for row in campaigns.iter_rows(named=True):
        made.add_row(
            quoted(row["campaign_id"], length=NAME_CHARACTERS),
            *(format_count(row[name]) for name in _CAMPAIGN_COUNTS),
            days(row["first_seen"], row["last_seen"]),
            quoted(", ".join(row["patterns"] or ()), length=NAME_CHARACTERS),
        )
    return made


def _differences(differences: pl.DataFrame) -> Table:
    made = table(("", "left"), ("", "left"), ("Old", "left"), ("New", "left"))
    for row in differences.iter_rows(named=True):
        values = (_value(row["section"], row[side]) for side in ("old", "new"))
        made.add_row(
            row["section"],
            quoted(row["key"], length=PATH_CHARACTERS),
            *(quoted(value, length=VALUE_CHARACTERS) for value in values),
        )
    return made


def _value(section: str, value: str | None) -> str:
    """What a manifest says, for a person; of a log its records."""
    if value is None:
        return "\u2013"
    if section == "inputs":
        return counted(json.loads(value)["n_rows"], "record")
    return format_count(int(value)) if section == "counts" else value


def _noted(made: Table, n_more: int, *notes: str) -> Table:
    """The table with a line below it: what its signs mean, and that there is more."""
    more = (f"{format_count(n_more)} more, with --limit or --json",) if n_more > 0 else ()
    if said := (*notes, *more):
        made.caption, made.caption_justify = "; ".join(said), "left"
    return made


def _change(name: str, form: Callable[[object], str]) -> Callable[[Mapping[str, Any]], str]:
    """A cell with what a column was and is; one value where they are the same or one is missing."""

    def cell(row: Mapping[str, Any]) -> str:
        values = (row[f"old_{name}"], row[f"new_{name}"])
        told = [form(value) for value in values if value is not None]
        return ARROW.join(told[:1] if told[:1] == told[1:] else told)

    return cell


def _status(row: Mapping[str, Any]) -> str:
    """The status; of a family that changed in nothing but its flag, what became of that."""
    if row["status"] != "same":
        return str(row["status"])
    return "flagged" if row["new_flagged"] else "unflagged"


def _rank(side: str) -> Callable[[Mapping[str, Any]], str]:
    def cell(row: Mapping[str, Any]) -> str:
        flag = "\u25cf " if row[f"{side}_flagged"] else ""
        return "" if row[f"{side}_rank"] is None else f"{flag}{row[f'{side}_rank']}"

    return cell


def _short(value: object) -> str:
    return str(value)[:SHORT_ID]


# Name, side, the narrowest terminal that has it, and its cell.
_COLUMNS: tuple[tuple[str, str, int, Callable[[Mapping[str, Any]], str]], ...] = (
    ("", "left", 0, _status),
    ("Old #", "right", 0, _rank("old")),
    ("New #", "right", 0, _rank("new")),
    ("q", "right", PATTERN_WIDTH, _change("q_value", format_p)),
    ("Requests", "right", 0, _change("n_requests", format_count)),
    ("Accounts", "right", 0, _change("n_accounts", format_count)),
    ("Family", "left", WIDE_WIDTH, _change("family_id", _short)),
    ("Campaign", "left", PATTERN_WIDTH, _change("campaign_id", _short)),
)
