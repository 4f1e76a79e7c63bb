"""What a run costs on this machine: simulated logs of several sizes and shapes are run, each in a process of
its own, and the coefficients of ``clustering.costs`` fitted to what they took.

Simulated logs alone cannot tell what a request costs from what a distinct prompt or its bytes cost, for all
grow together: one log has few texts that come back, and two have long ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from clustering.costs import STAGES, TERMS, Costs, fit_costs
from clustering.measured_run import MeasuredRun, in_own_process
from clustering.simulation import SimulationSettings, simulate
from embedder import default_cache_dir, load_encoder, time_shingles

SIZES = (5_000, 20_000, 80_000, 300_000)  # requests of the simulated logs
_TEXTS_REPEATED = 40  # one in so many texts is kept where all come back
_LONG_CHARS = 2_500


def measure_costs(
    *,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    threads: int | None = None,
    on_run: Callable[[int, int, str], None] | None = None,
) -> Costs:
    """Run logs and fit their costs; takes some minutes, and a quiet machine.

    Parameters
    ----------
    sizes
        Requests of the simulated logs, at least two, ascending.
    seed
        Of the logs.
    threads
        Of the runs; None takes all that are free.
    on_run
        Told before each run, and at the end, how many are done, of how many, and which comes next.
    """
    load_encoder()  # distilled before anything is measured
    with tempfile.TemporaryDirectory(prefix="covey-costs-") as made:
        folder = Path(made)
        logs = list(_write_logs(folder, sizes, seed=seed))
        runs = []
        # The first log is run twice: what the first time takes longer is the compiling.
        for number, log in enumerate([logs[0], *logs]):
            if on_run is not None:
                on_run(number, len(logs) + 1, log.stem)
            runs.append(
                in_own_process(
                    log,
                    folder / f"run-{number}",
                    encoder_cache=default_cache_dir(),
                    numba_cache=folder / "compiled",
                    threads=threads,
                )
            )
        if on_run is not None:
            on_run(len(runs), len(runs), "")
        texts = pl.read_parquet(logs[0])["prompt"].unique(maintain_order=True)
    cold, *warm = runs
    compiling = max(0.0, sum(cold.seconds.values()) - sum(warm[0].seconds.values()))
    return fit_costs(
        [each.size for each in warm],
        {name: [quantity(each, name) for each in warm] for name in TERMS},
        seconds_per_mib=float(f"{time_shingles(texts):.4g}"),
        compiling=round(compiling, 1),
    )


def quantity(measured: MeasuredRun, name: str) -> float:
    """A quantity of ``TERMS`` as a run showed it."""
    if name in STAGES:
        return measured.seconds[name]
    if name == "run directory":
        return measured.run_bytes / (1 << 20)
    if name == "encoded":
        return measured.n_encoded / 1000
    if name == "memory of views":
        return measured.peak_mib["views"] - measured.size.tables_mib
    return max(peak for stage, peak in measured.peak_mib.items() if stage != "views")


def _write_logs(folder: Path, sizes: Sequence[int], *, seed: int) -> Iterator[Path]:
    made = [simulate(SimulationSettings(n_requests=n), seed=seed).requests for n in sizes]
    shapes = {f"simulated-{n}": log for n, log in zip(sizes, made, strict=True)}
    shapes["repeated"] = _repeated(made[-2], np.random.default_rng(seed))
    for n, log in zip(sizes[:2], made[:2], strict=True):
        shapes[f"long-{n}"] = _lengthened(log, np.random.default_rng(seed))
    for name, log in shapes.items():
        path = folder / f"{name}.parquet"
        log.write_parquet(path)
        yield path


def _repeated(log: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The same requests with few texts, some much commoner than others."""
    texts = log["prompt"].unique(maintain_order=True)
    texts = texts.gather_every(_TEXTS_REPEATED)
    shares = 1 / np.arange(1, len(texts) + 1)
    drawn = rng.choice(len(texts), size=log.height, p=shares / shares.sum())
    return log.drop("messages").with_columns(prompt=texts.gather(drawn))


def _lengthened(log: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Each prompt followed by others, up to a length."""
    texts = log["prompt"].to_list()
    mean = sum(map(len, texts)) / len(texts)
    n = max(1, round(_LONG_CHARS / mean))
    drawn = rng.integers(len(texts), size=(len(texts), n))
    long = ["\n".join([text, *(texts[i] for i in row)]) for text, row in zip(texts, drawn, strict=True)]
    return log.drop("messages").with_columns(prompt=pl.Series(long))
