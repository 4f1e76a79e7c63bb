"""What a run would read, take and need, before anything is done.

A plan reads a sample of the logs (``embedder.reading.sampling``), writes nothing, and predicts:

- rows: as the sample tells them, exact for Parquet and for logs that are read whole;
- distinct prompts and accounts: from the sample's, see ``clustering.unseen``;
- seconds: reading is timed on the sample; every other stage is a sum of measured coefficients
  (``clustering.costs``) times how much slower this machine counts shingles than that of the measurement.
  They are seconds of one processor: on a quiet machine the wall clock shows no more, and less where a stage
  works on several at once. An encoder that is not the static one is loaded, and timed on texts of
  the sample on one thread;
- memory: the largest of any stage, as ``clustering.peak_memory`` has it. A prediction, no bound;
- disk: the run directory, the working folder beside it, and the encoder's vectors in the cache.

The aim is a factor of two for each. What is there already (vectors of the same texts) would make a run
cheaper and is not looked for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from clustering.costs import STAGES, Costs, LogSize, load_costs, packed_share
from clustering.coverage import read_library
from clustering.density import is_compiled
from clustering.memory import table_bytes
from clustering.registry import load_registry
from clustering.run_directory import check_place, resolved
from clustering.run_settings import RunSettings
from clustering.unseen import estimate_distinct
from embedder import (
    LogError,
    LogSample,
    load_encoder,
    normalise,
    redacted,
    sample_logs,
    static_encoder_is_ready,
    time_shingles,
    whole_texts,
    within_period,
)

_DISTILLING = 30.0  # seconds, on the machine of the packaged costs
_N_TIMED = 48  # texts that an encoder is timed on


@dataclass(frozen=True)
class Plan:
    """What a run would read, take and need.

    Attributes
    ----------
    n_files, n_bytes
        Of the logs.
    n_rows, rows_are_exact
        Rows of the logs, and whether their number is known.
    n_sampled, is_whole
        Rows that this plan read, and whether these are all.
    rejected_share
        Of the rows read, in [0, 1].
    n_prompts, n_accounts
        Distinct ones among all usable rows.
    mean_text_bytes
        Of a distinct prompt, its system prompt included.
    seconds
        Pairs (stage, seconds of one processor), in the order of a run; see the module.
    once
        Pairs (what, seconds) that the first run on a machine takes longer.
    memory_mib
        Peak memory; see the module.
    disk
        Pairs (what, bytes).
    slowness
        Seconds here for one on the machine that the costs were measured on.
    """

    n_files: int
    n_bytes: int
    n_rows: int
    rows_are_exact: bool
    n_sampled: int
    is_whole: bool
    rejected_share: float
    n_prompts: int
    n_accounts: int
    mean_text_bytes: float
    seconds: tuple[tuple[str, float], ...]
    once: tuple[tuple[str, float], ...]
    memory_mib: float
    disk: tuple[tuple[str, float], ...]
    slowness: float

    @property
    def total_seconds(self) -> float:
        """Of all stages, without what is done once."""
        return sum(seconds for _, seconds in self.seconds)

    @property
    def total_disk(self) -> float:
        """Bytes of everything that is written."""
        return sum(size for _, size in self.disk)


def plan(
    logs: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    settings: RunSettings | None = None,
    costs: Costs | None = None,
) -> Plan:
    """Predict what ``run`` with the same arguments would take; see the module.

    Parameters
    ----------
    logs
        As for ``run``.
    out
        Run directory that a run would make: checked, not made. None checks nothing.
    settings
        Of the run.
    costs
        None takes those measured on this machine, else the packaged ones.

    Returns
    -------
    Plan
        The same for the same logs and settings but for what is timed: seconds and slowness.

    Raises
    ------
    embedder.LogError, RunError, ValueError
        As ``run`` does for paths, columns, `out` in the way, settings, registry, patterns and encoder; for
        rows, only where no usable one is among those looked at.
    """
    settings, costs = settings or RunSettings(), costs or load_costs()
    if out is not None:
        check_place(resolved(Path(out)), force=settings.force)
    load_registry(settings.registry)
    read_library(settings.patterns)
    sample, prompts, reading = _read(logs, settings)
    times = max(1.0, sample.n_rows / sample.n_sampled)
    whole = whole_texts(prompts["system_text"], prompts["text"])
    size = _size(sample, prompts, whole, times=times, memory=settings.memory)
    slowness = time_shingles(whole) / costs.seconds_per_mib
    encoding, vector_bytes = _encoding(settings, whole)
    n_encoded = 1000 * costs.of("encoded", size)
    start, *stages = ((name, costs.of(name, size) * slowness) for name in STAGES)
    encoded = [("encoding", encoding * n_encoded)] if encoding else []
    return Plan(
        sample.n_files,
        sample.n_bytes,
        sample.n_rows,
        sample.is_exact,
        sample.n_sampled,
        sample.is_whole,
        sample.n_rejected / sample.n_sampled,
        n_prompts=round(size.prompts),
        n_accounts=round(_n_distinct(sample.accepted.select("account_id", "piece"), times)),
        mean_text_bytes=size.text_bytes / size.prompts,
        seconds=(start, ("read logs", reading * times), *stages, *encoded),
        once=_once(costs, settings, slowness),
        memory_mib=costs.memory_mib(size),
        disk=_disk(costs, size, vector_bytes * n_encoded),
        slowness=slowness,
    )


def _disk(costs: Costs, size: LogSize, vector_bytes: float) -> tuple[tuple[str, float], ...]:
    return (
        ("run directory", (1 << 20) * costs.of("run directory", size)),
        ("working folder", working_bytes(size)),
        ("vectors in the cache", vector_bytes),
    )


def working_bytes(size: LogSize) -> float:
    """Bytes of what stages hand on while a run goes on (``clustering.checkpoints``), beside its directory.

    A counter per slot of the shingle table; the texts, packed, as sent and as seen; the vectors of both
    views; and what a request is known by. The table grows in steps of two, which is most of the error.
    """
    return (
        4 * size.table_slots
        + size.text_bytes * 4 * size.packed_share
        + 600 * size.prompts
        + 40 * size.requests
    )


def _read(
    logs: str | Path | Sequence[str | Path], settings: RunSettings
) -> tuple[LogSample, pl.DataFrame, float]:
    """A sample, the distinct prompts in it, and the CPU seconds that both took."""
    started = time.process_time()
    sample = sample_logs(logs, columns=dict(settings.columns))
    accepted = within_period(sample.accepted, settings.since, settings.until)
    if not accepted.height:
        raise LogError(
            f"no usable record among {sample.n_sampled:,}; check the logs, the columns and the period "
            "(without --plan, a run names the first bad rows)"
        )
    if settings.redact:
        texts = (redacted(accepted[name]) for name in ("system_prompt", "prompt"))
        accepted = accepted.with_columns(*texts)
    prompts = _distinct_prompts(accepted)
    return replace(sample, accepted=accepted), prompts, time.process_time() - started


def _distinct_prompts(accepted: pl.DataFrame) -> pl.DataFrame:
    """``system_text``, ``text`` (normal forms, as in a corpus) and ``pieces``, the places it was seen in."""
    raw = accepted.group_by("system_prompt", "prompt", maintain_order=True).agg("piece")
    normal = raw.select(
        "piece",
        system_text=normalise(raw["system_prompt"]).fill_null(""),
        text=normalise(raw["prompt"]),
    )
    seen = normal.explode("piece").group_by("system_text", "text", maintain_order=True)
    return seen.agg(pieces=pl.col("piece").n_unique())


def _n_distinct(rows: pl.DataFrame, times: float) -> float:
    """Distinct values of the first column in logs `times` as large; the second is the place of a row."""
    name, place = rows.columns
    return estimate_distinct(rows.group_by(name).agg(pl.col(place).n_unique())[place], times=times)


def _size(
    sample: LogSample, prompts: pl.DataFrame, whole: pl.Series, *, times: float, memory: int
) -> LogSize:
    n_prompts = estimate_distinct(prompts["pieces"], times=times)
    lengths = prompts.select(
        all=pl.col("text").str.len_bytes().cast(pl.Int64) + pl.col("system_text").str.len_bytes(),
        seen=whole.str.len_bytes(),
    ).mean()
    return LogSize(
        requests=sample.accepted.height * times,
        prompts=n_prompts,
        text_bytes=lengths["all"].item() * n_prompts,
        seen_bytes=lengths["seen"].item() * n_prompts,
        packed_share=packed_share(whole),
        table_bytes=table_bytes(memory),
    )


def _encoding(settings: RunSettings, whole: pl.Series) -> tuple[float, int]:
    """CPU seconds that a text takes on one thread, and bytes of its vector in the cache.

    Both 0 for the static encoder: what it takes is in the stages, and it caches nothing.
    """
    if settings.encoder == "static":
        return 0.0, 0
    # Several threads wait for each other, spinning, where others run too: their time would say nothing.
    encoder = load_encoder(settings.encoder, threads=1)
    texts = whole.gather_every(max(1, len(whole) // _N_TIMED)).head(_N_TIMED).to_list()
    encoder.encode(texts[:1])
    started = time.process_time()
    encoder.encode(texts)
    return (time.process_time() - started) / len(texts), _vector_bytes(encoder.dim)


def _vector_bytes(dim: int) -> int:
    """In half precision, with the text's key and a checksum; see ``embedder.vector_cache``."""
    return 2 * dim + 24


def _once(costs: Costs, settings: RunSettings, slowness: float) -> tuple[tuple[str, float], ...]:
    """What only the first run on a machine does."""
    found = []
    if settings.encoder == "static" and not static_encoder_is_ready():
        found.append(("distilling the encoder", _DISTILLING * slowness))
    if not is_compiled():
        found.append(("compiling", costs.compiling * slowness))
    return tuple(found)
