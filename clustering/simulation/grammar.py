"""Grammars: phrases with slots, and the files that they stand in.

A grammar maps slot names to alternatives. An alternative is a text with slots, ``{name}`` (another slot of
the grammar) or ``{low..high}`` (a whole number, both ends included). Instead of alternatives, a slot may have
lists of parts, of which words are coined (see ``coinage``). ``filling`` makes texts of it all.

The phrases are TOML files beside this module, one or more per language: a table ``common`` and tables
``subject.<name>``; a subject's slots come before the common ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .coinage import Coinage, make_coinage

Texts = NDArray[np.object_]

LANGUAGES = {
    "en": ("en", "en_words", "en_home", "en_work", "en_tech", "en_learning"),
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
    """One phrase, ``literals[0] + slot[0] + literals[1] + …``, one literal more than slots; or a coinage."""

    literals: tuple[str, ...]
    slots: tuple[str, ...]
    coinage: Coinage | None = None


@dataclass(frozen=True)
class Grammar:
    """Alternatives by slot name, each slot before those that stand in its alternatives.

    ``plain`` holds, as arrays, the slots whose alternatives have no slots. A slot whose words are coined has
    one alternative, the coinage. An alternative's place in its list is drawn as ``floor(length * u ** skew)``
    for a uniform u: evenly for skew 1; for 1.5 the first tenth comes about twice as often.
    """

    alternatives: Mapping[str, tuple[Alternative, ...]]
    plain: Mapping[str, Texts]
    skew: float


def make_grammar(phrases: Mapping[str, list[str] | list[list[str]]], *, skew: float = 1.5) -> Grammar:
    """Parse ``{slot: [phrase, …]}`` and ``{slot: [[first part, …], [last part, …]]}``, a coinage.

    Raises
    ------
    ValueError
        A phrase names a slot that is not in `phrases`, a slot has no phrases, or slots contain each other.
    """
    alternatives = {name: _alternatives(name, listed) for name, listed in phrases.items()}
    inner = {
        name: {slot for one in listed for slot in one.slots if ".." not in slot}
        for name, listed in alternatives.items()
    }
    for name, listed in alternatives.items():
        if not listed:
            raise ValueError(f"slot {name!r} has no phrases; give it at least one")
        unknown = inner[name] - phrases.keys()
        if unknown:
            raise ValueError(
                f"slot {name!r} uses {sorted(unknown)}, which the grammar does not have; add them"
            )
    plain = {
        name: np.array([one.literals[0] for one in listed], dtype=object)
        for name, listed in alternatives.items()
        if not any(one.slots or one.coinage for one in listed)
    }
    return Grammar({name: alternatives[name] for name in _outer_first(inner)}, plain, skew)


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
    common: dict[str, Any] = {}
    subjects: dict[str, dict[str, Any]] = {}
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
    return parse(phrase).slots


def parse(phrase: str) -> Alternative:
    """A phrase cut at its slots."""
    pieces = _SLOT.split(phrase)
    return Alternative(tuple(pieces[0::2]), tuple(pieces[1::2]))


def _alternatives(name: str, listed: list[str] | list[list[str]]) -> tuple[Alternative, ...]:
    if any(isinstance(part, list) for part in listed):
        return (Alternative(("",), (), make_coinage(name, listed)),)
    return tuple(parse(phrase) for phrase in listed if isinstance(phrase, str))


def _outer_first(inner: Mapping[str, set[str]]) -> tuple[str, ...]:
    try:
        # Sorted: the order of a set of texts differs from one process to the next.
        ordered = TopologicalSorter({name: sorted(slots) for name, slots in inner.items()}).static_order()
        return tuple(ordered)[::-1]
    except CycleError as error:
        raise ValueError(
            f"slots contain each other: {' in '.join(error.args[1])}; take one out of the other"
        ) from None
