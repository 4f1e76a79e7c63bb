"""The stages of a run as they pass: told to whoever watches, timed for the manifest."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
    """Seconds of each stage and the peak memory of the process by its end, told as they pass."""

    progress: Progress | None
    stages: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    _last: Stage | None = None
    _running: str = ""
    _earlier: float = 0.0

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

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside; its last count becomes the total."""
        started = time.perf_counter()
        self._running = name
        self.tell(name)
        yield
        last = self._last
        if last is not None and last.name == name and last.unit:
            self._pass_on(Stage(name, last.done, last.done, last.unit, ended=True))
        else:
            self._pass_on(Stage(name, 1, 1, "", ended=True))
        seconds = round(time.perf_counter() - started, 3)
        self.stages.append(
            {"stage": name, "seconds": seconds, "peak_memory_so_far_mib": peak_memory_so_far_mib()}
        )

    def _pass_on(self, stage: Stage) -> None:
        if self.progress is not None:
            self.progress(stage)


def peak_memory_so_far_mib() -> int | None:
    """Largest resident size of the process so far; None where the system does not tell."""
    status = Path("/proc/self/status")
    told = status.read_text(encoding="utf-8").partition("VmHWM:")[2] if status.is_file() else ""
    if told:  # Linux, whose getrusage begins with the peak of whoever started the process
        return int(told.split()[0]) >> 10
    try:
        import resource
    except ImportError:
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
