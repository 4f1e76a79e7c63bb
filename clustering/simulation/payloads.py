"""Grammars of work: exercises, tasks, records and menus that campaigns and look-alikes wrap."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .accounts import World, make_people
from .grammar import Grammar, Texts, make_grammar, read_phrases
from .organic import draw_people, write_prompts


@cache
def campaign_grammar() -> Grammar:
    """Payloads, personas and grids; drawn evenly, as a program draws."""
    return make_grammar(read_phrases("exercises")["common"] | read_phrases("campaigns")["slots"], skew=1.0)


@cache
def lookalike_grammar() -> Grammar:
    """Payloads, records and menus; some entries are more popular than others."""
    return make_grammar(read_phrases("exercises")["common"] | read_phrases("lookalikes")["slots"])


def lookalike_phrases(table: str) -> dict[str, Any]:
    """The templates of look-alikes in one table of their phrase file."""
    phrases: dict[str, Any] = read_phrases("lookalikes")[table]
    return phrases


def anybodys_prompts(world: World, n: int, *, rng: np.random.Generator) -> Texts:
    """`n` ordinary prompts of many different people, in no order; (n,) object."""
    people = make_people(world, max(n // 2, 1), rng=rng)
    texts = write_prompts(world, people, draw_people(people, n, rng=rng), rng=rng, again=0.0)
    return texts[rng.permutation(n)]
