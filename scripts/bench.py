"""`covey bench quality`: what Covey is worth on simulated worlds, as tables that anyone can make again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.errors import guarded
from scripts.progress import stage_bars
from scripts.simulate import parse_requests
from scripts.terminal import console, print_json, quoted, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clustering.bench import Section

bench_app = typer.Typer(no_args_is_help=True, help="Measure Covey on worlds whose truth is known.")


@bench_app.callback()
def bench() -> None:
    """Measure Covey on worlds whose truth is known."""


Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="Folder for the worlds' tables and quality.md; a killed bench goes on there.",
        show_default=False,
    ),
]  # fmt: skip
Seeds = Annotated[int, typer.Option(min=1, help="Worlds with campaigns, and as many without.")]
Requests = Annotated[
    int, typer.Option(parser=parse_requests, metavar="NUMBER", help="Requests of a world, as 40k or 1M.")
]
Seed = Annotated[int, typer.Option(min=0, help="The first seed; the same one makes the same tables.")]
Sections = Annotated[
    list[str] | None,
    typer.Option(
        "--section",
        help="lookalikes, fdr, signals, columns, leave-out, shares, baselines or halves. Repeatable.",
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
    from clustering.bench.worlds import World
    from clustering.stages import Stage

    settings = BenchSettings(
        n_seeds=seeds,
        n_requests=requests,
        first_seed=seed,
        sections=tuple(section or ()),
        logs=tuple(logs or ()),
        threads=threads,
    )
    with stage_bars() as draw:

        def tell(done: int, total: int, world: World | None) -> None:
            if draw is not None:
                note = f"{done} of {total}" + (f"  {world.name}" if world else "")
                draw(Stage("worlds", done, total, "worlds", note, ended=world is None))

        sections = measure_quality(out, settings, force=force, on_world=tell)
    _print_sections(sections, out, as_json=as_json)


def _print_sections(sections: Sequence[Section], out: Path, *, as_json: bool) -> None:
    from clustering.bench import as_text

    if as_json:
        listed = [
            {"section": part.name, "title": part.title, "note": part.note, "rows": part.table.to_dicts()}
            for part in sections
        ]
        print_json({"path": out, "tables": listed})
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
    screen.print(f"Tables   {out / 'quality.md'}", soft_wrap=True)
