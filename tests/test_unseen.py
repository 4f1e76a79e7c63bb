"""Distinct things in a whole, told from a part of it: planted wholes whose number is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.unseen import estimate_distinct

N, N_SAMPLED, N_PIECES = 400_000, 20_000, 40


def sightings(things: NDArray[np.int64], n_sampled: int = N_SAMPLED) -> NDArray[np.int64]:
    """Pieces in which each thing of an evenly spread sample stands."""
    length = n_sampled // N_PIECES
    starts = np.linspace(0, len(things) - length, N_PIECES).astype(int)
    taken = things[starts[:, None] + np.arange(length)]
    pieces = np.repeat(np.arange(N_PIECES), length)
    met = np.unique(np.stack([taken.ravel(), pieces]), axis=1)
    found: NDArray[np.int64] = np.unique(met[0], return_counts=True)[1]
    return found


def drawn(n_things: int, exponent: float, *, seed: int = 1) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, n_things + 1) ** exponent
    return rng.choice(n_things, size=N, p=shares / shares.sum())


def mixed(common: NDArray[np.int64], lone_share: float) -> NDArray[np.int64]:
    """Some rows replaced by things that are there once."""
    rng = np.random.default_rng(2)
    lone = rng.random(N) < lone_share
    return np.where(lone, 10**9 + np.arange(N), common)


WHOLES = {
    "all different": np.arange(N),
    "each twice": np.random.default_rng(0).permutation(np.arange(N) // 2),
    "each five times": np.random.default_rng(0).permutation(np.arange(N) // 5),
    "five in a row": np.arange(N) // 5,
    "sorted, a hundred in a row": np.arange(N) // 100,
    "few, evenly": drawn(2_000, 0.0),
    "many, evenly": drawn(50_000, 0.0),
    "few, by Zipf": drawn(3_000, 1.0),
    "many, by Zipf": drawn(300_000, 1.0),
    "mostly duplicates": mixed(drawn(1_000, 1.0), 0.03),
    "half of them duplicates": mixed(drawn(30_000, 1.0), 0.5),
}


@pytest.mark.parametrize("name", WHOLES)
@pytest.mark.parametrize("n_sampled", [N_SAMPLED, 4 * N_SAMPLED])
def test_planted_numbers_are_met_within_a_factor_of_two(name: str, n_sampled: int) -> None:
    things = WHOLES[name]
    found = estimate_distinct(sightings(things, n_sampled), times=N / n_sampled)
    assert 0.5 < found / len(np.unique(things)) < 2


def test_ten_times_more_of_the_same_brings_no_new_things() -> None:
    everywhere = np.full(500, N_PIECES)
    assert estimate_distinct(everywhere, times=10) == 500


@given(st.lists(st.integers(1, 60), max_size=200), st.floats(1, 1e4))
def test_the_estimate_lies_between_what_was_seen_and_what_there_is_room_for(
    seen: list[int], times: float
) -> None:
    found = estimate_distinct(seen, times=times)
    assert len(seen) <= found * (1 + 1e-9)
    assert found <= len(seen) * times * (1 + 1e-9)


def test_a_sample_that_is_the_whole_is_counted() -> None:
    assert estimate_distinct([1, 1, 3], times=1) == 3


def test_a_whole_smaller_than_its_sample_is_refused() -> None:
    with pytest.raises(ValueError, match=r"times=0\.5"):
        estimate_distinct([1], times=0.5)
