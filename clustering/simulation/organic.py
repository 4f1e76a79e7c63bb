"""Ordinary requests: what people write about their own subjects, in their own manner, at their own hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import MODELS, NEW_MODEL, People, World
from .grammar import Texts, fill, fill_alternative, fill_phrase
from .schedule import people_times

_AGAIN = 0.035  # share of requests that repeat the person's previous one: regenerated, or sent twice
_FAVOURITES = 0.65  # share of requests in a person's favourite words; the rest use everybody's


@dataclass(frozen=True)
class Label:
    """What the truth says about a request."""

    kind: str
    group: str | None = None
    family: str | None = None


ORGANIC = Label("organic")


def benign(kind: str, group: str | None = None) -> Label:
    """The label of a look-alike; its group is called like its kind unless there are several."""
    return Label(f"benign:{kind}", group or kind)


def organic_requests(
    world: World, people: People, n: int, *, rng: np.random.Generator, label: Label = ORGANIC
) -> pl.DataFrame:
    """`n` ordinary requests, divided among `people` by their volumes."""
    who = draw_people(people, n, rng=rng)
    prompts = write_prompts(world, people, who, rng=rng)
    times = people_times(world, people, who, rng=rng)
    return make_requests(world, people, who, prompts=prompts, times=times, label=label, rng=rng)


def draw_people(people: People, n: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """`n` rows of `people`, with chances in proportion to their volumes; ascending."""
    if not len(people):
        return np.zeros(0, dtype=np.int64)
    return np.sort(rng.choice(len(people), size=n, p=people.volume / people.volume.sum()))


def write_prompts(
    world: World, people: People, who: NDArray[np.int64], *, rng: np.random.Generator, again: float = _AGAIN
) -> Texts:
    """What each person of `who` ((n,) int64) writes; (n,) object.

    A share `again` of the rows repeats the person's previous row.
    """
    out = fill_own(world, people, who, "prompt", rng=rng)
    small = np.flatnonzero(rng.random(len(who)) < people.chatty[who])
    out[small] = fill_own(world, people, who[small], "chat", rng=rng, favourites=0.0)
    habit = np.flatnonzero(rng.random(len(who)) < people.habit[who])
    out[habit] = _habits(world, people, who[habit], rng=rng)
    out = in_manner(people, who, out, rng=rng)
    repeated = np.flatnonzero((rng.random(len(who)) < again)[1:] & (who[1:] == who[:-1])) + 1
    for row in repeated.tolist():
        out[row] = out[row - 1]
    return out


def fill_own(
    world: World,
    people: People,
    who: NDArray[np.int64],
    slot: str,
    *,
    rng: np.random.Generator,
    favourites: float = _FAVOURITES,
) -> Texts:
    """Fill a slot for each row of `who` from the grammar of one of the person's subjects."""
    cells = _own_cells(people, who, rng=rng)
    shift = people.shift[who] * (rng.random(len(who)) < favourites)
    out = np.empty(len(who), dtype=object)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        out[rows] = fill(world.grammars[cell], slot, len(rows), rng=rng, shift=shift[rows])
    return out


def own_phrase(
    world: World, people: People, who: NDArray[np.int64], phrase: str, *, rng: np.random.Generator
) -> Texts:
    """Fill a given phrase for each row of `who`, its slots from one of the person's subjects."""
    cells = _own_cells(people, who, rng=rng)
    out = np.empty(len(who), dtype=object)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        out[rows] = fill_phrase(world.grammars[cell], phrase, people.shift[who[rows]], rng=rng)
    return out


def _own_cells(people: People, who: NDArray[np.int64], *, rng: np.random.Generator) -> NDArray[np.int64]:
    """One of the person's subjects for each row of `who`, by the person's shares."""
    column = (rng.random(len(who))[:, None] > people.cell_cumulated[who]).sum(axis=1)
    cells: NDArray[np.int64] = people.cells[who, np.minimum(column, people.cells.shape[1] - 1)]
    return cells


def make_requests(
    world: World,
    people: People,
    who: NDArray[np.int64],
    *,
    prompts: Texts,
    times: NDArray[np.int64],
    label: Label,
    rng: np.random.Generator,
    output_tokens: float = 240.0,
) -> pl.DataFrame:
    """Requests with their truth, one row per row of `who`; `output_tokens` is the median of a log-normal."""
    models = np.array(MODELS, dtype=object)[people.model[who]]
    models[times >= people.adopts_us[who]] = NEW_MODEL
    tokens = rng.lognormal(np.log(output_tokens), 0.75, len(who)).astype(np.int64) + 1
    columns = {
        "time": pl.Series(times, dtype=pl.Int64),
        "account_id": pl.Series(people.account_id[who].tolist(), dtype=pl.String),
        "org_id": pl.Series(people.org_id[who].tolist(), dtype=pl.String),
        "system_prompt": pl.Series(people.system_prompt[who].tolist(), dtype=pl.String),
        "prompt": pl.Series(prompts.tolist(), dtype=pl.String),
        "model": pl.Series(models.tolist(), dtype=pl.String),
        "output_tokens": pl.Series(tokens, dtype=pl.Int64),
    }
    return pl.DataFrame(columns).with_columns(
        kind=pl.lit(label.kind),
        group=pl.lit(label.group, dtype=pl.String),
        family=pl.lit(label.family, dtype=pl.String),
    )


def _habits(world: World, people: People, who: NDArray[np.int64], *, rng: np.random.Generator) -> Texts:
    """A person's standing prompt: always the same phrase of the slot ``macro``, with today's words in it."""
    out = np.empty(len(who), dtype=object)
    cells = people.cells[who, 0]
    for cell in np.unique(cells):
        grammar = world.grammars[cell]
        listed = grammar.alternatives["macro"]
        own = people.shift[who] % len(listed)
        for place in np.unique(own[cells == cell]):
            rows = np.flatnonzero((cells == cell) & (own == place))
            out[rows] = fill_alternative(grammar, listed[place], people.shift[who[rows]], rng=rng)
    return out


def in_manner(people: People, who: NDArray[np.int64], texts: Texts, *, rng: np.random.Generator) -> Texts:
    """Each person's spelling: capitals or none, a last full stop or none, now and then a slip."""
    small, bare = people.lowercase[who].tolist(), people.bare[who].tolist()
    slips = (rng.random(len(who)) < people.sloppy[who]).tolist()
    places = rng.random(len(who)).tolist()
    kinds = rng.integers(0, 3, len(who)).tolist()
    out = np.empty(len(texts), dtype=object)
    for row, text in enumerate(texts.tolist()):
        text = text.lower() if small[row] else text[:1].upper() + text[1:]
        if bare[row]:
            text = text.rstrip(".?") or text
        out[row] = _slip(text, places[row], kinds[row]) if slips[row] and len(text) > 3 else text
    return out


def _slip(text: str, place: float, kind: int) -> str:
    """One slip of the finger: a letter lost, doubled, or swapped with the next."""
    at = int(place * max(len(text) - 2, 0))
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[: at + 1] + text[at:]
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
