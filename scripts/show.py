"""`covey show`: a run's queue, or one family with its evidence, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.errors import guarded
from scripts.terminal import console, print_json

if TYPE_CHECKING:
    import polars as pl

N_FAMILIES = 20  # of the queue that are shown where no limit is given


@guarded
def show_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    family: Annotated[
        str | None,
        typer.Argument(help="A family: its rank, or its id or the start of it.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Families of the queue, or examples of a family and fillers of each slot, to show.",
            show_default="20 families; 5 examples, 8 fillers",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the ranked queue of a RUN, or one FAMILY: template, reasons, signals, slots and examples."""
    from clustering import load_run
    from scripts.family import family_json, family_lines
    from scripts.queue_table import queue_json, queue_table, summary_line

    loaded = load_run(run)
    screen = console()
    if family is None:
        n_families = N_FAMILIES if limit is None else limit
        if as_json:
            print_json(queue_json(loaded, limit=n_families))
            return
        screen.print(queue_table(loaded.families, limit=n_families, width=screen.width))
        screen.print(summary_line(loaded) + ".")
        return
    family_id = find_family(loaded.families, family)
    if as_json:
        print_json(family_json(loaded, family_id, limit=limit))
        return
    for line in family_lines(loaded, family_id, limit=limit):
        screen.print(line)


def find_family(families: pl.DataFrame, name: str) -> str:
    """The id of the family meant by a rank, an id or the start of one.

    Raises
    ------
    ValueError
        When no family or more than one is meant.
    """
    if name.isascii() and name.isdigit():
        ranked = families.filter(families["rank"] == int(name))["family_id"].to_list()
        if ranked:
            return str(ranked[0])
    ids = [str(found) for found in families["family_id"].to_list() if str(found).startswith(name) and name]
    if name in ids:
        return name
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise ValueError(
            f"family {name}: {len(ids)} ids start so ({', '.join(sorted(ids)[:3])}, ...); give more of it"
        )
    raise ValueError(
        f"family {name}: none of that rank or id; "
        f"the run's ranks are 1 to {families.height}, listed by `covey show RUN`"
    )
