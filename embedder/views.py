"""Two views of every distinct prompt: the whole text, and its skeleton.

The text that is compared is system prompt + prompt, kept apart by ``BREAK`` so that no phrase reaches from
one into the other. *whole* is that text; *skeleton* is the part of it that recurs in prompts of many
principals (``embedder.spans``). A prompt longer than ``WINDOW_CHARS`` is seen through
windows: its head, its tail and pieces spread evenly between, so that a wrapper at the end is seen and five
megabytes cost no more than sixteen thousand characters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from embedder.shingles import ShingleTable, count_shingles
from embedder.spans import SpanRule, cut_texts, fit_rule
from embedder.text_buffer import TextBuffer
from embedder.words import BREAK

WINDOW_CHARS = 16_384
_EDGE_CHARS = 4_096  # head and tail
_N_SPREAD = 8
_SPREAD_CHARS = (WINDOW_CHARS - 2 * _EDGE_CHARS) // _N_SPREAD


@dataclass(frozen=True, eq=False)
class Views:
    """Views of n distinct prompts, beside their whole texts.

    Attributes
    ----------
    skeleton : n texts
        ``""`` where a prompt has no skeleton; spans are joined by single spaces.
    table, rule
        What decides on skeletons; with both, ``cut_texts`` gives those of prompts that come later.
    senders : DataFrame
        ``prompt_row`` and ``principal_row``: who sent which prompt, each pair once, by principal.
    """

    skeleton: TextBuffer
    table: ShingleTable
    rule: SpanRule
    senders: pl.DataFrame


def whole_texts(system_texts: pl.Series, texts: pl.Series) -> pl.Series:
    """System prompt and prompt as one text of at most two windowed parts.

    Parameters
    ----------
    system_texts, texts : (n,) String series, normalised
        A missing system prompt is ``""``.
    """
    frame = pl.DataFrame({"system": _windowed(system_texts), "text": _windowed(texts)})
    both = pl.concat_str("system", "text", separator=BREAK)
    return frame.select(whole=pl.when(pl.col("system") == "").then("text").otherwise(both))["whole"]


def build_views(
    texts: TextBuffer, requests: pl.DataFrame, *, min_texts: int = 10, memory: int = 1 << 30
) -> Views:
    """Views of every distinct prompt of a corpus.

    Parameters
    ----------
    texts : n texts
        ``whole_texts`` of the distinct prompts.
    requests : DataFrame
        ``prompt_row`` and ``principal_row`` of every request.
    min_texts : int
        Distinct prompts a shingle must stand in to be skeleton.
    memory : int, bytes
        Bound on one shingle table; two are held.

    Returns
    -------
    Views
        Deterministic; no part of it depends on the order of the requests.
    """
    pairs = requests.select("prompt_row", "principal_row").unique().sort("principal_row", "prompt_row")
    text_rows = pairs["prompt_row"].to_numpy().astype(np.int64)
    principal_rows = pairs["principal_row"].to_numpy().astype(np.int32)
    table = count_shingles(texts, (text_rows, principal_rows), min_texts=min_texts, memory=memory)
    # The law of ordinary language is fitted to texts that only one principal wrote: what many send whole
    # (popular questions, benchmark items) says nothing about the phrases that strangers share.
    senders = np.bincount(text_rows, minlength=len(texts))
    rule = fit_rule(texts, np.flatnonzero(senders == 1), table)
    return Views(cut_texts(texts, table, rule), table, rule, pairs)


def _windowed(texts: pl.Series) -> pl.Series:
    """The texts; of a long one its pieces."""
    seen = texts.str.replace_all(BREAK, " ", literal=True)
    long = (texts.str.len_chars() > WINDOW_CHARS).arg_true()
    return seen.scatter(long, _pieces(texts.gather(long))) if len(long) else seen


def _pieces(texts: pl.Series) -> pl.Series:
    """Head, spread pieces and tail of long texts, kept apart by BREAK."""
    text = pl.col("text")
    room = text.str.len_chars().cast(pl.Int64) - 2 * _EDGE_CHARS - _SPREAD_CHARS
    spread = [
        text.str.slice(_EDGE_CHARS + room * i // (_N_SPREAD - 1), _SPREAD_CHARS) for i in range(_N_SPREAD)
    ]
    pieces = [text.str.slice(0, _EDGE_CHARS), *spread, text.str.slice(-_EDGE_CHARS)]
    return pl.DataFrame({"text": texts}).select(whole=pl.concat_str(pieces, separator=BREAK))["whole"]
