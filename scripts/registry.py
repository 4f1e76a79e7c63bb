"""`covey registry`: add a known-benign template to a registry file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.errors import guarded
from scripts.terminal import say

File = Annotated[
    Path, typer.Argument(help="The registry, a TOML file; made if not there.", show_default=False)
]
RunPlace = Annotated[Path | None, typer.Argument(help="A run directory.", show_default=False)]
Family = Annotated[
    str | None, typer.Argument(help="The run's family that is benign: its rank or id.", show_default=False)
]
Name = Annotated[str, typer.Option(help="What it is.", show_default=False)]
Kind = Annotated[str, typer.Option(help="framework default, product, benchmark, sample or other.")]
Source = Annotated[
    str, typer.Option(help="Where that is known from: a ticket, a page, a contract.", show_default=False)
]
Template = Annotated[
    str | None,
    typer.Option(help="Its text, with {slot_1}, … where it varies; instead of a family.", show_default=False),
]


@guarded
def registry_command(
    context: typer.Context,
    file: File,
    run: RunPlace = None,
    family: Family = None,
    name: Name = "",
    kind: Kind = "product",
    source: Source = "",
    template: Template = None,
) -> None:
    """Add a known-benign template to a registry FILE, from a FAMILY of a RUN or a text.

    `covey run --registry FILE` then explains such families away: they are listed, but not flagged.
    """
    from clustering import load_run
    from clustering.registry import known_from_template, read_registry, write_registry
    from scripts.subjects import find_family

    if (template is None) == (run is None) or (run is None) != (family is None):
        raise ValueError("give either RUN and FAMILY, or --template TEXT")
    if not name:
        raise ValueError("--name is missing; say what the template is")
    if run is not None and family is not None:
        families = load_run(run).families
        row = families.filter(families["family_id"] == find_family(families, family)).row(0, named=True)
        template, source = row["template"], source or f"family {row['family_id']} of {run}"
    entry = known_from_template(template or "", name=name, kind=kind, source=source)
    entries = read_registry(file) if file.exists() else ()
    if any(known.name == name for known in entries):
        raise ValueError(f"registry {file}: holds {name!r} already; give another --name")
    write_registry(file, [*entries, entry])
    say(
        f"{file}: {len(entries) + 1} known templates; use it with: covey run LOGS --out DIR --registry {file}"
    )
