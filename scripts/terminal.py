"""What reaches the terminal. Results go to stdout, everything else to stderr.

Texts of the tables come from strangers: they are shown through `quoted`, which makes hidden characters
visible and carries no markup, so that no prompt can move the cursor, colour the screen or name a link.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PIPED_WIDTH = 160  # a pipe has no width; long enough that no cell of the queue is folded


class ReaderGoneError(Exception):
    """Nobody reads standard output any more, as after ``| head``; no mistake of anyone."""


def console() -> Console:
    """Standard output: coloured and as wide as the terminal, plain where it is not one.

    Printing raises `ReaderGoneError` where nobody reads any more.
    """
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise ReaderGoneError  # Rich would end the program as failed

    made = Screen(highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made = Screen(highlight=False, markup=False, emoji=False, width=PIPED_WIDTH)
    return made


def say(text: str, *, flat: bool = True) -> None:
    """A line on stderr; hidden characters are shown."""
    from clustering.report.visible import visible

    print(visible(text, flat=flat), file=sys.stderr)


def quoted(text: str, *, length: int | None = None, flat: bool = True) -> Text:
    """Text of a stranger, with hidden characters as reversed symbols."""
    from rich.text import Text

    from clustering.report.visible import flatten, pieces, shorten

    kept = text if length is None else shorten(text, length)
    if flat:
        kept = flatten(kept)
    result = Text(overflow="ellipsis" if flat else "fold")
    for run, hidden in pieces(kept):
        result.append(run, style="reverse" if hidden else "")
    return result


def table(*columns: tuple[str, str], title: str | None = None, expand: bool = False) -> Table:
    """An empty table with a light frame; a column is (name, "left" or "right")."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=box.SIMPLE_HEAD,
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
        expand=expand,
        header_style="bold",
    )
    for name, side in columns:
        made.add_column(name, justify="right" if side == "right" else "left", no_wrap=side == "right")
    return made


def print_json(value: object) -> None:
    """One JSON document on stdout, ASCII only: no character of a prompt reaches the terminal as it is."""
    text = json.dumps(value, default=_jsonable, indent=2, allow_nan=False)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise ReaderGoneError from None


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
