"""One simulated log, its run and what was held out of it, shared by the tests that look at a whole run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import polars as pl
import pytest

from clustering import Run, run
from clustering.simulation import CAMPAIGNS, SimulationSettings, simulate

# A first example compiles what the others use: no deadline can hold for it.
hypothesis.settings.register_profile("covey", deadline=None)
hypothesis.settings.load_profile("covey")

# Not the user's cache: distilled once for all test runs, and full of simulated prompts' vectors.
os.environ.setdefault("COVEY_CACHE", str(Path(__file__).parent.parent / ".pytest_cache" / "covey"))

N_REQUESTS = 8_000
N_HELD_OUT = 2_000
WRAPPED = tuple(plan for plan in CAMPAIGNS.values() if plan.name != "relay")  # a relay has no text in common


@dataclass(frozen=True)
class Logged:
    """A log on disk, its rows with their truth, what `run` made of it, and rows that it never saw."""

    log: Path
    requests: pl.DataFrame
    held_out: pl.DataFrame
    run: Run


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Traffic with more campaigns and look-alikes than any real log has, so that families abound."""
    folder = tmp_path_factory.mktemp("logged")
    settings = SimulationSettings(
        n_requests=N_REQUESTS, campaigns=WRAPPED, campaign_share=0.15, lookalike_share=0.25
    )
    made = simulate(settings, seed=11)
    rows = made.requests.join(made.truth, on="request_id", maintain_order="left").sample(
        fraction=1, shuffle=True, seed=1
    )
    kept, held_out = rows[N_HELD_OUT:].sort("request_id"), rows[:N_HELD_OUT]
    log = folder / "requests.parquet"
    kept.select(made.requests.columns).write_parquet(log)
    kept.select(made.truth.columns).write_parquet(folder / "truth.parquet")
    return Logged(log, kept, held_out, run(log, folder / "run"))
