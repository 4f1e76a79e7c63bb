"""`covey simulate`: request logs with known campaigns and look-alikes, for a demo or a test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.errors import guarded
from scripts.terminal import console, print_json


@guarded
def simulate_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", show_default=False)],
    requests: Annotated[int, typer.Option(min=1_000, help="Requests to make, about.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same logs.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace logs that the folder holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Make simulated request logs with their truth: requests.parquet and truth.parquet.

    Organic accounts, campaigns of the known shapes, and benign traffic that looks like them.
    """
    from clustering.report.signals import format_count
    from clustering.simulation import SimulationSettings, check_folder, simulate, write_simulation

    check_folder(out, force=force)
    made = simulate(SimulationSettings(n_requests=requests), seed=seed)
    write_simulation(made, out, force=force)
    kinds = made.truth["kind"].str.split(":").list.first().value_counts(sort=True).rows()
    counts = {"n_requests": made.requests.height, **{f"n_{kind}": n for kind, n in sorted(kinds)}}
    if as_json:
        print_json({"path": out, **counts})
        return
    screen = console()
    screen.print(
        ", ".join(f"{format_count(n)} {name.removeprefix('n_')}" for name, n in counts.items()),
        soft_wrap=True,
    )
    screen.print(f"Logs     {out / 'requests.parquet'}", soft_wrap=True)
    screen.print(f"Truth    {out / 'truth.parquet'}", soft_wrap=True)
