"""`covey simulate`: request logs with known campaigns and look-alikes, for a demo or a test."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.errors import guarded
from scripts.progress import stage_bars
from scripts.terminal import console, print_json, table

if TYPE_CHECKING:
    from clustering.simulation import CampaignPlan, SimulationSettings

SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000}
LEAST_REQUESTS = 1_000
# Beside the schedules proper: what a schedule may also have.
ALSO: dict[str, dict[str, Any]] = {
    "shards": {"shards": True},
    "replaced": {"pools": 2},
    "pivot": {"pivots": True},
}


def parse_requests(text: str | int) -> int:
    """A number of requests, as 20000, 40k or 1.5M; a default is one already."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", str(text).strip().replace("_", "").replace(",", ""))
    if not found:
        raise typer.BadParameter(f"{text!r} is not a number of requests; give one like 20000, 40k or 1M")
    number, suffix = found.groups()
    n = round(float(number) * SUFFIXES[suffix.lower()])
    if n < LEAST_REQUESTS:
        raise typer.BadParameter(f"{text} requests are too few; give at least {LEAST_REQUESTS}")
    return n


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas; "none" is no name; a dash stands for the line below."""
    names = tuple(name.strip().replace("-", "_") for name in text.split(",") if name.strip())
    return () if names == ("none",) else names


def simulation_settings(
    preset: str | None,
    requests: int | None,
    share: float | None,
    *,
    campaigns: str | None,
    lookalikes: str | None,
    repeats: float | None,
) -> SimulationSettings:
    """Settings of a call; None keeps what a log, or a log of a preset, has by default."""
    from clustering.simulation import PRESETS, SimulationSettings, preset_in
    from clustering.simulation.presets import PRESET_REQUESTS, PRESET_SHARE

    given: dict[str, Any] = {}
    if preset is not None:
        if campaigns is not None:
            raise ValueError(f"--campaigns {campaigns}: {preset} is a campaign; give one of the two")
        if preset not in PRESETS:
            raise ValueError(f"no preset {preset!r}; there are {', '.join(PRESETS)}, or use --campaigns")
        given = {"n_requests": PRESET_REQUESTS, "campaign_share": PRESET_SHARE}
    if campaigns is not None:
        given["campaigns"] = names_in(campaigns)
    if lookalikes is not None:
        given["lookalikes"] = names_in(lookalikes)
    if requests is not None:
        given["n_requests"] = requests
    if share is not None:
        given["campaign_share"] = share
    if repeats is not None:
        given["repeats"] = repeats
    if preset is not None:
        given["campaigns"] = (preset_in(preset, given["n_requests"], given["campaign_share"]),)
    return SimulationSettings(**given)


def habits_of(
    *,
    schedule: str | None,
    loads: str | None,
    mixing: float | None,
    disguise: str | None,
    language: str | None,
) -> dict[str, Any]:
    """Fields of a ``CampaignPlan`` from what the options say; those that say nothing are left out."""
    habits: dict[str, Any] = {}
    for name in names_in(schedule or ""):
        habits |= ALSO.get(name, {"schedule": name})
    rhythms = [name for name in names_in(schedule or "") if name not in ALSO]
    if len(rhythms) > 1:
        raise ValueError(f"--schedule {schedule}: {' and '.join(rhythms)} exclude each other; give one")
    if disguise is not None:
        habits["disguises"] = names_in(disguise)
    given = {"loads": loads, "mixing": mixing, "language": language}
    return habits | {name: value for name, value in given.items() if value is not None}


Preset = Annotated[
    str | None,
    typer.Argument(
        help="A public campaign alone: qwen, minimax, moonshot or deepseek. "
        "Without one, four to six campaigns whose habits the seed draws.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", show_default=False)]
Requests = Annotated[
    int | None,
    typer.Option(
        parser=parse_requests,
        metavar="NUMBER",
        help="Requests to make, as 40k or 1M.",
        show_default="20k; 100k for a preset",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed makes the same logs.")]
CampaignShare = Annotated[
    float | None,
    typer.Option(help="Share of the requests that is extraction.", show_default="0.06; 0.01 for a preset"),
]
Repeats = Annotated[
    float | None,
    typer.Option(
        help="Share of people's requests that repeat their previous one: regenerated, or sent twice.",
        show_default="0.035",
    ),
]
Campaigns = Annotated[
    str | None,
    typer.Option(
        help="none, or some of: trace, rubric, grid, roles, personas, operators, instructions, "
        "resample, relay.",
        metavar="NAMES",
        show_default=False,
    ),
]
Lookalikes = Annotated[
    str | None,
    typer.Option(
        help="none, or names of benign look-alikes, as classroom,benchmark.",
        metavar="NAMES",
        show_default="all",
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        help="When the campaigns send: round-the-clock, slices, bursts, groups, office or people; "
        "and, with commas, shards (an account keeps to one subject), replaced (a pool is banned, "
        "another follows), pivot (to a new model).",
        metavar="NAMES",
        show_default=False,
    ),
]
Loads = Annotated[
    str | None, typer.Option(help="Loads of their accounts: equal, poisson or skewed.", show_default=False)
]
Mixing = Annotated[
    float | None,
    typer.Option(help="Share of their accounts' traffic that is ordinary, to 0.95.", show_default=False),
]
Disguise = Annotated[
    str | None,
    typer.Option(
        help="none, or some of: greetings, nonces, invisible, homoglyphs, case, paraphrases, shuffled.",
        metavar="NAMES",
        show_default=False,
    ),
]
Language = Annotated[
    str | None, typer.Option(help="Of their wrappers: en, zh, es or de.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Replace logs that the folder holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print counts and campaigns as JSON.")]


@guarded
def simulate_command(
    context: typer.Context,
    out: Out,
    preset: Preset = None,
    requests: Requests = None,
    seed: Seed = 0,
    campaign_share: CampaignShare = None,
    repeats: Repeats = None,
    campaigns: Campaigns = None,
    lookalikes: Lookalikes = None,
    schedule: Schedule = None,
    loads: Loads = None,
    mixing: Mixing = None,
    disguise: Disguise = None,
    language: Language = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make simulated request logs with their truth: requests.parquet, truth.parquet and simulation.json.

    Organic accounts, campaigns of the known shapes, and benign traffic that looks like them. Large logs are
    written a million requests at a time.
    """
    from dataclasses import replace

    from clustering.simulation import check_folder, drawn_plans, write_simulation

    check_folder(out, force=force)
    settings = simulation_settings(
        preset, requests, campaign_share, campaigns=campaigns, lookalikes=lookalikes, repeats=repeats
    )
    habits = habits_of(schedule=schedule, loads=loads, mixing=mixing, disguise=disguise, language=language)
    if habits:
        plans = drawn_plans(settings, seed=seed)
        settings = replace(settings, campaigns=tuple(replace(plan, **habits) for plan in plans))
    with stage_bars(quiet=as_json) as progress:
        made = write_simulation(settings, out, seed=seed, force=force, progress=progress)
    _print_made(made, out, as_json=as_json)


