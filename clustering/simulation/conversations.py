"""Conversations: which requests are turns of one chat, what was answered, and the history a turn carries.

A client that talks sends its whole history with every turn, so a request has ``messages``: the user's and the
assistant's earlier turns and the new user turn, which is also its ``prompt``. Requests of programs and first
questions of clients that send bare prompts have none (null).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World
from .filling import fill
from .grammar import Texts

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
LONGEST = 12  # user turns in one conversation; then people open another
_PAUSE_US = 2 * HOUR_US  # a longer pause ends a conversation


@dataclass(frozen=True)
class Talks:
    """The conversation of each request.

    Parameters
    ----------
    talk : (n,) int64
        Number of the conversation, the same for all its turns, which are adjacent rows; −1: a bare prompt.
    turn : (n,) int64
        Place of the turn in its conversation, from 0; 0 for a bare prompt.
    """

    talk: NDArray[np.int64]
    turn: NDArray[np.int64]

    @property
    def first(self) -> NDArray[np.int64]:
        """(n,) int64: the row of the first turn of each row's conversation; a bare prompt's own row."""
        return np.arange(len(self.turn)) - self.turn


@dataclass(frozen=True)
class History:
    """Columns of a request log: ``session_id`` ((n,) object, None where not logged) and ``messages``."""

    session_id: Texts
    messages: pl.Series


def open_talks(
    people: People, who: NDArray[np.int64], times: NDArray[np.int64], *, rng: np.random.Generator
) -> Talks:
    """Make conversations of requests that follow one another.

    A request goes on with the conversation before it when it comes from the same person within two hours and
    the person feels like it (``people.talks``, a probability; 0 for clients that send bare prompts).

    Parameters
    ----------
    who, times : (n,) int64, sorted by person, then time.
    """
    n = len(who)
    talks = people.talks[who]
    goes_on = np.zeros(n, dtype=np.bool_)
    goes_on[1:] = (who[1:] == who[:-1]) & (np.diff(times) < _PAUSE_US)
    goes_on &= rng.random(n) < talks
    turn = places_in_runs(~goes_on)
    goes_on &= turn % LONGEST != 0
    starts = ~goes_on
    talk = np.where(talks > 0, np.cumsum(starts) - 1, -1)
    return Talks(talk, places_in_runs(starts))


def places_in_runs(starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Place of each row in its run; `starts` marks the first row of each; the first row starts one anyway."""
    rows = np.arange(len(starts))
    places: NDArray[np.int64] = rows - np.maximum.accumulate(np.where(starts, rows, 0))
    return places


def write_history(
    world: World,
    talks: Talks,
    prompts: Texts,
    *,
    cells: NDArray[np.int64],
    rng: np.random.Generator,
    logged: NDArray[np.bool_] | None = None,
) -> History:
    """Write the assistant's turns and give each request of a conversation the history that it carries.

    Parameters
    ----------
    prompts : (n,) object, the user turns.
    cells : (n,) int64, the grammar in which the assistant answers each.
    logged : (n,) bool, whether the client tells its session; None: none does.

    Returns
    -------
    history : History
        ``messages`` of a turn k has 2k + 1 entries; two turns of one conversation share the assistant's
        words to the letter, also when different accounts send them.
    """
    n = len(prompts)
    replies = np.full(n, "", dtype=object)
    answered = np.flatnonzero(talks.turn > 0) - 1
    replies[answered] = write_replies(world, cells[answered], rng=rng)
    ids = np.full(n, None, dtype=object)
    if logged is not None:
        rows = np.flatnonzero(logged & (talks.talk >= 0))
        talk, place = np.unique(talks.talk[rows], return_inverse=True)
        names = [f"sess_{value:013x}" for value in rng.integers(0, 1 << 52, len(talk)).tolist()]
        ids[rows] = np.array(names, dtype=object)[place]
    return History(ids, messages_of(talks, prompts, replies))


def write_replies(world: World, cells: NDArray[np.int64], *, rng: np.random.Generator) -> Texts:
    """One assistant turn for each of `cells` ((n,) int64: a grammar of the world); (n,) object."""
    out = np.empty(len(cells), dtype=object)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        # An assistant has no favourites of its own: every row turns the lists by another step.
        shift = rng.integers(0, DAY_US, len(rows))
        out[rows] = fill(world.grammars[cell], "reply", len(rows), rng=rng, shift=shift)
    return out


def messages_of(talks: Talks, prompts: Texts, replies: Texts) -> pl.Series:
    """The history of each request, of type ``MESSAGES``: null for a bare prompt.

    `replies` ((n,) object) follow the row's prompt; the last one of a conversation is not used.
    """
    said = np.empty(2 * len(prompts), dtype=object)
    said[0::2], said[1::2] = prompts, replies
    lengths = np.where(talks.talk >= 0, 2 * talks.turn + 1, 0)
    begins = np.cumsum(lengths) - lengths
    place = np.arange(lengths.sum()) - np.repeat(begins, lengths)
    turns = pl.DataFrame(
        {
            "row": np.repeat(np.arange(len(prompts)), lengths),
            "role": pl.Series(["user", "assistant"])[place % 2],
            "content": pl.Series(said.tolist(), dtype=pl.String)[np.repeat(2 * talks.first, lengths) + place],
        }
    )
    lists = turns.group_by("row", maintain_order=True).agg(messages=pl.struct("role", "content"))
    rows = pl.DataFrame({"row": np.arange(len(prompts))})
    return rows.join(lists, on="row", how="left", maintain_order="left")["messages"].cast(MESSAGES)


def no_messages(n: int) -> pl.Series:
    """`n` nulls of type ``MESSAGES``."""
    return pl.Series("messages", [None] * n, dtype=MESSAGES) if n else pl.Series("messages", [], MESSAGES)
