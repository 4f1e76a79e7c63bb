"""Progress on stderr: a bar per stage on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

BAR_WIDTH = 24


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

    @property
    def note(self) -> str: ...

    @property
    def ended(self) -> bool: ...


@contextmanager
def stage_bars(*, quiet: bool = False) -> Iterator[Callable[[Stage], None] | None]:
    """A callback that draws the stages it is told of; None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description:<13}", markup=False),
        BarColumn(bar_width=BAR_WIDTH),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}", style="dim", markup=False),
        console=Console(stderr=True, highlight=False),
    )
    with bars:
        yield _drawing(bars)


def _drawing(bars: Progress) -> Callable[[Stage], None]:
    tasks: dict[str, TaskID] = {}

    def draw(stage: Stage) -> None:
        if stage.name not in tasks:
            tasks[stage.name] = bars.add_task(stage.name, total=stage.total, counts="")
        # A bar that is full stops its clock: until the stage has ended it has no end to fill it to.
        total = stage.total if stage.ended or stage.done != stage.total else None
        bars.update(tasks[stage.name], completed=stage.done, total=total, counts=stage.note or counts(stage))

    return draw


def counts(stage: Stage) -> str:
    """What a stage counts, as "120 of 500 texts"; "" where it counts nothing."""
    if not stage.unit:
        return ""
    from clustering.report.signals import format_count

    done = format_count(stage.done)
    if stage.total is None or stage.total == stage.done:
        return f"{done} {stage.unit}"
    return f"{done} of {format_count(stage.total)} {stage.unit}"
