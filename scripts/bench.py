"""`covey bench`: what Covey is worth on simulated worlds, and what a run costs on this machine."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.errors import guarded
from scripts.progress import stage_bars
from scripts.simulate import parse_requests
from scripts.terminal import console, print_json, quoted, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clustering.bench import Section
    from clustering.bench.counting import OnWorld

bench_app = typer.Typer(no_args_is_help=True, help="Measure what Covey finds, and what it costs.")


@bench_app.callback()
def bench() -> None:
    """Measure what Covey finds, and what it costs."""


def _folder_for(contents: str) -> Any:
    """The option of a bench's folder."""
    told = f"Folder for {contents}; a killed bench goes on there."
    return typer.Option("--out", "-o", help=told, show_default=False)


def _sizes_of(what: str, preset: str) -> Any:
    """The option of several sizes."""
    told = f"Requests of {what}, as 40k or 10M. Repeatable."
    return typer.Option(parser=parse_requests, metavar="NUMBER", help=told, show_default=preset)


Out = Annotated[Path, _folder_for("the worlds' tables and quality.md")]
Seeds = Annotated[int, typer.Option(min=1, help="Worlds with campaigns, and as many without.")]
Requests = Annotated[
    int, typer.Option(parser=parse_requests, metavar="NUMBER", help="Requests of a world, as 40k or 1M.")
]
Seed = Annotated[int, typer.Option(min=0, help="The first seed; the same one makes the same tables.")]
Sections = Annotated[
    list[str] | None,
    typer.Option(
        "--section",
        help="lookalikes, fdr, signals, columns, leave-out, patterns, shares, baselines or halves. "
        "Repeatable.",
        show_default="all",
    ),
]
Logs = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder with other logs and their truth, as `covey simulate` writes it. Repeatable.",
        show_default=False,
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads to use.", show_default="all that are free")]
Force = Annotated[bool, typer.Option("--force", help="Remove the tables that are there, and start over.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")]


