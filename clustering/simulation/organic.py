"""Ordinary requests: what people write about their own subjects, in their own manner, at their own hours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, MODELS, NEW_MODEL, People, World
from .conversations import History, Talks, no_messages, open_talks, write_history
from .filling import fill, fill_alternative, fill_phrase
from .grammar import Texts
from .pasting import with_pasted
from .schedule import people_times

_FAVOURITES = 0.65  # share of requests in a person's favourite words; the rest use everybody's
_REMARKS = 0.45  # share of later turns that are mere remarks on the answer
_WANDERS = 0.12  # share of later turns on another of the person's subjects


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
    times = people_times(world, people, who, rng=rng)
    times = _in_bursts(world, people, who, times=times, rng=rng)
    times = times[np.lexsort((times, who))]
    talks = open_talks(people, who, times, rng=rng)
    cells = talk_cells(people, who, talks, rng=rng)
    prompts = write_turns(world, people, who, cells=cells, talks=talks, rng=rng)
    history = write_history(world, talks, prompts, cells=cells, rng=rng, logged=people.in_app[who])
    return make_requests(
        world, people, who, prompts=prompts, times=times, label=label, rng=rng, history=history
    )


def _in_bursts(
    world: World,
    people: People,
    who: NDArray[np.int64],
    *,
    times: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Move the requests of people who come for a few days only into those days, by whole days."""
    days = people.burst[who]
    free = world.settings.days - people.joined - people.burst
    first = (people.joined + np.maximum(free, 0.0) * rng.random(len(people))).astype(np.int64)
    moved = (first[who] + times // DAY_US % np.maximum(days, 1)) * DAY_US + times % DAY_US
    return np.where((days > 0) & (moved < world.window_us), moved, times)


def draw_people(people: People, n: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """`n` rows of `people`, with chances in proportion to their volumes; ascending."""
    if not len(people):
        return np.zeros(0, dtype=np.int64)
    return np.sort(rng.choice(len(people), size=n, p=people.volume / people.volume.sum()))


def write_prompts(
    world: World,
    people: People,
    who: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    again: float | None = None,
) -> Texts:
    """Bare prompts of each person of `who` ((n,) int64); (n,) object.

    A share `again` of the rows repeats the person's previous row; None: as the log's settings have it.
    """
    alone = Talks(np.full(len(who), -1, dtype=np.int64), np.zeros(len(who), dtype=np.int64))
    cells = own_cells(people, who, rng=rng)
    return write_turns(world, people, who, cells=cells, talks=alone, rng=rng, again=again)


def write_turns(
    world: World,
    people: People,
    who: NDArray[np.int64],
    *,
    cells: NDArray[np.int64],
    talks: Talks,
    rng: np.random.Generator,
    again: float | None = None,
) -> Texts:
    """What each person of `who` writes, on the subjects `cells`, as turns of `talks`; all (n,); (n,) object.

    Nearly half of the later turns are remarks on the answer before. What is no remark, greeting or standing
    prompt may come with pages that are pasted with it (``pasting``). A share `again` of the rows repeats the
    person's previous row; None: as the log's settings have it.
    """
    again = world.settings.repeats if again is None else again
    shift = people.shift[who] * (rng.random(len(who)) < _FAVOURITES)
    remark = (talks.turn > 0) & (rng.random(len(who)) < _REMARKS)
    small = (talks.turn == 0) & (rng.random(len(who)) < people.chatty[who])
    shift[small] = 0
    out = np.empty(len(who), dtype=object)
    for slot, chosen in (("follow", remark), ("chat", small), ("prompt", ~(remark | small))):
        rows = np.flatnonzero(chosen)
        out[rows] = _fill_cells(world, cells[rows], slot, shift[rows], rng=rng)
    habit = np.flatnonzero((rng.random(len(who)) < people.habit[who]) & (talks.turn == 0))
    out[habit] = _habits(world, people, who[habit], rng=rng)
    out = in_manner(people, who, out, rng=rng)
    asked = ~(remark | small)
    asked[habit] = False
    out[asked] = with_pasted(world, out[asked], cells=cells[asked], shift=shift[asked], rng=rng)
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
    cells = own_cells(people, who, rng=rng)
    shift = people.shift[who] * (rng.random(len(who)) < favourites)
    return _fill_cells(world, cells, slot, shift, rng=rng)


def _fill_cells(
    world: World, cells: NDArray[np.int64], slot: str, shift: NDArray[np.int64], *, rng: np.random.Generator
) -> Texts:
    out = np.empty(len(cells), dtype=object)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        out[rows] = fill(world.grammars[cell], slot, len(rows), rng=rng, shift=shift[rows])
    return out


def own_phrase(
    world: World, people: People, who: NDArray[np.int64], phrase: str, *, rng: np.random.Generator
) -> Texts:
    """Fill a given phrase for each row of `who`, its slots from one of the person's subjects."""
    cells = own_cells(people, who, rng=rng)
    out = np.empty(len(who), dtype=object)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        out[rows] = fill_phrase(world.grammars[cell], phrase, people.shift[who[rows]], rng=rng)
    return out


def own_cells(people: People, who: NDArray[np.int64], *, rng: np.random.Generator) -> NDArray[np.int64]:
    """One of the person's subjects for each row of `who`, by the person's shares."""
    column = (rng.random(len(who))[:, None] > people.cell_cumulated[who]).sum(axis=1)
    cells: NDArray[np.int64] = people.cells[who, np.minimum(column, people.cells.shape[1] - 1)]
    return cells


def talk_cells(
    people: People, who: NDArray[np.int64], talks: Talks, *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The subject of each row: a conversation keeps to that of its first turn, apart from a few turns."""
    cells = own_cells(people, who, rng=rng)
    return np.where(rng.random(len(who)) < _WANDERS, cells, cells[talks.first])


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
    history: History | None = None,
) -> pl.DataFrame:
    """Requests with their truth, one row per row of `who`; `output_tokens` is the median of a log-normal.

    Without a `history` the requests are bare prompts: ``session_id`` and ``messages`` are null.
    """
    session_id = np.full(len(who), None, dtype=object) if history is None else history.session_id
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
        "session_id": pl.Series(session_id.tolist(), dtype=pl.String),
        "messages": no_messages(len(who)) if history is None else history.messages,
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
