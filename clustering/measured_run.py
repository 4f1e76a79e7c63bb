"""A run that is measured: processor time and peak memory of each stage, what it wrote and encoded.

Peak memory belongs to a process: measure each run in one of its own, as ``in_own_process`` does.
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
from clustering.stages import Stage, peak_memory_so_far_mib
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
        read. What is done between two stages counts for the later one.
    peak_mib
        Peak resident size by the end of each stage.
    run_bytes
        Of the run directory.
    n_encoded
        Texts whose vectors were made, nothing cached.
    """

    size: LogSize
    seconds: dict[str, float]
    elapsed: dict[str, float]
    peak_mib: dict[str, int]
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
    seconds: dict[str, float] = {}
    elapsed: dict[str, float] = {}
    peaks: dict[str, int] = {}

    def tell(stage: Stage) -> None:
        if stage.ended:
            name = "start" if stage.name == "load encoder" else stage.name
            seconds[name] = round(time.process_time() - sum(seconds.values()), 4)
            elapsed[name] = round(time.time() - started - sum(elapsed.values()), 4)
            peaks[name] = peak_memory_so_far_mib() or 0

    encoder = _Counting(load_encoder(threads=threads, cache_dir=Path(encoder_cache)))
    out = Path(folder) / RUN
    made = run(log, out, settings=RunSettings(threads=threads), encoder=encoder, progress=tell)
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return asdict(MeasuredRun(_size(made), seconds, elapsed, peaks, written, encoder.n_texts))


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
