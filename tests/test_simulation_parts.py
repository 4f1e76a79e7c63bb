"""The simulator's parts: settings, grammars, people, queues, loads, files."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clustering.simulation import CampaignPlan, SimulationSettings, simulate, write_simulation
from clustering.simulation.accounts import make_people, make_world
from clustering.simulation.dispatch import shares_of
from clustering.simulation.filling import fill
from clustering.simulation.grammar import LANGUAGES, make_grammar, read_language
from clustering.simulation.schedule import people_times

NOTHING = SimulationSettings(n_requests=2_000, campaigns=(), lookalikes=())
FEW = replace(NOTHING, n_requests=50)
FILES = ["requests.parquet", "simulation.json", "truth.parquet"]


def test_people_keep_to_their_subjects_and_hours() -> None:
    world = make_world(NOTHING)
    rng = np.random.default_rng(0)
    people = make_people(world, 200, rng=rng)
    who = np.repeat(np.arange(200), 20)
    times = people_times(world, people, who, rng=rng)
    local_hour = (times / 3.6e9 + people.zone[who]) % 24
    evening = people.hours[who] == 1
    assert ((local_hour[evening] > 2) & (local_hour[evening] < 7)).mean() < 0.08
    assert (np.diff(people.cell_cumulated, axis=1) >= 0).all()


def test_loads() -> None:
    rng = np.random.default_rng(0)
    assert np.ptp(np.bincount(shares_of(1000, 30, loads="equal", rng=rng))) <= 1
    skewed = np.bincount(shares_of(3000, 30, loads="skewed", rng=rng), minlength=30)
    poisson = np.bincount(shares_of(3000, 30, loads="poisson", rng=rng), minlength=30)
    assert skewed.var() > 10 * poisson.var()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n_requests": -1}, "n_requests=-1"),
        ({"days": 0}, "days=0"),
        ({"campaigns": ("nonsense",)}, "'nonsense'"),
        ({"campaigns": ("grid", CampaignPlan("grid"))}, "twice"),
        ({"lookalikes": ("trace",)}, "'trace'"),
        ({"lookalikes": ("classroom", "classroom")}, "twice"),
        ({"languages": ()}, "languages"),
        ({"languages": ("tlh",)}, "'tlh'"),
        ({"campaign_share": 1.5}, "campaign_share=1.5"),
        ({"requests_per_account": 0.0}, "requests_per_account=0.0"),
        ({"start": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SimulationSettings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schedule": "never"}, "schedule .* 'never'"),
        ({"loads": "odd"}, "loads .* 'odd'"),
        ({"mixing": 1.0}, "mixing=1"),
        ({"pools": 0}, "pools=0"),
        ({"disguises": ("wig",)}, "disguises .* 'wig'"),
        ({"disguises": ("case", "case")}, "twice"),
        ({"language": "fr"}, "language .* 'fr'"),
        ({"payload_language": "tlh"}, "payload_language .* 'tlh'"),
        ({"plain": 0.7, "relayed": 0.4}, r"plain \+ relayed"),
        ({"group": "a/b"}, "group='a/b'"),
    ],
)
def test_wrong_plans_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        CampaignPlan("grid", **changes)  # type: ignore[arg-type]


def test_a_log_without_room_is_refused() -> None:
    crowded = SimulationSettings(n_requests=100, campaign_share=None)
    with pytest.raises(ValueError, match=r"n_requests=100; raise it"):
        simulate(crowded, seed=0)


def test_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    simulation = simulate(FEW, seed=0)
    write_simulation(FEW, tmp_path / "a" / "b", seed=0)
    folder = tmp_path / "a" / "b"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert pl.read_parquet(folder / "requests.parquet").equals(simulation.requests)
    assert pl.read_parquet(folder / "truth.parquet").equals(simulation.truth)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="is a file"):
        write_simulation(FEW, file, seed=0)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_what_a_folder_holds_is_replaced_by_force_alone(tmp_path: Path, name: str) -> None:
    simulation = simulate(FEW, seed=0)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=rf"{tmp_path}: holds {name}.*--out.*--force"):
        write_simulation(FEW, tmp_path, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    write_simulation(FEW, tmp_path, seed=0, force=True)
    assert pl.read_parquet(tmp_path / "requests.parquet").equals(simulation.requests)


def test_grammars_are_sound() -> None:
    for language in LANGUAGES:
        for subject, grammar in read_language(language).items():
            for slot in ("prompt", "chat", "macro", "thing", "task", "problem"):
                texts = fill(grammar, slot, 20, rng=np.random.default_rng(0))
                assert all(texts), (language, subject, slot)
                assert not any("{" in text and "}" in text and "def" not in text for text in texts)
    with pytest.raises(ValueError, match="nowhere"):
        make_grammar({"a": ["x {nowhere}"]})
    with pytest.raises(ValueError, match="no phrases"):
        make_grammar({"a": []})
    with pytest.raises(ValueError, match="'xx'"):
        read_language("xx")


def test_fill_keeps_rows_apart_and_numbers_inside() -> None:
    grammar = make_grammar({"pair": ["{x}-{x}", "100% {3..5}"], "x": ["a", "b", "c"]})
    texts = fill(grammar, "pair", 500, rng=np.random.default_rng(1)).tolist()
    assert set(texts) == {f"{a}-{b}" for a in "abc" for b in "abc" if a != b} | {
        f"100% {n}" for n in (3, 4, 5)
    }
    shifted = fill(grammar, "x", 400, rng=np.random.default_rng(1), shift=np.full(400, 1, dtype=np.int64))
    assert np.unique(shifted, return_counts=True)[1].argmax() == 1  # the favourite moved from "a" to "b"
