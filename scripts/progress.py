"""Progress on stderr: a bar per stage on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Stage(Protocol):
    """Where a run stands: `done` of `total` units of the stage `name`; a total of None is not known yet."""

    @property
    def name(self) -> str: ...

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int | None: ...

    @property
    def unit(self) -> str: ...


@contextmanager
def stage_bars(*, quiet: bool = False) -> Iterator[Callable[[Stage], None] | None]:
    """A callback that draws the stages it is told of; None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description:<22}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", style="dim", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
    )
    with bars:
        yield _drawing(bars)


def _drawing(bars: Progress) -> Callable[[Stage], None]:
    tasks: dict[str, TaskID] = {}

    def draw(stage: Stage) -> None:
        if stage.name not in tasks:
            tasks[stage.name] = bars.add_task(stage.name, total=stage.total, unit=stage.unit)
        bars.update(tasks[stage.name], completed=stage.done, total=stage.total)

    return draw
