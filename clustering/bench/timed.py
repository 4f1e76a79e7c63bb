"""What the bench of speed does in processes of their own: logs, vectors, one finder, and judging.

Each function takes and returns what JSON can hold; arrays pass through a folder: ``vectors.npy`` (m, d)
float32 and ``prompts.parquet`` of the m distinct prompts, ``places.npy`` (n,) int64 of the requests' prompts,
and ``labels.npy`` (m,) int64 of what was found last.
"""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from clustering.durable import read_parquet
from clustering.evaluation import evaluate
from clustering.evenly import evenly
from clustering.peak_memory import PeakMemory
from clustering.results import load_run
from clustering.simulation import SimulationSettings, write_simulation
from embedder import embed, load_encoder

from .finders import judged
from .vectors import distinct_prompts

LOG, TRUTH = "requests.parquet", "truth.parquet"
_TRIED = 2_000  # prompts on which a finder is tried before it is timed


def write_log(n_requests: int, seed: int, folder: str) -> dict[str, Any]:
    """Simulate the default world at a size into a folder, and say what its requests are like.

    Returns
    -------
    ``requests``, ``accounts``, and ``mean_chars`` and ``mean_tokens`` of a request's prompt, as the log's
    manifest says them.
    """
    said = write_simulation(SimulationSettings(n_requests=n_requests), folder, seed=seed, force=True)
    return {
        "requests": said["n_requests"],
        "accounts": said["n_accounts"],
        "mean_chars": said["mean_characters_of_prompt"],
        "mean_tokens": said["mean_tokens_of_prompt"],
    }


def judge_run(run_dir: str, truth: str) -> dict[str, Any]:
    """``families``, ``mean_f1``, ``plain_f1``, ``average_precision`` and ``realised_fdr`` of a run."""
    made = load_run(run_dir)
    found = evaluate(made.assignments, made.families, read_parquet(Path(truth)), requests=made.assignments)
    names = ("mean_f1", "plain_f1", "average_precision", "realised_fdr")
    return {"families": found.n_families, **{name: getattr(found, name) for name in names}}


def prepare(log: str, folder: str) -> int:
    """Lay the vectors of a log's distinct prompts into a folder; how many there are."""
    texts, places = distinct_prompts(read_parquet(Path(log), only=("prompt",)))
    vectors = embed(texts, load_encoder()).astype(np.float32)
    np.save(Path(folder) / "vectors.npy", vectors)
    np.save(Path(folder) / "places.npy", places)
    texts.alias("prompt").to_frame().write_parquet(Path(folder) / "prompts.parquet")
    return len(texts)


def find(module: str, name: str, folder: str, seed: int) -> dict[str, Any]:
    """Time a finder, after it was tried on some of the prompts, so that what it compiles does not count.

    Returns
    -------
    ``seconds`` on the clock, ``cpu_seconds``, and ``peak_mib``, the peak memory meanwhile.
    """
    finder = getattr(import_module(module), name)
    texts = read_parquet(Path(folder) / "prompts.parquet")["prompt"]
    vectors = np.load(Path(folder) / "vectors.npy")
    some = evenly(np.arange(len(texts)), _TRIED)
    finder(texts.gather(some), vectors[some], seed)
    started, used = time.perf_counter(), time.process_time()
    with PeakMemory() as memory:
        labels = finder(texts, vectors, seed)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    np.save(Path(folder) / "labels.npy", np.asarray(labels, dtype=np.int64))
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": memory.mib}


def judge(truth: str, folder: str) -> dict[str, Any]:
    """``families``, ``mean_f1`` and ``plain_f1`` of what a finder found."""
    labels = np.load(Path(folder) / "labels.npy")[np.load(Path(folder) / "places.npy")]
    found = pl.Series(labels).cast(pl.String).set(pl.Series(labels < 0), None)
    rows = read_parquet(Path(truth)).with_columns(
        pl.col("kind", "group", "family").cast(pl.String), family_id=found
    )
    return dict(zip(("families", "mean_f1", "plain_f1"), judged(rows), strict=True))
