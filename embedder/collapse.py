"""Requests that ask the same thing become one prompt: distinct raw texts first, then their normal forms.

Texts are compared through a 128-bit BLAKE2b hash, as ``prompt_id`` is (128 bits: among 10^9 texts two collide
with probability 10^-21, and nobody can make them). Rows never depend on the order in which texts were seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.normalise import normalise
from embedder.text_buffer import TextBuffer, to_buffer
from embedder.views import whole_texts

PROMPTS = pl.Schema(
    {
        "prompt_id": pl.String,
        "system_prompt": pl.String,
        "prompt": pl.String,
        "n_requests": pl.Int64,
        "n_variants": pl.Int64,
    }
)
KEY = ("key_high", "key_low")
# Texts compared in one go; more would only cost memory (a repeated long text counts once for each row).
_PART_BYTES = 128 << 20
# Texts of several batches are compared when this many wait.
_WAITING_ROWS = 1 << 17
# Texts whose normal forms are made in one go.
_SLICE_ROWS = 1 << 16


def prompt_id(system_text: str, text: str) -> str:
    """32 hex digits of BLAKE2b over the normal forms, parted by U+001E, which is in no normal form."""
    return blake2b(f"{system_text}\x1e{text}".encode(), digest_size=16).hexdigest()


def with_keys(accepted: pl.DataFrame) -> pl.DataFrame:
    """Add the columns ``KEY``, a hash of the raw system prompt and prompt.

    Parameters
    ----------
    accepted
        (n,) rows with ``system_prompt`` and ``prompt``.

    Returns
    -------
    pl.DataFrame
        The same rows in the same order, two UInt64 columns more.
    """
    return pl.concat([_part_with_keys(part) for part in _parts(accepted)])


def _parts(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut a frame so that no part holds much more text than ``_PART_BYTES``."""
    length = pl.col("prompt").str.len_bytes().cast(pl.Int64)
    length = length + pl.col("system_prompt").str.len_bytes().cast(pl.Int64).fill_null(0)
    part = frame.select(part=length.cum_sum() // _PART_BYTES)["part"]
    if part.n_unique() <= 1:
        yield frame
        return
    ends = [*np.flatnonzero(np.diff(part.to_numpy())) + 1, len(part)]
    start = 0
    for end in ends:
        yield frame.slice(start, int(end) - start)
        start = int(end)


def _part_with_keys(frame: pl.DataFrame) -> pl.DataFrame:
    same = (
        frame.select("system_prompt", "prompt")
        .with_row_index("i")
        .group_by("system_prompt", "prompt")
        .agg("i")
    )
    pairs = zip(same["system_prompt"].to_list(), same["prompt"].to_list(), strict=True)
    digests = b"".join(_raw_digest(system, prompt) for system, prompt in pairs)
    keys = np.frombuffer(digests, dtype="<u8").reshape(-1, 2)
    each = (
        same.select("i", *(pl.Series(name, keys[:, j]) for j, name in enumerate(KEY))).explode("i").sort("i")
    )
    return frame.with_columns(each.select(KEY))


def _raw_digest(system: str | None, prompt: str) -> bytes:
    # The system prompt's length makes the pair unambiguous, whatever characters both hold.
    head = "-" if system is None else f"{len(system)}:{system}"
    return blake2b(f"{head}\x1e{prompt}".encode(), digest_size=16).digest()


class DistinctTexts:
    """The distinct raw texts seen so far, each copied once; at most a quarter more wait to be compared.

    ``add`` takes a batch with keys. ``collect`` gives columns ``KEY``, ``system_prompt``, ``prompt``, a row
    per distinct pair in no particular order. Time is linear in the rows added: comparing costs as much as
    there are distinct texts, and happens each time they have grown by a quarter.
    """

    def __init__(self) -> None:
        self._distinct: list[pl.DataFrame] = []
        self._seen = pl.DataFrame(schema=dict.fromkeys(KEY, pl.UInt64))
        self._waiting: list[pl.DataFrame] = []
        self._n_waiting = 0

    def add(self, batch: pl.DataFrame) -> None:
        fresh = batch.select(*KEY, "system_prompt", "prompt").unique(KEY)
        self._waiting.append(_own_memory(fresh))
        self._n_waiting += fresh.height
        if self._n_waiting > max(_WAITING_ROWS, self._seen.height // 4):
            self._fold()

    def collect(self) -> pl.DataFrame:
        self._fold()
        return pl.concat(self._distinct)

    def _fold(self) -> None:
        if not self._waiting:
            return
        fresh = pl.concat(self._waiting).unique(KEY).join(self._seen, on=KEY, how="anti")
        self._waiting, self._n_waiting = [], 0
        self._distinct.append(_own_memory(fresh))
        self._seen = pl.concat([self._seen, fresh.select(KEY)])


def _own_memory(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy the texts: a selection of rows would keep the memory of the whole batch alive."""
    oldest = pl.CompatLevel.oldest()
    return frame.with_columns(
        pl.Series(name, frame[name].to_arrow(compat_level=oldest), dtype=pl.String)
        for name in ("system_prompt", "prompt")
    )


def collapse(
    raw: pl.DataFrame, n_requests: NDArray[np.int64]
) -> tuple[pl.DataFrame, TextBuffer, NDArray[np.uint32]]:
    """Distinct raw texts to distinct prompts.

    Parameters
    ----------
    raw
        (r,) distinct raw texts: ``system_prompt``, ``prompt``.
    n_requests
        (r,) the requests of each.

    Returns
    -------
    prompts : pl.DataFrame
        Columns ``PROMPTS``, sorted by ``prompt_id``. The originals shown are the most frequent pair; ties go
        to the smallest prompt, then system prompt, in byte order.
    texts : TextBuffer
        What is compared of each: ``embedder.views.whole_texts``.
    prompt_rows : (r,) uint32
        Position in ``prompts`` of each raw text.
    """
    raw = raw.select("system_prompt", "prompt").with_columns(pl.Series("len", n_requests, dtype=pl.Int64))
    raw = raw.with_row_index("raw_row")
    raw = pl.concat([_normal_forms(part) for part in raw.iter_slices(_SLICE_ROWS)])
    totals = raw.group_by("prompt_id").agg(n_requests=pl.col("len").sum(), n_variants=pl.len())
    several = pl.col("n_variants") > 1
    raw = raw.join(totals, on="prompt_id")
    best = (
        raw.filter(several)
        .sort("prompt_id", "len", "prompt", "system_prompt", descending=[False, True, False, False])
        .unique("prompt_id", keep="first", maintain_order=True)
    )
    prompts = pl.concat([raw.filter(~several), best]).sort("prompt_id")
    texts = to_buffer(prompts["whole"])
    prompts = prompts.select(PROMPTS.names()).cast(PROMPTS)
    places = prompts.select("prompt_id").with_row_index("prompt_row")
    found = raw.select("raw_row", "prompt_id").join(places, on="prompt_id").sort("raw_row")
    return prompts, texts, found["prompt_row"].to_numpy()


def _normal_forms(raw: pl.DataFrame) -> pl.DataFrame:
    """Add ``whole`` and ``prompt_id``; a system prompt with an empty normal form is none."""
    systems = raw.select("system_prompt").drop_nulls().unique()
    systems = systems.with_columns(normalise(systems["system_prompt"]).alias("system_text"))
    raw = raw.join(systems, on="system_prompt", how="left")
    raw = raw.with_columns(pl.col("system_text").fill_null(""), normalise(raw["prompt"]).alias("text"))
    pairs = zip(raw["system_text"].to_list(), raw["text"].to_list(), strict=True)
    return raw.with_columns(
        pl.when(pl.col("system_text") != "").then("system_prompt").alias("system_prompt"),
        pl.Series("prompt_id", [prompt_id(system, text) for system, text in pairs], pl.String),
        whole_texts(raw["system_text"], raw["text"]).alias("whole"),
    ).drop("system_text", "text")
