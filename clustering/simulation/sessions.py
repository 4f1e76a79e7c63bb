"""Conversations that change hands: somebody else's users, relayed through a pool of accounts.

The plain conversations of ordinary people need no call: ``organic.organic_requests`` makes them. Here are the
relayed ones (geometry T6): organic text without any template, of which only the accounts, the times and the
shared histories tell.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .accounts import DAY_US, HOUR_US, People, World, make_people
from .conversations import LONGEST, Talks, places_in_runs, write_history
from .organic import Label, make_requests, talk_cells, write_turns
from .schedule import inside

__all__ = ["relayed_requests"]


def relayed_requests(
    world: World,
    pool: People,
    who: NDArray[np.int64],
    *,
    times: NDArray[np.int64],
    label: Label,
    rng: np.random.Generator,
    hops: float = 0.7,
) -> pl.DataFrame:
    """Conversations of somebody else's users, sent by the accounts of a pool.

    Each conversation is of one outside user, on that user's subjects, in that user's manner. A later turn
    carries the whole history, the assistant's words to the letter, and goes to the account that the
    dispatcher names for its moment, or, for a share 1 − `hops`, to the account of the turn before.

    Parameters
    ----------
    pool : the accounts; their models and organisations are the requests'.
    who, times : (n,) int64, from the campaign's dispatcher: rows of `pool`, and moments. Conversations begin
        at such moments and later turns follow within minutes: `times` are kept as a whole, not one by one.
    hops : share of later turns that go where the dispatcher says, in [0, 1].

    Returns
    -------
    requests : (n,) rows as of ``make_requests``, ``messages`` set, ``session_id`` null as for programs.
    """
    n = len(who)
    talks = _drawn_talks(n, rng=rng)
    users = make_people(world, int(talks.talk.max(initial=-1)) + 1, rng=rng)
    cells = talk_cells(users, talks.talk, talks, rng=rng)
    prompts = write_turns(world, users, talks.talk, cells=cells, talks=talks, rng=rng)
    history = write_history(world, talks, prompts, cells=cells, rng=rng)
    order = np.argsort(times, kind="stable")
    sent = _turn_times(world, talks, times[order], rng=rng)
    senders = np.empty(n, dtype=np.int64)
    senders[np.argsort(sent, kind="stable")] = who[order]
    stays = np.flatnonzero((talks.turn > 0) & (rng.random(n) >= hops))
    for turn in range(1, LONGEST):  # a turn may stay with an account at which the one before had stayed
        rows = stays[talks.turn[stays] == turn]
        senders[rows] = senders[rows - 1]
    return make_requests(
        world, pool, senders, prompts=prompts, times=sent, label=label, rng=rng, history=history
    )


def _drawn_talks(n: int, *, rng: np.random.Generator) -> Talks:
    """`n` turns in conversations of 1 to 12 turns, geometric, mean about 3."""
    lengths = np.minimum(rng.geometric(0.33, n), LONGEST)
    starts = np.zeros(n + 1, dtype=np.bool_)
    starts[np.minimum(np.concatenate([[0], np.cumsum(lengths)]), n)] = True
    starts = starts[:n]
    return Talks(np.cumsum(starts) - 1, places_in_runs(starts))


def _turn_times(
    world: World, talks: Talks, times: NDArray[np.int64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Conversations begin at the ascending `times` of evenly chosen rows; later turns come minutes apart."""
    gaps = rng.lognormal(np.log(90e6), 1.0, len(times)).clip(0, HOUR_US).astype(np.int64)
    elapsed = np.cumsum(np.where(talks.turn > 0, gaps, 0))
    sent = times[talks.first] + elapsed - elapsed[talks.first]
    return inside(world, np.minimum(sent, times[talks.first] + DAY_US))
