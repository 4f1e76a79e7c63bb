"""`covey evaluate`: how well a run found what is known to be in its logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.errors import guarded
from scripts.terminal import console, print_json, quoted, table


@guarded
def evaluate_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    truth: Annotated[
        Path,
        typer.Argument(
            help="Folder with the logs' truth, as `covey simulate` writes it.", show_default=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a RUN with the TRUTH of its logs: families found, the ranking, false flags, accounts."""
    from dataclasses import asdict

    from clustering.evaluation import evaluate_run

    figures = asdict(evaluate_run(run, truth))
    if as_json:
        print_json(figures)
        return
    screen = console()
    made = table(("Figure", "left"), ("Value", "right"))
    for name, value in figures.items():
        if isinstance(value, int | float | None):
            made.add_row(name.replace("_", " "), _entry(value))
    screen.print(made)
    for name, value in figures.items():
        if isinstance(value, dict) and value:
            part = table((name.replace("_", " "), "left"), ("", "right"))
            for key, entry in value.items():
                part.add_row(quoted(str(key)), _entry(entry))
            screen.print(part)


def _entry(value: object) -> str:
    """Counts as they are, shares with three digits, a dash where the truth has nothing to measure."""
    if isinstance(value, dict):
        return "   ".join(f"{name} {_entry(part)}" for name, part in value.items())
    if value is None:
        return "\u2013"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
