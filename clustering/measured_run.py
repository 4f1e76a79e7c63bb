"""A run that is measured: what its manifest says of each stage, with what was before it, and what it encoded.

Memory that a process once had from the system stays in it: measure each run in one of its own, as
``in_own_process`` does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.costs import LogSize, packed_share
from clustering.own_process import call
from clustering.pipeline import run
from clustering.results import Run
from clustering.run_settings import RunSettings
from embedder import Encoder, embed, load_encoder, whole_texts

RUN = "run"  # the run directory in the folder of a measured run


@dataclass(frozen=True)
class MeasuredRun:
    """What a run took.

    Attributes
    ----------
    size
        Of its log.
    seconds, elapsed
        By stage: CPU seconds, user and system, and those on the clock; "start" is all before the logs are
        read.
    peak_mib
        Peak memory while each stage ran (``clustering.peak_memory``).
    rows, written_bytes
        By stage: what it worked on (0: no rows), and the bytes of the files that it left.
    units
        By stage, what its rows are: a count of the manifest; "" where it has none.
    run_bytes
        Of the run directory.
    n_encoded
        Texts whose vectors were made, nothing cached.
    """

    size: LogSize
    seconds: dict[str, float]
    elapsed: dict[str, float]
    peak_mib: dict[str, int]
    rows: dict[str, int]
    units: dict[str, str]
    written_bytes: dict[str, int]
    run_bytes: int
    n_encoded: int


def in_own_process(
    log: Path,
    folder: Path,
    *,
    encoder_cache: Path,
    numba_cache: Path | None = None,
    threads: int | None = None,
) -> MeasuredRun:
    """Run a log in a fresh process, with no vectors cached, and measure it.

    Parameters
    ----------
    log
        Request log.
    folder
        For the run directory ``RUN`` and the vectors; made.
    encoder_cache
        Cache folder in which the static encoder lies distilled, or will.
    numba_cache
        Where compiled loops lie; an empty folder has them compiled, and measured, too. None takes where they
        always lie.

    Raises
    ------
    clustering.own_process.OwnProcessError
        The run failed.
    """
    folder.mkdir(parents=True)
    environment = {"COVEY_CACHE": str(folder)}
    environment |= {"NUMBA_CACHE_DIR": str(numba_cache)} if numba_cache else {}
    places = (str(log), str(folder), str(encoder_cache))
    found = call(measure, *places, threads, time.time(), environment=environment)
    return MeasuredRun(**{**found, "size": LogSize(**found["size"])})


def measure(log: str, folder: str, encoder_cache: str, threads: int | None, started: float) -> dict[str, Any]:
    """The fields of a ``MeasuredRun`` of this process, which must be fresh; `started` is its Unix time."""
    encoder = _Counting(load_encoder(threads=threads, cache_dir=Path(encoder_cache)))
    out = Path(folder) / RUN
    before = {"seconds": time.process_time(), "elapsed": time.time() - started}
    made = run(log, out, settings=RunSettings(threads=threads), encoder=encoder)
    stages = made.manifest["stages"]
    names = ["start", *(stage["stage"] for stage in stages[1:])]  # the first one loads the encoder

    def by_stage(field: str, none: Any = None) -> dict[str, Any]:
        found = (none if stage[field] is None else stage[field] for stage in stages)
        return dict(zip(names, found, strict=True))

    seconds, elapsed = by_stage("cpu_seconds"), by_stage("seconds")
    seconds["start"] += before["seconds"]
    elapsed["start"] += before["elapsed"]
    return asdict(
        MeasuredRun(
            size=_size(made),
            seconds=seconds,
            elapsed=elapsed,
            peak_mib=by_stage("peak_memory_mib", 0),
            rows=by_stage("rows", 0),
            units=by_stage("unit", ""),
            written_bytes=by_stage("written_bytes"),
            run_bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
            n_encoded=encoder.n_texts,
        )
    )


class _Counting:
    """An encoder that counts its distinct texts: what another one, whose vectors are cached, would encode."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.fingerprint, self.dim = encoder.fingerprint, encoder.dim
        self._seen = [np.zeros(0, np.uint64)]

    @property
    def n_texts(self) -> int:
        return len(np.unique(np.concatenate(self._seen)))

    def encode(self, texts: Sequence[str] | pl.Series) -> NDArray[np.float32]:
        """Count and encode."""
        out = np.empty((len(texts), self.dim), np.float16)
        self.encode_into(texts, out)
        return out.astype(np.float32)

    def encode_into(self, texts: Sequence[str] | pl.Series, out: NDArray[np.float16]) -> None:
        """Count and encode, uncached, as the encoder itself is called."""
        self._seen.append(pl.Series(texts, dtype=pl.String).hash().unique().to_numpy())
        embed(texts, self._encoder, out=out)


def _size(made: Run) -> LogSize:
    counts = made.manifest["counts"]
    prompts = made.prompts.select(pl.col("system_prompt").fill_null(""), "prompt")
    whole = whole_texts(prompts["system_prompt"], prompts["prompt"])
    return LogSize(
        requests=counts["requests"],
        prompts=counts["prompts"],
        text_bytes=float(sum(column.str.len_bytes().sum() for column in prompts)),
        seen_bytes=float(whole.str.len_bytes().sum()),
        packed_share=packed_share(whole),
    )
