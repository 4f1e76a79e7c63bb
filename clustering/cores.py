"""The core of each cluster of skeletons, who holds it, and where its prompts have payload.

A cluster's *core* is the text that most of its prompts share, read from the prompt that stands for it. It is
looked for in whole prompts, not in skeletons: a wrapper's head of five words is no skeleton where what
follows it changes, and yet each of its prompts begins with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.alignment import common_blocks, leading_words
from clustering.evenly import evenly
from embedder import SHINGLE_WORDS, TextBuffer, common_words, held_texts, holders, to_buffer, words_of

N_ALIGNED = 16  # prompts that show where a wrapper's payload stands
_NO_WORD = -1


@dataclass(frozen=True, eq=False)
class Senders:
    """Who sent the prompts that have a skeleton.

    Attributes
    ----------
    texts : n texts
        Of all prompts.
    rows, skeletons, principals : (p,) int64, sorted by skeleton, row, principal
        Pairs of prompt and principal, each once, and the prompt's distinct skeleton.
    edges : (m + 1,) int64
        Skeleton i has the pairs ``edges[i]:edges[i + 1]``.
    """

    texts: TextBuffer
    rows: NDArray[np.int64]
    skeletons: NDArray[np.int64]
    principals: NDArray[np.int64]
    edges: NDArray[np.int64]

    def pairs_of(self, skeletons: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of the pairs of some skeletons."""
        first, sizes = self.edges[skeletons], np.diff(self.edges)[skeletons]
        return np.repeat(first - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())


def senders_of(
    texts: TextBuffer, senders: pl.DataFrame, place: NDArray[np.int64], *, n_skeletons: int
) -> Senders:
    """Order the pairs of prompt and principal by skeleton.

    Parameters
    ----------
    texts : n texts
    senders : DataFrame
        ``prompt_row`` and ``principal_row``, each pair once.
    place : (n,) int64
        Distinct skeleton of each prompt; -1 for none.
    n_skeletons : int
    """
    rows = senders["prompt_row"].to_numpy().astype(np.int64)
    principals = senders["principal_row"].to_numpy().astype(np.int64)
    order = np.lexsort((principals, rows, place[rows]))
    order = order[place[rows[order]] >= 0]
    skeletons = place[rows[order]]
    edges = np.searchsorted(skeletons, np.arange(n_skeletons + 1))
    return Senders(texts, rows[order], skeletons, principals[order], edges)


def cores_of(
    labels: NDArray[np.int64], medoids: NDArray[np.int64], senders: Senders
) -> tuple[list[list[int]], pl.DataFrame]:
    """Cores of c clusters, and the skeletons that hold them.

    Parameters
    ----------
    labels : (m,) int64
        Cluster 0..c-1 of each distinct skeleton, -1 for noise.
    medoids : (c,) int64
        A prompt of each cluster.
    senders : Senders

    Returns
    -------
    cores : list of c lists of words
        Empty where no shingle of the medoid is in most of the cluster's prompts.
    held : DataFrame, sorted by core, own, skeleton
        ``skeleton``, of whose prompts most hold ``core``; ``row``, the first of these prompts; ``own``, the
        skeleton's cluster.
    """
    rows, first = np.unique(senders.rows, return_index=True)
    skeletons = senders.skeletons[first]
    examples = senders.texts.take(medoids)
    named = held_texts(examples)
    common = common_words(named, senders.texts, rows, labels[skeletons])
    cores = [
        _kept_text(text, common[a:b][named.halves[a:b] > 0])
        for text, a, b in zip(examples.to_list(), named.ends[:-1], named.ends[1:], strict=True)
    ]
    held = held_texts(to_buffer(pl.Series(cores, dtype=pl.String)))
    holding, owners = holders(held, senders.texts, rows)
    found = pl.DataFrame({"row": rows[holding], "skeleton": skeletons[holding], "core": owners})
    pairs = found.group_by("skeleton", "core").agg(pl.col("row").min(), n=pl.len())
    n_prompts = np.bincount(skeletons, minlength=len(labels))
    pairs = pairs.filter(2 * pairs["n"].to_numpy() > n_prompts[pairs["skeleton"].to_numpy()]).drop("n")
    pairs = pairs.with_columns(own=pl.Series(labels[pairs["skeleton"].to_numpy()], dtype=pl.Int64))
    return [leading_words(core) for core in cores], pairs.sort("core", "own", "skeleton")


def _kept_text(text: str, kept: NDArray[np.bool_]) -> str:
    """The kept words of a text, neighbours with what stands between them."""
    _, starts, ends = words_of(text)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]])))
    data = text.encode()
    spans = zip(edges[::2], edges[1::2], strict=True)
    return " ".join(data[starts[first] : ends[last - 1]].decode() for first, last in spans)


def gaps(core: list[int], words: list[int]) -> NDArray[np.int64]:
    """Words that a text has of its own before each word of a core, and after the last: (len(core) + 1,)."""
    added = np.zeros(len(core) + 1, np.int64)
    end = 0
    for start, there, length in [*common_blocks(core, _anchored(core, words)), (len(core), len(words), 0)]:
        added[start] = there - end
        end = there + length
    return added


def _anchored(core: list[int], words: list[int]) -> list[int]:
    """The words, none where they stand in no shingle of the core: lone common words align by chance."""
    shingles = {tuple(core[i : i + SHINGLE_WORDS]) for i in range(len(core) - SHINGLE_WORDS + 1)}
    out = [_NO_WORD] * len(words)
    for i in range(len(words) - SHINGLE_WORDS + 1):
        if tuple(words[i : i + SHINGLE_WORDS]) in shingles:
            out[i : i + SHINGLE_WORDS] = words[i : i + SHINGLE_WORDS]
    return out


def payload_places(core: list[int], skeletons: NDArray[np.int64], senders: Senders) -> NDArray[np.bool_]:
    """Gaps of a core where most of some skeletons' prompts have words of their own: (len(core) + 1,) bool.

    Read from at most ``N_ALIGNED`` prompts, evenly spread over their order.
    """
    rows = np.unique(senders.rows[senders.pairs_of(skeletons)])
    rows = evenly(rows, N_ALIGNED)
    filled = [gaps(core, leading_words(senders.texts[int(row)])) > 0 for row in rows]
    most: NDArray[np.bool_] = 2 * np.array(filled, np.int64).sum(axis=0) > len(rows)
    return most
