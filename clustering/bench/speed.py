"""What a run takes at growing sizes, and what other finders take on the same prompts.

Each is measured in a process of its own. A log of each size is simulated and stays in the folder of the bench
with what was measured on it, a JSON file each: a bench that is killed goes on there. Finders begin with the
smallest size; one that passes the limit, or what memory there is, is not tried at a larger one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clustering.durable import write_json
from clustering.measured_run import RUN, in_own_process
from clustering.own_process import OutOfMemoryError, OwnProcessError, call
from clustering.run_directory import exclusive
from embedder import default_cache_dir, load_encoder

from .finders import FINDERS, Finder, fast_hdbscan, hdbscan
from .place import take_place
from .section import Section, markdown
from .speed_tables import DONE, MeasuredSize, speed_sections
from .timed import LOG, TRUTH, find, judge, judge_run, prepare, write_log

RIVALS: Mapping[str, Finder] = {"hdbscan": hdbscan, "fast_hdbscan": fast_hdbscan, **FINDERS}
REPORT = "speed.md"
SIZES = (100_000, 300_000, 1_000_000)
_COMPILED = 2_000  # requests of the run before the first that is measured
_SCRATCH = ".scratch-"
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class SpeedSettings:
    """Settings of a bench of speed.

    Parameters
    ----------
    sizes : requests of the logs; in any order.
    seed : of the logs, and of finders that draw.
    threads : of runs and finders; None takes all that are free.
    rivals : whether other finders are measured.
    limit : seconds that the process of a finder may take.
    """

    sizes: tuple[int, ...] = SIZES
    seed: int = 0
    threads: int | None = None
    rivals: bool = True
    limit: float = 600.0

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ValueError("sizes is empty; give at least one number of requests")
        if self.limit <= 0:
            raise ValueError(f"limit={self.limit}: give more than 0 seconds")


OnStep = Callable[[int, int, str], None]


def measure_speed(
    out: Path,
    settings: SpeedSettings | None = None,
    *,
    force: bool = False,
    on_step: OnStep | None = None,
) -> list[Section]:
    """Measure what is missing, and write the tables as ``speed.md``; minutes to hours, on a quiet machine.

    Parameters
    ----------
    out : folder of the bench; made when it is not there.
    settings
    force : measure everything again.
    on_step : told the number of steps that are done, of all, and which is next ("" at the end).

    Raises
    ------
    RunError
        Another bench is at work in `out`.
    ValueError
        `out` holds what another version of Covey, seed, or number of threads or cores made, and not `force`;
        or a run does not fit into the memory.
    """
    settings = settings or SpeedSettings()
    made_with: dict[str, object] = {
        "seed": settings.seed,
        "threads": settings.threads,
        "cores": os.cpu_count(),
    }
    folder = take_place(
        out,
        "sizes",
        settings,
        about="speed.json",
        kept=("*/*.json", "*/*.parquet"),
        force=force,
        made_with=made_with,
    )
    sizes = sorted(set(settings.sizes))
    bench = _Bench(settings, _Steps(len(sizes) * (2 + settings.rivals * len(RIVALS)), on_step), {})
    with exclusive(folder):
        measured = [bench.measure(folder / str(size), size) for size in sizes]
    bench.steps.end()
    sections = speed_sections(measured, seed=settings.seed, threads=settings.threads, cores=os.cpu_count())
    (out / REPORT).write_text(markdown(sections), encoding="utf-8")
    return sections


@dataclass
class _Steps:
    """Tells how far a bench is."""

    total: int
    on_step: OnStep | None
    done: int = 0

    def begin(self, name: str, size: int) -> None:
        self._tell(self.done, f"{name}, {size:,} requests")
        self.done += 1

    def end(self) -> None:
        self._tell(self.total, "")

    def _tell(self, done: int, what: str) -> None:
        if self.on_step:
            self.on_step(done, self.total, what)


@dataclass
class _Bench:
    """A bench at work; `stopped` says of finders that failed how, and where."""

    settings: SpeedSettings
    steps: _Steps
    stopped: dict[str, str]
    compiled: bool = False

    def measure(self, place: Path, size: int) -> MeasuredSize:
        """Everything at one size, whose folder is `place`."""
        place.mkdir(exist_ok=True)
        for left in place.glob(f"{_SCRATCH}*"):  # by a bench that was killed
            shutil.rmtree(left)
        self.steps.begin("log", size)
        log = _kept(place / "log.json", lambda: call(write_log, size, self.settings.seed, str(place)))
        self.steps.begin("Covey", size)
        covey = _kept(place / "covey.json", lambda: self._covey(place, size))
        rivals = {}
        with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}vectors-", dir=place) as scratch:
            for name in RIVALS if self.settings.rivals else ():
                self.steps.begin(name, size)
                rivals[name] = self._rival(name, place, Path(scratch))
                if rivals[name]["outcome"] not in (DONE, "not installed"):
                    self.stopped.setdefault(name, f"{rivals[name]['outcome']} at {size:,}")
        return MeasuredSize(size, log, covey, rivals)

    def _covey(self, place: Path, size: int) -> dict[str, Any]:
        load_encoder()  # distilled before anything is measured
        try:
            if not self.compiled:
                with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}compiling-", dir=place) as scratch:
                    call(write_log, _COMPILED, self.settings.seed, scratch)
                    self._run(Path(scratch))
                self.compiled = True
            return self._run(place)
        except OutOfMemoryError:
            raise ValueError(
                f"a run of {size:,} requests does not fit into this machine's memory; leave that size out"
            ) from None

    def _run(self, place: Path) -> dict[str, Any]:
        """Run the log in a folder, measured, and judge the run."""
        with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}run-", dir=place) as scratch:
            folder = Path(scratch) / "measured"
            threads = self.settings.threads
            made = in_own_process(place / LOG, folder, encoder_cache=default_cache_dir(), threads=threads)
            judged: dict[str, Any] = call(judge_run, str(folder / RUN), str(place / TRUTH))
            return asdict(made) | judged

    def _rival(self, name: str, place: Path, scratch: Path) -> dict[str, Any]:
        """What was measured of a finder at a size, with its ``outcome``."""
        if find_spec(name) is None:
            return {"outcome": "not installed"}
        file, limit = place / f"{name}.json", self.settings.limit
        kept = _read(file)
        if kept is not None and (kept["outcome"] == DONE or kept["limit"] >= limit):
            return kept
        if name in self.stopped:
            return {"outcome": f"not tried: {self.stopped[name]}"}
        if not (scratch / "vectors.npy").is_file():
            call(prepare, str(place / LOG), str(scratch))
        finder, threads = RIVALS[name], self.settings.threads
        environment = dict.fromkeys(_THREADS, str(threads)) if threads else {}
        arguments = (finder.__module__, finder.__name__, str(scratch), self.settings.seed)
        try:
            taken = call(find, *arguments, limit=limit, environment=environment)
        except OwnProcessError as error:
            found: dict[str, Any] = {"outcome": str(error), "limit": limit}
        else:
            found = {"outcome": DONE, "limit": limit} | taken | call(judge, str(place / TRUTH), str(scratch))
        if not found["outcome"].startswith("failed"):  # what failed may be mended, and is tried again
            write_json(file, found)
        return found


def _kept(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is in a file, made where it is not there."""
    found = _read(file)
    if found is None:
        found = make()
        write_json(file, found)
    return found


def _read(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