@bench_app.command("quality")
@guarded
def quality_command(
    context: typer.Context,
    out: Out,
    seeds: Seeds = 20,
    requests: Requests = 40_000,
    seed: Seed = 100,
    section: Sections = None,
    logs: Logs = None,
    threads: Threads = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """False flags per look-alike, false discovery rate, ablations, shares, and other methods beside Covey.

    Simulates worlds, runs each, and derives every table from what was kept of them.
    """
    from clustering.bench import BenchSettings, measure_quality

    settings = BenchSettings(
        n_seeds=seeds,
        n_requests=requests,
        first_seed=seed,
        sections=tuple(section or ()),
        logs=tuple(logs or ()),
        threads=threads,
    )
    with _worlds_drawn() as tell:
        sections = measure_quality(out, settings, force=force, on_world=tell)
    _print_sections(sections, out / "quality.md", as_json=as_json)


@contextmanager
def _drawn(unit: str) -> Iterator[Callable[[int, int, str], None]]:
    """What draws how many of something are done, of all, and which is next."""
    from clustering.stages import Stage

    with stage_bars() as draw:

        def tell(done: int, total: int, name: str) -> None:
            if draw is not None:
                draw(Stage(unit, done, total, unit, f"{done} of {total}  {name}", ended=done == total))

        yield tell


@contextmanager
def _worlds_drawn() -> Iterator[OnWorld]:
    with _drawn("worlds") as tell:
        yield lambda done, total, world: tell(done, total, world.name if world else "")


ReferenceOut = Annotated[Path, _folder_for("the worlds' tables and benign_reference.csv")]
ReferenceSizes = Annotated[list[int] | None, _sizes_of("a world", "12k, 40k and 200k")]
ReferenceSeeds = Annotated[int, typer.Option(min=1, help="Worlds of each size.")]
ReferenceSeed = Annotated[int, typer.Option(min=0, help="The first seed; none that `quality` is taken on.")]


@bench_app.command("reference")
@guarded
def reference_command(
    context: typer.Context,
    out: ReferenceOut,
    requests: ReferenceSizes = None,
    seeds: ReferenceSeeds = 6,
    seed: ReferenceSeed = 500,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """The benign families that `covey show` compares a family with, from worlds without a campaign.

    The packaged file is made by this command with what is preset.
    """
    from clustering.bench import ReferenceSettings, measure_reference
    from clustering.benign_reference import REFERENCE

    sizes = tuple(requests or ReferenceSettings.n_requests)
    settings = ReferenceSettings(sizes, seeds, seed, threads)
    with _worlds_drawn() as tell:
        table = measure_reference(out, settings, force=force, on_world=tell)
    console().print(f"Families {table.height}")
    console().print(f"File     {out / REFERENCE}", soft_wrap=True)


SpeedOut = Annotated[Path, _folder_for("the logs, measurements and speed.md")]
Sizes = Annotated[list[int] | None, _sizes_of("a log", "100k, 300k and 1M")]
SpeedSeed = Annotated[int, typer.Option(min=0, help="Of the logs; the same one makes the same logs.")]
Rivals = Annotated[
    bool,
    typer.Option(
        "--rivals/--no-rivals",
        help="Measure hdbscan, fast_hdbscan, EVoC and BERTopic too, those that are installed.",
    ),
]
Limit = Annotated[
    float, typer.Option(min=1.0, metavar="SECONDS", help="When another finder is stopped, at each size.")
]


@bench_app.command("speed")
@guarded
def speed_command(
    context: typer.Context,
    out: SpeedOut,
    requests: Sizes = None,
    seed: SpeedSeed = 0,
    threads: Threads = None,
    rivals: Rivals = True,
    limit: Limit = 600.0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Seconds and memory per stage at growing sizes, their growth exponent, and other finders beside.

    Simulates logs, runs each in a process of its own, and judges what was found. Do it on a quiet machine.
    """
    from clustering.bench import SIZES, SpeedSettings, measure_speed

    settings = SpeedSettings(tuple(requests or SIZES), seed, threads, rivals, limit)
    with _drawn("steps") as tell:
        sections = measure_speed(out, settings, force=force, on_step=tell)
    _print_sections(sections, out / "speed.md", as_json=as_json)


CostsOut = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="File to write.", show_default="costs.json in the user's cache"),
]


@bench_app.command("plan")
@guarded
def plan_command(context: typer.Context, out: CostsOut = None, threads: Threads = None) -> None:
    """What stages, memory and disk cost on this machine, for `covey run --plan`; takes some minutes.

    Runs simulated logs of several sizes and shapes. Do it on a quiet machine.
    """
    from clustering.bench.costs import measure_costs
    from clustering.costs import own_costs, save_costs

    place = out or own_costs()
    if place.is_dir():
        raise ValueError(f"{place}: is a folder; give --out a file to write")
    with _drawn("runs") as tell:
        save_costs(measure_costs(threads=threads, on_run=tell), place)
    console().print(f"Costs    {place}", soft_wrap=True)


def _print_sections(sections: Sequence[Section], report: Path, *, as_json: bool) -> None:
    from clustering.bench import as_text

    if as_json:
        listed = [
            {"section": part.name, "title": part.title, "note": part.note, "rows": part.table.to_dicts()}
            for part in sections
        ]
        print_json({"path": report.parent, "tables": listed})
        return
    screen = console()
    for part in sections:
        kinds = ["right" if dtype.is_numeric() else "left" for dtype in part.table.dtypes]
        made = table(*zip(part.table.columns, kinds, strict=True), title=part.title)
        for row in part.table.iter_rows():
            made.add_row(*(quoted(as_text(value)) for value in row))
        screen.print(made)
        if part.note:
            screen.print(part.note)
    screen.print(f"Tables   {report}", soft_wrap=True)
