"""What `covey run --plan` prints: what a run would read, take and need."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.terminal import console, print_json, table

if TYPE_CHECKING:
    from clustering import RunSettings
    from clustering.planning import Plan


def print_plan(logs: list[str], out: Path, settings: RunSettings, *, as_json: bool) -> None:
    """Plan a run and print what was found; raises as ``clustering.planning.plan``."""
    from clustering.planning import plan

    made = plan(logs, out, settings=settings)
    if as_json:
        print_json(plan_json(made))
        return
    screen = console()
    shown = table(("A run would", "left"), ("take about", "right"), ("", "left"))
    for row in plan_rows(made):
        shown.add_row(*row)
    screen.print(shown)
    screen.print(_remark(made, settings), soft_wrap=True)


def plan_json(made: Plan) -> dict[str, object]:
    """The plan's fields, with its totals; pairs become objects."""
    parts = {name: dict(getattr(made, name)) for name in ("seconds", "once", "disk")}
    totals = {"total_seconds": made.total_seconds, "total_disk": made.total_disk}
    return {**asdict(made), **parts, **totals}


def plan_rows(made: Plan) -> list[tuple[str, str, str]]:
    """Rows of the table: what, how much, and a remark."""
    from clustering.report.signals import format_count

    looked_at = "all read" if made.is_whole else f"{format_count(made.n_sampled)} of them read"
    known = "" if made.rows_are_exact else "about, by their bytes; "
    rejected = f"{made.rejected_share:.1%} of the rows read cannot be used" if made.rejected_share else ""
    longest = sorted(made.seconds, key=lambda pair: -pair[1])[:3]
    return [
        ("read rows", format_count(made.n_rows), f"{known}{looked_at}"),
        ("from files", format_count(made.n_files), in_bytes(made.n_bytes)),
        *(
            [("reject rows", format_count(round(made.n_rows * made.rejected_share)), rejected)]
            if rejected
            else []
        ),
        ("find prompts", format_count(made.n_prompts), f"distinct, of {made.mean_text_bytes:,.0f} bytes"),
        ("find accounts", format_count(made.n_accounts), ""),
        ("take", in_time(made.total_seconds), "; ".join(f"{name} {in_time(s)}" for name, s in longest)),
        *(("once, beside", in_time(seconds), what) for what, seconds in made.once),
        ("fill memory", in_bytes(made.memory_mib * (1 << 20)), "at its peak"),
        ("fill disk", in_bytes(made.total_disk), "; ".join(f"{what} {in_bytes(n)}" for what, n in made.disk)),
    ]


def in_time(seconds: float) -> str:
    """A time with two units at most, as "45 s", "3 min 20 s", "5 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else "under 1 s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def in_bytes(size: float) -> str:
    """A size in KiB, MiB or GiB."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}" if size < 100 * unit else f"{size / unit:,.0f} {name}"
    return f"{size / 1024:,.0f} KiB"


def _remark(made: Plan, settings: RunSettings) -> str:
    refused = (
        " A run refuses logs of which more rows than --max-rejected cannot be used."
        if made.rejected_share > settings.max_rejected_share
        else ""
    )
    too_much = (
        f" The memory is more than --memory allows ({in_bytes(settings.memory)}): give more, or fewer "
        "requests by --since and --until."
        if made.memory_mib * (1 << 20) > settings.memory
        else ""
    )
    return (
        "Each figure is meant to be right within a factor of two. Times are of one processor: the wall clock "
        f"shows no more on a quiet machine. Nothing was written.{refused}{too_much}"
    )
