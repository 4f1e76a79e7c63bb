"""The stages of a run as they pass: told to whoever watches, measured for the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clustering.peak_memory import PeakMemory


@dataclass(frozen=True)
class Stage:
    """Progress of one stage.

    Attributes
    ----------
    name
        What is done, for a person.
    done, total
        Of `unit`; `total` is None while it is not known. A stage that ends says ``done == total``.
    unit
        What is counted; "" where nothing is.
    note
        What takes so long, for a person; mostly "".
    ended
        True of the last one of a stage: what it counts may be done while the stage goes on.
    """

    name: str
    done: int
    total: int | None
    unit: str
    note: str = ""
    ended: bool = False


Progress = Callable[[Stage], None]


@dataclass
class Clock:
    """What each stage took, told as the stages pass.

    Attributes
    ----------
    progress
        Told of every stage as it goes on.
    stages
        A record per stage that has ended: ``stage``, its name; ``seconds`` on the clock and ``cpu_seconds``
        of all threads, user and system; ``peak_memory_mib`` while it ran (``clustering.peak_memory``); and
        ``written_bytes``, of the files that it left. The time between two stages counts for the later one,
        so that the times of all stages are that of the run.
    """

    progress: Progress | None
    stages: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    _last: Stage | None = None
    _running: str = ""
    _earlier: float = 0.0
    _written: int = 0
    _lap: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.process_time()))

    @property
    def seconds(self) -> float:
        """Since the clock was made, and of the stages that earlier processes did."""
        return round(self._earlier + time.perf_counter() - self.started, 3)

    def resumed(self, name: str, timed: dict[str, Any]) -> None:
        """Take over a stage that an earlier process did: its entry in `stages`."""
        self._earlier += timed["seconds"]
        self.stages.append(timed)
        self._pass_on(Stage(name, 1, 1, "", note="done before", ended=True))

    def tell(
        self, name: str, done: int = 0, total: int | None = None, *, unit: str = "", note: str = ""
    ) -> None:
        """Pass on how far a stage is."""
        self._last = Stage(name, done, total, unit, note)
        self._pass_on(self._last)

    def count(self, done: int, total: int | None = None, *, unit: str) -> None:
        """Pass on how far the stage that runs is."""
        self.tell(self._running, done, total, unit=unit)

    def wrote(self, n_bytes: int) -> None:
        """Note the bytes of files that the stage that runs leaves behind."""
        self._written += n_bytes

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what is done inside; its last count becomes the total."""
        self._running, self._written = name, 0
        self.tell(name)
        with PeakMemory() as memory:
            yield
        last = self._last
        if last is not None and last.name == name and last.unit:
            self._pass_on(Stage(name, last.done, last.done, last.unit, ended=True))
        else:
            self._pass_on(Stage(name, 1, 1, "", ended=True))
        (since, used), self._lap = self._lap, (time.perf_counter(), time.process_time())
        self.stages.append(
            {
                "stage": name,
                "seconds": round(self._lap[0] - since, 3),
                "cpu_seconds": round(self._lap[1] - used, 3),
                "peak_memory_mib": memory.mib,
                "written_bytes": self._written,
            }
        )

    def _pass_on(self, stage: Stage) -> None:
        if self.progress is not None:
            self.progress(stage)
