"""`covey drill`: known campaigns planted into one's own logs, to see at which share they would be found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.errors import guarded
from scripts.progress import stage_bars
from scripts.run import (
    Column,
    Config,
    Encoder,
    Logs,
    Memory,
    MinFamily,
    Registry,
    Seed,
    Since,
    Threads,
    Until,
    run_settings,
)
from scripts.simulate import Disguise, Schedule, habits_of
from scripts.terminal import console, print_json, quoted, table

if TYPE_CHECKING:
    from rich.text import Text

    from clustering.drill import CampaignFinding, Drill, DrillSettings, Planting

COLUMNS = (
    ("Share", "right"),
    ("Campaign", "left"),
    ("Requests", "right"),
    ("Accounts", "right"),
    ("In families", "right"),
    ("In flagged", "right"),
    ("First rank", "right"),
    ("Unknown before", "right"),
    ("Campaigns", "right"),
)

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder to write; complete or absent.", show_default=False)
]
Campaign = Annotated[
    list[str] | None,
    typer.Option(
        help="A public campaign (qwen, minimax, moonshot, deepseek) or a recipe with habits that the seed "
        "draws (trace, rubric, grid, roles, personas, operators, instructions, resample, relay). Repeatable.",
        show_default="the four public ones",
    ),
]
Share = Annotated[
    list[float] | None,
    typer.Option(
        help="Share of all requests that each campaign is to have. Repeatable.",
        show_default="0.05, 0.01, 0.005, 0.001",
    ),
]
Apart = Annotated[
    bool, typer.Option("--apart", help="A run for each campaign, not one for all of a share: slower.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the runs and what was planted, for `covey show`.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a drill of other logs or settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


@guarded
def drill_command(
    context: typer.Context,
    logs: Logs,
    out: Out,
    campaign: Campaign = None,
    share: Share = None,
    schedule: Schedule = None,
    disguise: Disguise = None,
    apart: Apart = False,
    config: Config = None,
    column: Column = None,
    since: Since = None,
    until: Until = None,
    encoder: Encoder = None,
    min_family: MinFamily = None,
    registry: Registry = None,
    seed: Seed = None,
    threads: Threads = None,
    memory: Memory = None,
    keep: Keep = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Plant known campaigns into your own LOGS and report what would be found, and at which share.

    The logs stay as they are: what is planted lies in a file beside them, for the time of the drill.
    """
    habits = habits_of(schedule=schedule, loads=None, mixing=None, disguise=disguise, language=None)
    from clustering.drill import drill

    how = {"encoder": encoder, "min_family": min_family, "seed": seed, "threads": threads}
    texts = {"since": since, "until": until, "memory": memory}
    run = run_settings(config, column, texts, **how, registry=registry, force=force)
    settings = drill_settings(campaign, share, habits, run=run, apart=apart, keep=keep)
    with stage_bars() as progress:
        made = drill(logs, out, settings=settings, progress=progress)
    _print_drill(made, as_json=as_json)


def drill_settings(
    campaigns: list[str] | None, shares: list[float] | None, habits: dict[str, Any], **others: Any
) -> DrillSettings:
    """Settings of a call; `habits` replace those that the campaigns have of the seed or of the reports."""
    from dataclasses import replace

    from clustering.drill import DrillSettings

    given = {"shares": tuple(shares) if shares else None, **others}
    if campaigns:
        given["campaigns"] = tuple(campaigns)
    settings = DrillSettings(**given)
    if not habits:
        return settings
    return replace(settings, campaigns=tuple(replace(plan, **habits) for plan in settings.plans))


def _print_drill(made: Drill, *, as_json: bool) -> None:
    from clustering.drill.place import BASELINE
    from clustering.drill.results import drill_json

    if as_json:
        print_json({"path": made.path, "was_complete": made.was_complete, **drill_json(made)})
        return
    screen = console()
    listed = table(*COLUMNS)
    for planting in made.plantings:
        for finding in planting.findings:
            listed.add_row(*_cells(planting, finding))
    screen.print(listed)
    for line in _lines(made):
        screen.print(line, soft_wrap=True)
    if (made.path / BASELINE).is_dir():
        screen.print(f"Runs     {made.path}/*/run: covey show RUN 1", soft_wrap=True)
    screen.print(f"Findings {made.path / 'drill.json'}", soft_wrap=True)


def _cells(planting: Planting, finding: CampaignFinding) -> Iterator[Text | str]:
    from clustering.report.signals import format_count

    yield f"{planting.share:.3g}"
    yield quoted(finding.campaign)
    yield format_count(finding.n_requests)
    yield format_count(finding.n_accounts)
    yield f"{finding.in_families:.0%}"
    yield f"{finding.in_flagged:.0%}"
    for number in (finding.first_rank, finding.n_unknown_before, finding.n_campaigns or None):
        yield "\u2013" if number is None else format_count(number)


def _lines(made: Drill) -> Iterator[str]:
    """What is to be known beside the table."""
    from clustering.report.signals import format_count
    from clustering.report.visible import visible

    alone = made.baseline
    yield (
        f"Without plants: {format_count(alone.n_families)} families, {format_count(alone.n_flagged)} "
        f"flagged, with {format_count(alone.n_requests_flagged)} of "
        f"{format_count(alone.n_requests)} requests."
    )
    for planting in made.plantings:
        names = "" if len(planting.findings) > 1 else f" {visible(planting.findings[0].campaign)}"
        yield (
            f"Share {planting.share:.3g}{names}: {format_count(planting.n_flagged)} flagged, of which "
            f"{format_count(planting.n_flagged_unknown)} are the log's own, with "
            f"{format_count(planting.n_own_requests_flagged)} of its requests; {planting.seconds:.0f} s."
        )
    yield (
        "Unknown before: families of the log itself that rank before the campaign's first. "
        "They may be true: nobody has said what they are."
    )
    yield "Campaigns: into how many its flagged families were linked; 1 is right."
    yield from made.notes
    if made.n_rejected:
        yield f"Rejected {format_count(made.n_rejected)} rows of the logs; `covey run` lists them."
    if made.was_complete:
        yield "Complete already: the same logs and settings. Nothing was done."
