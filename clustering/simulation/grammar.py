"""Grammars: from phrases with slots to many varied texts, a column at a time.

A grammar maps slot names to alternatives. An alternative is a text with slots, ``{name}`` (another slot of
the grammar) or ``{low..high}`` (a whole number, both ends included). Filling draws one alternative per row,
earlier ones more often, and fills their slots in turn; all rows that drew the same alternative are filled
together, so that the cost is linear in the rows and the Python work per row is one join.

The phrases are TOML files beside this module, one or more per language: a table ``common`` and tables
``subject.<name>``; a subject's slots come before the common ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Texts = NDArray[np.object_]

LANGUAGES = {
    "en": ("en", "en_home", "en_work", "en_tech", "en_learning"),
    "es": ("es",),
    "de": ("de",),
    "fr": ("fr",),
    "zh": ("zh",),
    "ja": ("ja",),
    "ar": ("ar",),
}

_SLOT = re.compile(r"\{([a-zA-Z_]+|\d+\.\.\d+)\}")


@dataclass(frozen=True)
class Alternative:
    """One phrase: ``literals[0] + slot[0] + literals[1] + …``; one literal more than slots."""

    literals: tuple[str, ...]
    slots: tuple[str, ...]


@dataclass(frozen=True)
class Grammar:
    """Alternatives by slot name; ``plain`` holds, as arrays, the slots whose alternatives have no slots.

    An alternative's place in its list is drawn as ``floor(length * u ** skew)`` for a uniform u: evenly for
    skew 1; for 1.5 the first tenth comes about twice as often.
    """

    alternatives: Mapping[str, tuple[Alternative, ...]]
    plain: Mapping[str, Texts]
    skew: float


def make_grammar(phrases: Mapping[str, list[str]], *, skew: float = 1.5) -> Grammar:
    """Parse ``{slot: [phrase, …]}``.

    Raises
    ------
    ValueError
        A phrase names a slot that is not in `phrases`, or a slot has no phrases.
    """
    alternatives = {name: tuple(_parse(phrase) for phrase in listed) for name, listed in phrases.items()}
    for name, listed in alternatives.items():
        if not listed:
            raise ValueError(f"slot {name!r} has no phrases; give it at least one")
        unknown = {s for a in listed for s in a.slots if ".." not in s and s not in alternatives}
        if unknown:
            raise ValueError(
                f"slot {name!r} uses {sorted(unknown)}, which the grammar does not have; add them"
            )
    plain = {
        name: np.array([a.literals[0] for a in listed], dtype=object)
        for name, listed in alternatives.items()
        if not any(a.slots for a in listed)
    }
    return Grammar(alternatives, plain, skew)


def fill(
    grammar: Grammar,
    slot: str,
    n_rows: int,
    *,
    rng: np.random.Generator,
    shift: NDArray[np.int64] | None = None,
) -> Texts:
    """Draw `n_rows` texts of a slot.

    Parameters
    ----------
    shift : (n_rows,) int64, optional
        Turns each row's lists by so many places before drawing, so that rows of one shift favour the same
        phrases: a person's own preferences. None or 0: the lists' own order, everybody's favourites first.

    Returns
    -------
    texts : (n_rows,) object
    """
    if shift is None:
        shift = np.zeros(n_rows, dtype=np.int64)
    if slot in grammar.plain:
        values = grammar.plain[slot]
        return values[_draw(len(values), shift, grammar.skew, rng)]
    listed = grammar.alternatives[slot]
    picks = _draw(len(listed), shift, grammar.skew, rng)
    out = np.empty(n_rows, dtype=object)
    for pick in np.unique(picks):
        rows = np.flatnonzero(picks == pick)
        out[rows] = fill_alternative(grammar, listed[pick], shift[rows], rng=rng)
    return out


def fill_phrase(
    grammar: Grammar, phrase: str, shift: NDArray[np.int64], *, rng: np.random.Generator
) -> Texts:
    """Fill one given phrase for every row of `shift` ((n,) int64); (n,) object."""
    return fill_alternative(grammar, _parse(phrase), shift, rng=rng)


def fill_alternative(
    grammar: Grammar, alternative: Alternative, shift: NDArray[np.int64], *, rng: np.random.Generator
) -> Texts:
    """Fill one alternative for every row of `shift` ((n,) int64), plain slots without repeating a value."""
    n_rows = len(shift)
    columns: list[list[str]] = []
    previous: dict[str, NDArray[np.int64]] = {}
    for name in alternative.slots:
        if ".." in name:
            low, high = name.split("..")
            columns.append([str(v) for v in rng.integers(int(low), int(high) + 1, n_rows).tolist()])
        elif name in grammar.plain:
            values = grammar.plain[name]
            drawn = _draw(len(values), shift, grammar.skew, rng)
            if name in previous:
                drawn = np.where(drawn == previous[name], (drawn + 1) % len(values), drawn)
            previous[name] = drawn
            columns.append(values[drawn].tolist())
        else:
            columns.append(fill(grammar, name, n_rows, rng=rng, shift=shift).tolist())
    return weave(alternative.literals, columns, n_rows)


def weave(literals: tuple[str, ...], columns: list[list[str]], n_rows: int) -> Texts:
    """Join constant pieces and columns of texts row by row; (n_rows,) object."""
    out = np.empty(n_rows, dtype=object)
    if not columns:
        out[:] = literals[0]
        return out
    frame = "%s".join(piece.replace("%", "%%") for piece in literals)
    out[:] = [frame % row for row in zip(*columns, strict=True)]
    return out


@cache
def read_language(language: str) -> Mapping[str, Grammar]:
    """One grammar per subject of a language, in the order of its files.

    Raises
    ------
    ValueError
        There are no phrases in that language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no phrases in language {language!r}; there are {', '.join(LANGUAGES)}")
    common: dict[str, list[str]] = {}
    subjects: dict[str, dict[str, list[str]]] = {}
    for stem in LANGUAGES[language]:
        tables = read_phrases(stem)
        common |= tables.get("common", {})
        subjects |= tables.get("subject", {})
    return {name: make_grammar(common | slots) for name, slots in subjects.items()}


@cache
def read_phrases(stem: str) -> dict[str, Any]:
    """The tables of one phrase file."""
    file = resources.files("clustering.simulation") / "phrases" / f"{stem}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def slots_of(phrase: str) -> tuple[str, ...]:
    """The slots of a phrase, in order."""
    return _parse(phrase).slots


def _parse(phrase: str) -> Alternative:
    pieces = _SLOT.split(phrase)
    return Alternative(tuple(pieces[0::2]), tuple(pieces[1::2]))


def _draw(n: int, shift: NDArray[np.int64], skew: float, rng: np.random.Generator) -> NDArray[np.int64]:
    places = (n * rng.random(len(shift)) ** skew).astype(np.int64)
    turned: NDArray[np.int64] = (places + shift) % n
    return turned
