"""Progress on stderr: a bar per stage on a terminal, with its pace and the time left; nothing elsewhere."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

BAR_WIDTH = 12  # with all else, a line of 80 columns
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_WINDOW = 30.0  # seconds that a pace is taken over


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
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(bar_width=BAR_WIDTH),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}", markup=False),
        TextColumn("{task.fields[pace]}", style="dim", markup=False),
        console=Console(stderr=True, highlight=False),
    )
    with bars:
        yield _drawing(bars)


def _drawing(bars: Progress) -> Callable[[Stage], None]:
    tasks: dict[str, TaskID] = {}
    paces: dict[str, Pace] = {}

    def draw(stage: Stage) -> None:
        if stage.name not in tasks:
            tasks[stage.name] = bars.add_task(stage.name, total=stage.total, counts="", pace="")
            paces[stage.name] = Pace(perf_counter())
        # A bar that is full stops its clock: until the stage has ended it has no end to fill it to.
        total = stage.total if stage.ended or stage.done != stage.total else None
        pace = paces[stage.name].of(stage, perf_counter())
        shown = stage.note or counts(stage)
        bars.update(tasks[stage.name], completed=stage.done, total=total, counts=shown, pace=pace)

    return draw


class Pace:
    """How fast a stage counts, and when it will be done at that pace: "12.3k/s, 0:04:10 left".

    The pace is the mean over the last seconds, half a minute or so, of one count: a stage may count something
    else, or begin anew. Of a stage that has ended it is the mean over all of it. A pace below one a second is
    not shown, nor one of less than a second.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._counted: tuple[str, int | None] = ("", None)
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, stage: Stage, now: float) -> str:
        """The pace by `now`, in seconds of any clock that goes on; "" while there is none."""
        if stage.ended:
            return _rate(stage.done, now - self._began) if stage.unit else ""
        counted, anew = (stage.unit, stage.total), bool(self._seen) and stage.done < self._seen[-1][1]
        if anew or counted != self._counted:
            self._seen.clear()
        self._counted = counted
        self._seen.append((now, stage.done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()
        (since, before), done = self._seen[0], stage.done
        if not stage.unit or now - since < 1 or done == before:
            return ""
        parts = [_rate(done - before, now - since)]
        if stage.total is not None and done < stage.total:
            left = round((stage.total - done) * (now - since) / (done - before))
            parts.append(f"{timedelta(seconds=left)} left")
        return ", ".join(filter(None, parts))


def _rate(n: int, seconds: float) -> str:
    return f"{short_count(n / seconds)}/s" if seconds >= 1 and n >= seconds else ""


def counts(stage: Stage) -> str:
    """What a stage counts, as "120 of 500 texts"; "" where it counts nothing."""
    if not stage.unit:
        return ""
    done = short_count(stage.done)
    if stage.total is None or stage.total == stage.done:
        return f"{done} {stage.unit}"
    return f"{done} of {short_count(stage.total)} {stage.unit}"


def short_count(n: float) -> str:
    """A count in at most five characters: in full to 9 999, then three digits, as "12.3k" and "28.8M"."""
    from clustering.report.signals import format_count

    if round(n) < 10_000:
        return format_count(round(n))
    unit, name = next((unit, name) for unit, name in _UNITS if n >= 0.9995 * unit)
    return f"{n / unit:#.3g}".rstrip(".") + name
