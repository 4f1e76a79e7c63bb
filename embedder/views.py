"""Two views of every distinct prompt: the whole text, and its skeleton.

The text that is compared is system prompt + prompt, kept apart by ``BREAK`` so that no phrase reaches from
one into the other. *whole* is that text; *skeleton* is the part of it that recurs in prompts of many
principals (``embedder.spans``), *payload* the rest. A prompt longer than ``WINDOW_CHARS`` is seen through
windows: its head, its tail and pieces spread evenly between, so that a wrapper at the end is seen and five
megabytes cost no more than sixteen thousand characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow

from embedder.shingles import ShingleTable, TextBuffer, count_shingles
from embedder.spans import SpanRule, cut_texts, fit_rule
from embedder.words import BREAK

pa: Any = pyarrow  # Arrow ships no types
WINDOW_CHARS = 16_384
_EDGE_CHARS = 4_096  # head and tail
_N_SPREAD = 8
_SPREAD_CHARS = (WINDOW_CHARS - 2 * _EDGE_CHARS) // _N_SPREAD


@dataclass(frozen=True)
class Views:
    """Views of n distinct prompts, row by row.

    Attributes
    ----------
    whole, skeleton, payload : (n,) String series
        ``""`` where a prompt has no skeleton (or nothing but skeleton). ``BREAK`` stands between the parts of
        ``whole``; the other two join their spans by single spaces.
    table, rule
        What decides on skeletons; with both, ``cut`` gives the views of prompts that come later.
    senders : DataFrame
        ``prompt_row`` and ``principal_row``: who sent which prompt, each pair once, by principal.
    """

    whole: pl.Series
    skeleton: pl.Series
    payload: pl.Series
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
    frame = pl.DataFrame({"system": system_texts, "text": texts})
    system, text = _windowed(pl.col("system")), _windowed(pl.col("text"))
    whole = pl.when(pl.col("system") == "").then(text).otherwise(pl.concat_str(system, text, separator=BREAK))
    return frame.select(whole=whole)["whole"]


def build_views(
    prompts: pl.DataFrame, requests: pl.DataFrame, *, min_texts: int = 10, memory: int = 1 << 30
) -> Views:
    """Views of every distinct prompt of a corpus.

    Parameters
    ----------
    prompts : DataFrame of n rows
        ``system_text`` and ``text``, normalised.
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
    whole = whole_texts(prompts["system_text"], prompts["text"])
    texts = to_buffer(whole)
    pairs = requests.select("prompt_row", "principal_row").unique().sort("principal_row", "prompt_row")
    text_rows = pairs["prompt_row"].to_numpy().astype(np.int64)
    principal_rows = pairs["principal_row"].to_numpy().astype(np.int32)
    table = count_shingles(texts, (text_rows, principal_rows), min_texts=min_texts, memory=memory)
    # The law of ordinary language is fitted to texts that only one principal wrote: what many send whole
    # (popular questions, benchmark items) says nothing about the phrases that strangers share.
    senders = np.bincount(text_rows, minlength=len(whole))
    rule = fit_rule(texts, np.flatnonzero(senders == 1), table)
    skeleton, payload = cut_texts(texts, table, rule)
    return Views(whole, to_series(skeleton), to_series(payload), table, rule, pairs)


def cut(whole: pl.Series, table: ShingleTable, rule: SpanRule) -> tuple[pl.Series, pl.Series]:
    """Skeleton and payload of texts by a table and rule that exist already; each text on its own."""
    skeleton, payload = cut_texts(to_buffer(whole), table, rule)
    return to_series(skeleton), to_series(payload)


def to_buffer(texts: pl.Series) -> TextBuffer:
    """One UTF-8 buffer of all texts, without a Python object per text."""
    array = texts.to_arrow().cast(pa.large_string())
    if len(array) == 0:
        return TextBuffer(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return TextBuffer(held[ends[0] : ends[-1]], ends - ends[0])


def to_series(texts: TextBuffer) -> pl.Series:
    """The inverse of ``to_buffer``."""
    buffers = [None, pa.py_buffer(texts.offsets), pa.py_buffer(texts.data)]
    array = pa.LargeStringArray.from_buffers(len(texts.offsets) - 1, buffers[1], buffers[2])
    return pl.Series(array, dtype=pl.String)


def _windowed(text: pl.Expr) -> pl.Expr:
    """The text itself, or head, spread pieces and tail of a long one, kept apart by BREAK."""
    length = text.str.len_chars().cast(pl.Int64)
    room = length - 2 * _EDGE_CHARS - _SPREAD_CHARS
    spread = [
        text.str.slice(_EDGE_CHARS + room * i // (_N_SPREAD - 1), _SPREAD_CHARS) for i in range(_N_SPREAD)
    ]
    pieces = [text.str.slice(0, _EDGE_CHARS), *spread, text.str.slice(-_EDGE_CHARS)]
    clean = text.str.replace_all(BREAK, " ", literal=True)
    return pl.when(length <= WINDOW_CHARS).then(clean).otherwise(pl.concat_str(pieces, separator=BREAK))