def _print_made(made: dict[str, Any], out: Path, *, as_json: bool) -> None:
    from clustering.report.signals import format_count
    from clustering.simulation import CampaignPlan

    counts = {"n_requests": made["n_requests"]}
    for kind, n in made["n_requests_by_kind"].items():
        name = f"n_{kind.partition(':')[0]}"
        counts[name] = counts.get(name, 0) + n
    if as_json:
        print_json({"path": out, **counts, "campaigns": made["campaigns"]})
        return
    screen = console()
    screen.print(
        ", ".join(f"{format_count(n)} {name.removeprefix('n_')}" for name, n in counts.items()),
        soft_wrap=True,
    )
    if made["campaigns"]:
        listed = table(("Campaign", "left"), ("Requests", "right"), ("Accounts", "right"), ("Habits", "left"))
        for plan in (CampaignPlan(**fields) for fields in made["campaigns"]):
            numbers = (format_count(plan.n_requests), format_count(plan.n_accounts))
            listed.add_row(plan.label, *numbers, ", ".join(_habits(plan)))
        screen.print(listed)
    screen.print(f"Logs     {out / 'requests.parquet'}", soft_wrap=True)
    screen.print(f"Truth    {out / 'truth.parquet'}", soft_wrap=True)
    screen.print(f"Contents {out / 'simulation.json'}", soft_wrap=True)


def _habits(plan: CampaignPlan) -> Iterable[str]:
    """What is worth saying of a campaign, in words."""
    yield plan.schedule.replace("_", " ")
    yield f"{plan.loads} loads"
    if plan.mixing:
        yield f"{plan.mixing:.0%} ordinary traffic"
    if plan.pools > 1:
        yield f"{plan.pools} pools"
    if plan.pivots:
        yield "pivots"
    if plan.shards:
        yield "a subject an account"
    yield from plan.disguises
    languages = dict.fromkeys((plan.language, plan.payload_language or plan.language))
    if languages != {"en": None}:
        yield " around ".join(languages)
    if plan.plain:
        yield f"{plan.plain:.0%} bare"
    if plan.relayed:
        yield f"{plan.relayed:.0%} relayed"
