"""Which conversation a request asks, and which one it continues: two hashes of its messages.

A chat client sends the whole history with every turn, so a conversation goes on where a request's
``continues`` equals an earlier request's ``asked``: whoever sends the one has seen the answer to the other.

Convention
----------
- A conversation is the turns of the roles user, tool and function (questions) and assistant (answers), in
  order, each in its text's normal form (``embedder.normalise``). System prompts are no turns: an account that
  takes a conversation over may bring its own.
- ``asked`` hashes the turns up to the last question; an answer after it only primes the next one.
- ``continues`` hashes the turns up to the question before the last answer that lies before the last question.
  In an agent's loop, where tools ask, the same holds for every step of one task.
- Either is null where what it would hash has less than ``LEAST_BYTES`` of text as sent: many people begin
  with the same few words.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.normalise import normalise

QUESTIONS = ("user", "tool", "function")
ANSWERS = ("assistant",)
#: About 200 tokens, at four bytes each.
LEAST_BYTES = 800
CONVERSATION = pl.Schema({"asked": pl.UInt64, "continues": pl.UInt64})


def conversation_keys(turns: pl.DataFrame, n_requests: int) -> pl.DataFrame:
    """Hashes of the conversations of some requests.

    Parameters
    ----------
    turns
        A row per turn: ``i`` (UInt32, the request, ascending), ``is_answer`` (Boolean) and ``text`` (String,
        null for a turn without text), in the order of the conversation.
    n_requests
        Requests 0..n-1; one without turns has nulls.

    Returns
    -------
    pl.DataFrame
        (n,) rows, columns ``CONVERSATION``: 64 bits of BLAKE2b of each turn, mixed in order. Nothing but the
        turns' roles and texts matters.
    """
    turns = turns.with_columns(pl.col("text").fill_null(""), size=pl.col("text").str.len_bytes().fill_null(0))
    turns = turns.filter(pl.col("size").sum().over("i") >= LEAST_BYTES)
    found = np.zeros((n_requests, 2), np.uint64)
    held = np.zeros((n_requests, 2), np.bool_)
    if turns.height:
        rows, first = np.unique(turns["i"].to_numpy(), return_index=True)
        ends = _ends(turns["is_answer"].to_numpy(), first)
        sizes = np.cumsum(turns["size"].to_numpy().astype(np.int64))
        sizes -= np.repeat(np.append(0, sizes)[first], np.diff(np.append(first, turns.height)))
        prefixes = _prefixes(_digests(turns), first)
        held[rows] = (ends >= 0) & (sizes[ends] >= LEAST_BYTES)
        found[rows] = prefixes[ends]
    return pl.DataFrame(
        [
            pl.Series(name, found[:, j], dtype=kind).set(pl.Series(~held[:, j]), None)
            for j, (name, kind) in enumerate(CONVERSATION.items())
        ]
    )


def _ends(is_answer: NDArray[np.bool_], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Last turn of what each request asks, and of what it continues, (r, 2); -1 where there is none."""
    place = np.arange(len(is_answer))
    start = np.repeat(first, np.diff(np.append(first, len(is_answer))))

    def latest(wanted: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """The last wanted turn at or before `at`, of the same request; -1 where there is none."""
        found = np.maximum.accumulate(np.where(wanted, place, -1))[at]
        return np.where((at >= 0) & (found >= start[at]), found, -1)

    asked = latest(~is_answer, np.append(first[1:], len(is_answer)) - 1)
    return np.stack([asked, latest(~is_answer, latest(is_answer, asked))], axis=1)


def _digests(turns: pl.DataFrame) -> NDArray[np.uint64]:
    """A number per turn, of its normal form and of who speaks."""
    texts = turns["text"].unique()
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in normalise(texts).to_list())
    known = pl.DataFrame({"text": texts, "digest": np.frombuffer(digests, dtype="<u8").astype(np.uint64)})
    joined = turns.join(known, on="text", how="left", maintain_order="left")
    return _mixed(joined["digest"].to_numpy() + turns["is_answer"].to_numpy().astype(np.uint64))


def _prefixes(digests: NDArray[np.uint64], first: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash of each request's turns up to each of them: turn by turn, all requests at once."""
    n_turns = np.diff(np.append(first, len(digests)))
    out = _mixed(digests)  # once more than the next: else the first two turns could change places
    longest_first = np.argsort(-n_turns, kind="stable")
    first, n_turns = first[longest_first], n_turns[longest_first]
    for place in range(1, int(n_turns[0])):
        here = first[: np.searchsorted(-n_turns, -place)] + place
        out[here] = _mixed(out[here - 1] ^ digests[here])
    return out


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014, OOPSLA), after a step; a bijection."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
