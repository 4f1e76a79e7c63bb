"""What a run costs: CPU seconds of each stage, memory and disk, as sums of a few terms of a log's size.

Every quantity is a sum of coefficient x term over the few terms that ``TERMS`` allows it. The coefficients
are measured by ``covey bench plan`` (``clustering.bench.costs``), which writes them to the user's cache;
until then those in ``costs.json``, made by the same command, hold. Seconds are of the machine that they were
measured on: ``Costs.seconds_per_mib``, what it takes to count the shingles of a mebibyte of text there,
tells how a second here compares.

Memory is that of ``clustering.peak_memory``, as a run's manifest says it of each stage. A run needs most of
it either in the views, which lay their shingle tables, whose size is known, beside the texts, or in another
stage; the peak is the larger of the two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import zstandard

from clustering.memory import table_bytes
from clustering.pools import MOST_NODES
from clustering.projection import ProjectionSettings
from clustering.run_settings import RunSettings
from embedder import default_cache_dir, table_bits

COSTS = "costs.json"
_PACKAGED = Path(__file__).parent / COSTS
_MIB = 1 << 20
_TABLE_BYTES = table_bytes(RunSettings().memory)  # of the runs that costs are fitted to
_SLOT_BYTES = 12  # texts, principals and the last principal of a slot, while shingles are counted

_PACKED_BYTES, _PACKED_TEXTS = 4 << 20, 20_000  # that are compressed to see how far texts can be

#: Stages whose seconds are fitted, in the order of a run. "start" is imports and the encoder; "read logs" is
#: not here, since a plan times it on the log itself.
STAGES = ("start", "views", "families", "templates", "signals", "campaigns", "tables", "map", "report")

#: Terms of each quantity: see ``LogSize.terms``. Seconds of a stage go by its name.
TERMS: dict[str, tuple[str, ...]] = {
    "start": ("one",),
    "views": ("one", "requests", "seen"),
    "families": ("one", "prompts", "seen"),
    "templates": ("one", "prompts"),
    "signals": ("one", "requests", "prompts"),
    "campaigns": ("one", "pooled"),
    "tables": ("one", "requests", "prompts"),
    "map": ("one", "mapped"),
    "report": ("one", "mapped", "requests"),
    "memory of views": ("one", "requests", "prompts", "text"),
    "memory elsewhere": ("one", "mapped", "requests", "prompts", "text"),
    "run directory": ("one", "requests", "prompts", "mapped", "packed"),
    "encoded": ("one", "prompts"),
}


@dataclass(frozen=True)
class LogSize:
    """How large a log is.

    Attributes
    ----------
    requests, prompts
        Usable rows, and the distinct prompts among them.
    text_bytes, seen_bytes
        Of the distinct prompts: all, and what the views see (``embedder.views`` looks at long ones through
        windows).
    packed_share
        What zstd leaves of the text's bytes, in (0, 1].
    table_bytes
        Bound on one shingle table of the run.
    """

    requests: float
    prompts: float
    text_bytes: float
    seen_bytes: float
    packed_share: float
    table_bytes: int = _TABLE_BYTES

    @property
    def table_slots(self) -> float:
        """Of one shingle table."""
        return 2.0 ** table_bits(int(self.seen_bytes), self.table_bytes)

    def terms(self) -> dict[str, float]:
        """Terms by name: thousands of things, mebibytes of bytes; "one" is what a run costs in any case."""
        return {
            "one": 1.0,
            "requests": self.requests / 1000,
            "prompts": self.prompts / 1000,
            "mapped": min(self.prompts, ProjectionSettings.max_points) / 1000,
            "pooled": min(self.prompts, MOST_NODES) / 1000,
            "text": self.text_bytes / _MIB,
            "seen": self.seen_bytes / _MIB,
            "packed": self.text_bytes * self.packed_share / _MIB,
        }

    @property
    def tables_mib(self) -> float:
        """Of the views' shingle tables while they are counted."""
        return _SLOT_BYTES * self.table_slots / _MIB


@dataclass(frozen=True)
class Costs:
    """Coefficients of every quantity of ``TERMS``, and how they were measured.

    Attributes
    ----------
    measured
        Day, as in 2026-04-01.
    seconds_per_mib
        See ``time_shingles``, on the machine of the measurement.
    compiling
        CPU seconds that the first run of an installation takes longer, to compile its loops.
    coefficients
        By quantity and term: CPU seconds (stages), MiB (memory, run directory), thousands of texts (encoded).
    """

    measured: str
    seconds_per_mib: float
    compiling: float
    coefficients: Mapping[str, Mapping[str, float]]

    def of(self, quantity: str, size: LogSize) -> float:
        """A quantity of ``TERMS`` for a log of this size."""
        terms = size.terms()
        return sum(value * terms[term] for term, value in self.coefficients[quantity].items())

    def memory_mib(self, size: LogSize) -> float:
        """Peak memory."""
        return max(self.of("memory of views", size) + size.tables_mib, self.of("memory elsewhere", size))


def packed_share(texts: pl.Series) -> float:
    """What zstd leaves of the first mebibytes of texts, in (0, 1]; Parquet files are packed by it."""
    data = "\n".join(texts.head(_PACKED_TEXTS)).encode()[:_PACKED_BYTES]
    return min(1.0, len(zstandard.ZstdCompressor().compress(data)) / max(1, len(data)))


def fit_costs(
    sizes: list[LogSize], quantities: Mapping[str, list[float]], *, seconds_per_mib: float, compiling: float
) -> Costs:
    """Costs from measured runs: least squares of relative errors, no coefficient below 0.

    Errors of a stage are relative to the seconds of all stages of its run: a stage that is nothing in one log
    and long in another (campaigns, where there are none) is not fitted to the nothing.

    Parameters
    ----------
    sizes
        (n,) logs that were run.
    quantities
        By name of ``TERMS``: (n,) measured values.
    """
    from scipy.optimize import nnls

    terms = [size.terms() for size in sizes]
    totals = np.sum([quantities[name] for name in STAGES], axis=0)
    coefficients = {}
    for name, allowed in TERMS.items():
        seen = np.array(quantities[name])
        weights = 1 / (totals if name in STAGES else seen)
        matrix = np.array([[row[term] for term in allowed] for row in terms]) * weights[:, None]
        found, _ = nnls(matrix, seen * weights)
        coefficients[name] = {term: float(f"{value:.4g}") for term, value in zip(allowed, found, strict=True)}
    return Costs(time.strftime("%Y-%m-%d", time.gmtime()), seconds_per_mib, compiling, coefficients)


def own_costs() -> Path:
    """Where the costs measured on this machine are kept."""
    return default_cache_dir() / COSTS


def load_costs(path: Path | None = None) -> Costs:
    """The costs in a file; None takes those measured on this machine, else the packaged ones.

    Raises
    ------
    ValueError
        The file does not hold costs of this version.
    """
    path = path or (own_costs() if own_costs().is_file() else _PACKAGED)
    try:
        costs = Costs(**json.loads(path.read_text(encoding="utf-8")))
        whole = all(set(costs.coefficients[name]) == set(terms) for name, terms in TERMS.items())
    except (OSError, TypeError, ValueError, KeyError):
        whole = False
    if not whole:
        raise ValueError(f"{path}: holds no costs of this version; make it anew with `covey bench plan`")
    return costs


def save_costs(costs: Costs, path: Path) -> None:
    """Write costs as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(costs), indent=2) + "\n", encoding="utf-8")
