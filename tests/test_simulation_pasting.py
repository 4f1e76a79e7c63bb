"""What people paste: most nothing, some a little, few pages; nobody's lines are another's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustering.simulation import SimulationSettings, simulate
from clustering.simulation.accounts import make_world
from clustering.simulation.grammar import LANGUAGES
from clustering.simulation.pasting import with_pasted

NOTHING = SimulationSettings(campaigns=(), lookalikes=())
ASKED = "what is this?"


def pasted(language: str, n: int = 4_000, *, seed: int = 0) -> list[str]:
    """What `n` people paste around the same question, the question cut off; "" for nothing."""
    world = make_world(replace(NOTHING, languages=(language,)), seed=seed)
    rng = np.random.default_rng(seed)
    texts = with_pasted(
        world,
        np.full(n, ASKED, dtype=object),
        cells=rng.integers(0, len(world.grammars), n),
        shift=rng.integers(0, 1 << 20, n),
        rng=rng,
    )
    assert all(text.startswith(ASKED) or text.endswith(ASKED) for text in texts)
    return [text.removeprefix(ASKED).removesuffix(ASKED).strip("\n") for text in texts]


@pytest.mark.parametrize("language", LANGUAGES)
def test_lengths_have_a_heavy_tail_and_lines_are_not_anothers(language: str) -> None:
    pages = [page for page in pasted(language) if page]
    assert 0.25 < len(pages) / 4_000 < 0.42
    lengths = np.array([len(page) for page in pages])
    assert lengths.mean() > 2.5 * np.median(lengths)
    assert lengths.max() > 30 * np.median(lengths)
    assert lengths.max() < 60_000
    lines = [line for page in pages for line in page.split("\n") if len(line) > 60]
    assert len(set(lines)) > 0.98 * len(lines)
    assert len(set(pages)) > 0.9 * len(pages)


def test_the_same_seed_pastes_the_same_and_another_does_not() -> None:
    assert pasted("en", 300) == pasted("en", 300)
    assert pasted("en", 300) != pasted("en", 300, seed=1)


def test_nobody_pastes_nothing() -> None:
    world = make_world(NOTHING)
    none = np.zeros(0, dtype=np.int64)
    out = with_pasted(world, np.zeros(0, dtype=object), cells=none, shift=none, rng=np.random.default_rng(0))
    assert out.shape == (0,)


def test_prompts_of_people_are_as_long_as_real_ones() -> None:
    """Requests to assistants: a median near 25 tokens, a mean of some 60; here in characters."""
    texts = simulate(replace(NOTHING, n_requests=20_000), seed=4).requests["prompt"]
    lengths = texts.str.len_chars()
    assert 60 < lengths.median() < 110  # type: ignore[operator]
    assert 150 < lengths.mean() < 290  # type: ignore[operator]
    assert lengths.quantile(0.99) > 1_500  # type: ignore[operator]
    assert (lengths < 20).mean() > 0.08  # type: ignore[operator]
