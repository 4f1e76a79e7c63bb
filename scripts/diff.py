"""`covey diff`: what changed between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.errors import guarded
from scripts.progress import stage_bars
from scripts.terminal import console, print_json

N_ROWS = 20  # of each table, where no limit is given


@guarded
def diff_command(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(help="The run directory to start from.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The run directory to compare with it.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, help="Rows of each table to show.")] = N_ROWS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare an OLD and a NEW run: families that came, went, grew or shrank, campaigns, and settings."""
    from clustering import compare_runs, load_run
    from scripts.diff_tables import diff_json, diff_lines

    runs = (load_run(old), load_run(new))
    with stage_bars(quiet=as_json) as progress:
        made = compare_runs(*runs, progress=progress)
    if as_json:
        print_json({"old": old, "new": new, **diff_json(made, limit=limit)})
        return
    screen = console()
    for part in diff_lines(made, limit=limit, width=screen.width):
        screen.print(part)
