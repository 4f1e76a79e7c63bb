"""Grammars of work: exercises, tasks, personas and grids that campaigns wrap, and ordinary prompts."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .accounts import World, make_people
from .filling import fill
from .grammar import Grammar, Texts, make_grammar, read_language, read_phrases
from .organic import draw_people, write_prompts
from .plans import WRAPPER_LANGUAGES

N_SHARDS = 6  # subjects among which a campaign divides its work when each account keeps to one
_WORK = ("maths", "code", "analysis", "knowledge", "logic", "agentic")
_SUBJECT_SLOTS = ("p_trade", "grid_subject", "role_field")


@cache
def campaign_grammar(
    language: str = "en", payload_language: str = "en", work: tuple[str, ...] = (), shard: int = -1
) -> Grammar:
    """Payloads in one language, personas, grids and greetings in another; drawn evenly, as a program draws.

    Parameters
    ----------
    language, payload_language : of the wrappers and of the payloads, each with a file of campaigns' texts.
    work : kinds of payloads; none: the six common ones.
    shard : one of ``N_SHARDS`` parts of the payloads, personas and grids; −1: all of them.
    """
    payloads = read_phrases(f"campaigns_{payload_language}")["work"]
    if payload_language == "en":
        payloads = read_phrases("exercises")["common"] | payloads
    slots = payloads | read_phrases(f"campaigns_{language}")["slots"]
    slots["payload"] = [phrase for kind in work or _WORK for phrase in payloads[kind]]
    if shard >= 0:
        for name in ("payload", *_SUBJECT_SLOTS):
            slots[name] = _part(slots[name], shard)
    return make_grammar(slots, skew=1.0)


def _part(listed: list[str], shard: int) -> list[str]:
    """One of ``N_SHARDS`` runs of neighbours; neighbours are of one subject."""
    ends = np.linspace(0, len(listed), N_SHARDS + 1).round().astype(np.int64)
    part = listed[ends[shard] : ends[shard + 1]]
    return part or [listed[shard % len(listed)]]


def anybodys_prompts(world: World, n: int, *, rng: np.random.Generator) -> Texts:
    """`n` ordinary prompts of many different people, in no order; (n,) object."""
    people = make_people(world, max(n // 2, 1), rng=rng)
    texts = write_prompts(world, people, draw_people(people, n, rng=rng), rng=rng, again=0.0)
    return texts[rng.permutation(n)]


def prompts_in(language: str, shards: NDArray[np.int64], *, rng: np.random.Generator) -> Texts:
    """Ordinary prompts in a language, one for each of `shards` ((n,) int64; −1: of any subject)."""
    grammars = list(read_language(language).values())
    anyones = rng.integers(0, len(grammars), len(shards))
    cells = np.where(shards >= 0, shards % len(grammars), anyones)
    shift = rng.integers(0, 1 << 20, len(shards))
    out = np.empty(len(shards), dtype=object)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        out[rows] = fill(grammars[cell], "prompt", len(rows), rng=rng, shift=shift[rows])
    return out


def has_payloads(language: str) -> bool:
    """Whether there are payloads in a language; where there are none, campaigns wrap ordinary prompts."""
    return language in WRAPPER_LANGUAGES
