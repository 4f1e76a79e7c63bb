"""Whole runs on logs without a campaign: nothing is flagged, and a look-alike alone is not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from clustering import RunSettings, run
from clustering.simulation import SimulationSettings, simulate

PEOPLE = SimulationSettings(n_requests=3_000, campaigns=(), campaign_share=None)


def families_of(settings: SimulationSettings, seed: int, folder: Path) -> tuple[pl.DataFrame, pl.Series]:
    """The families of a simulated log, and the kind of each of its requests."""
    made = simulate(settings, seed=seed)
    made.requests.write_parquet(folder / "requests.parquet")
    found = run(folder / "requests.parquet", folder / "run", settings=RunSettings(threads=1))
    return found.families, made.truth["kind"].cast(pl.String)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_log_of_people_and_all_look_alikes_flags_nothing(seed: int, tmp_path: Path) -> None:
    families, kinds = families_of(PEOPLE, seed, tmp_path)
    assert kinds.n_unique() > 10
    assert "campaign" not in kinds.to_list()
    assert families.height >= 5, "there must be something to flag"
    assert families.filter("flagged").is_empty()


@pytest.mark.slow
@pytest.mark.parametrize("look", ["benchmark", "classroom", "viral_templates", "cron_digests"])
def test_a_look_alike_alone_is_found_and_not_flagged(look: str, tmp_path: Path) -> None:
    settings = SimulationSettings(
        n_requests=3_000, campaigns=(), campaign_share=None, lookalikes=(look,), lookalike_share=0.1
    )
    families, kinds = families_of(settings, 1, tmp_path)
    assert kinds.str.starts_with("benign:").sum() >= 100
    assert families.height >= 1
    assert families.filter("flagged").is_empty()
