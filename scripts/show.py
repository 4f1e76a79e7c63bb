"""`covey show`: a run's queue, or one family, campaign or account with its evidence, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.errors import guarded
from scripts.terminal import console, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from clustering import Run

N_FAMILIES = 20  # of the queue that are shown where no limit is given


@guarded
def show_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    subject: Annotated[
        str | None,
        typer.Argument(
            help="A family's rank, or the id, or the start of it, of a family, a campaign or an account.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Families of the queue to show, or examples, fillers of each slot, and accounts.",
            show_default="20 families; 3 examples, 5 fillers, 5 accounts",
        ),
    ] = None,
    signals: Annotated[bool, typer.Option("--signals", help="Show a family's signals one by one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the ranked queue of a RUN, or why one FAMILY is flagged or not, or a CAMPAIGN or an ACCOUNT."""
    from clustering import load_run
    from scripts.queue_table import queue_json, queue_table, summary_line

    loaded = load_run(run)
    if subject is not None:
        _show(loaded, subject, limit=limit, signals=signals, as_json=as_json)
        return
    n_families = N_FAMILIES if limit is None else limit
    if as_json:
        print_json(queue_json(loaded, limit=n_families))
        return
    screen = console()
    screen.print(queue_table(loaded.families, limit=n_families, width=screen.width))
    screen.print(summary_line(loaded) + ".")


def _show(run: Run, subject: str, *, limit: int | None, signals: bool, as_json: bool) -> None:
    from scripts.account import account_json
    from scripts.campaign import campaign_json
    from scripts.family import family_json
    from scripts.parts import PROSE_WIDTH
    from scripts.subjects import find_subject

    kind, name = find_subject(run, subject)
    if as_json:
        described = {"family": family_json, "campaign": campaign_json, "account": account_json}[kind]
        print_json(described(run, name, limit=limit))
        return
    screen = console()
    for part in _lines(run, kind, name, limit=limit, signals=signals):
        screen.print(part, width=min(screen.width, PROSE_WIDTH))


def _lines(run: Run, kind: str, name: str, *, limit: int | None, signals: bool) -> Iterator[RenderableType]:
    from scripts.account import account_lines
    from scripts.campaign import campaign_lines
    from scripts.family import family_lines

    if kind == "family":
        return family_lines(run, name, limit=limit, signals=signals)
    return (campaign_lines if kind == "campaign" else account_lines)(run, name, limit=limit)
