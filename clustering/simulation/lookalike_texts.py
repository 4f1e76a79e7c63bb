"""The words of look-alikes: templates put together anew for every log, and the records that fill them.

A template is made by filling a grammar once; what it leaves open stands in it as ``<name>``. So two logs
share kinds of templates, never a list of templates that a detector could have learnt.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .accounts import People, World
from .filling import fill, fill_phrase, weave
from .grammar import Grammar, Texts, make_grammar, read_phrases
from .organic import own_phrase

_DATA = "<data>"
_DOCUMENT = "<story> <story> <problem>. <story>"


@cache
def record_grammar() -> Grammar:
    """Payloads, records and menus; some entries are more popular than others."""
    return make_grammar(
        read_phrases("exercises")["common"]
        | read_phrases("lookalikes")["slots"]
        | read_phrases("lookalikes_records")["slots"]
    )


@cache
def record_kinds() -> tuple[str, ...]:
    """The slots of ``record_grammar`` that are kinds of records."""
    return tuple(read_phrases("lookalikes_records")["kinds"]["names"])


@cache
def _template_grammar() -> Grammar:
    tables = read_phrases("lookalikes_templates")
    return make_grammar(tables["templates"] | tables["parts"], skew=1.0)


def draw_template(kind: str, *, rng: np.random.Generator) -> str:
    """One template of a kind of the table ``templates``; open slots are ``<name>``."""
    return str(fill(_template_grammar(), kind, 1, rng=rng)[0])


def around(template: str, texts: Texts) -> Texts:
    """Put each text where the template has ``<data>``; (n,) object."""
    return weave(tuple(template.split(_DATA)), [texts.tolist()], len(texts))


def from_menus(template: str, shift: NDArray[np.int64], *, rng: np.random.Generator) -> Texts:
    """Fill a template's open slots from the record grammar, for each row of `shift` ((n,) int64)."""
    return fill_phrase(record_grammar(), _opened(template), shift, rng=rng)


def from_subjects(
    world: World, people: People, who: NDArray[np.int64], template: str, *, rng: np.random.Generator
) -> Texts:
    """Fill a template's open slots from the subjects of each row of `who` ((n,) int64)."""
    return own_phrase(world, people, who, _opened(template), rng=rng)


def write_records(kinds: NDArray[np.int64], shift: NDArray[np.int64], *, rng: np.random.Generator) -> Texts:
    """A record of each kind (places in ``record_kinds()``), in the vocabulary that `shift` favours.

    Both (n,) int64; (n,) object.
    """
    out = np.empty(len(kinds), dtype=object)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        out[rows] = fill(record_grammar(), record_kinds()[kind], len(rows), rng=rng, shift=shift[rows])
    return out


def customers_texts(
    world: World, customers: People, who: NDArray[np.int64], *, rng: np.random.Generator
) -> Texts:
    """What separate customers feed into their programs; (n,) object, one for each row of `who`.

    Each customer has one source: a kind of records, or texts on its own subjects in its own language. How
    far apart the customers are is drawn for the log: from shops of one trade whose customers might write to
    any of them, to all trades evenly, each with its own words and a heading of the house.
    """
    n = len(customers)
    apart = rng.beta(0.5, 0.6)
    kind = rng.integers(0, len(record_kinds()), n)
    kind[rng.random(n) >= apart] = rng.integers(0, len(record_kinds()))
    shift = np.where(rng.random(n) < apart, customers.shift, 0)
    subjects = rng.random(n) < 0.8 * apart * rng.random()
    headed = rng.random(n) < 0.8 * apart * rng.random()
    out = np.empty(len(who), dtype=object)
    rows = np.flatnonzero(subjects[who])
    out[rows] = from_subjects(world, customers, who[rows], _DOCUMENT, rng=rng)
    rows = np.flatnonzero(~subjects[who])
    out[rows] = write_records(kind[who[rows]], shift[who[rows]], rng=rng)
    heading = fill(_template_grammar(), "heading", n, rng=rng)
    heading[~headed] = ""
    texts: Texts = heading[who] + out
    return texts


def _opened(template: str) -> str:
    return template.replace("<", "{").replace(">", "}")
