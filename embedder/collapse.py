"""Requests that ask the same thing become one prompt: distinct raw texts first, then their normal forms.

Prompts are told apart by ``prompt_id``, a 128-bit BLAKE2b hash (among 10^9 texts two collide with probability
10^-21, and nobody can make them), which is held as two 64-bit numbers, ``KEY``. Rows never depend on the
order in which texts were seen.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.normalise import is_blank, normalise
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
#: The two halves of ``prompt_id``, UInt64: sorted by both, rows are sorted by ``prompt_id``.
KEY = ("key_high", "key_low")
# Texts whose normal forms are made in one go.
_SLICE_ROWS = 1 << 16


def distinct_texts(asked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Distinct raw texts, and what each request asks.

    Parameters
    ----------
    asked
        (n,) requests: ``system_prompt``, ``prompt``.

    Returns
    -------
    raw : pl.DataFrame
        A row per distinct pair, in no order: ``KEY``, ``system_prompt``, ``prompt``, ``n_asked`` (UInt32) and
        ``whole``, what is compared, null where it is the prompt itself.
    keys : pl.DataFrame
        (n,) ``KEY`` of each request.
    """
    same = asked.with_row_index("i").group_by("system_prompt", "prompt").agg("i", n_asked=pl.len())
    made = [_compared(part) for part in same.iter_slices(_SLICE_ROWS)]
    found, whole = np.concatenate([keys for keys, _ in made]), pl.concat([texts for _, texts in made])
    keys = np.empty((asked.height, 2), np.uint64)
    keys[same["i"].explode().to_numpy()] = np.repeat(found, same["n_asked"].to_numpy(), axis=0)
    raw, of_rows = (pl.DataFrame(dict(zip(KEY, part.T.copy(), strict=True))) for part in (found, keys))
    return raw.hstack(same.select("system_prompt", "prompt", "n_asked")).with_columns(whole), of_rows


def collapse(raw: pl.DataFrame) -> tuple[pl.DataFrame, TextBuffer]:
    """Raw texts to distinct prompts.

    Parameters
    ----------
    raw
        What ``distinct_texts`` found in some batches, joined.

    Returns
    -------
    prompts : pl.DataFrame
        Columns ``PROMPTS``, sorted by ``prompt_id``. The originals shown are the most frequent pair; ties go
        to the smallest prompt, then system prompt, in byte order.
    texts : TextBuffer
        What is compared of each: ``embedder.views.whole_texts``.
    """
    raw = raw.sort(KEY).with_columns(
        n_variants=pl.lit(1, pl.Int64), n_requests=pl.col("n_asked").cast(pl.Int64)
    )
    repeated = raw.select(pl.struct(KEY).rle_id().alias("i")).select(pl.len().over("i") > 1)["len"]
    prompts = pl.concat([raw.filter(~repeated), _most_frequent(raw.filter(repeated))]).sort(KEY)
    whole = prompts.select(pl.coalesce("whole", "prompt"))["whole"].rechunk()
    systems = pl.when(~is_blank(pl.col("system_prompt"))).then("system_prompt").alias("system_prompt")
    prompts = prompts.with_columns(systems, pl.Series("prompt_id", prompt_ids(prompts)))
    return prompts.select(PROMPTS.names()), to_buffer(whole)


def _most_frequent(raw: pl.DataFrame) -> pl.DataFrame:
    """One row for the rows of a key: its most frequent original."""
    originals = raw.group_by(*KEY, "system_prompt", "prompt").agg(
        pl.col("n_asked", "n_requests").sum(), pl.col("whole").first()
    )
    totals = originals.group_by(KEY).agg(pl.col("n_requests").sum(), n_variants=pl.len().cast(pl.Int64))
    first = originals.sort(
        *KEY, "n_asked", "prompt", "system_prompt", descending=[False, False, True, False, False]
    ).unique(KEY, keep="first", maintain_order=True)
    return first.drop("n_requests").join(totals, on=KEY).select(raw.columns)


def prompt_id(system_text: str, text: str) -> str:
    """32 hex digits of BLAKE2b over the normal forms, parted by U+001E, which is in no normal form."""
    return blake2b(f"{system_text}\x1e{text}".encode(), digest_size=16).hexdigest()


def prompt_ids(keys: pl.DataFrame) -> pl.Series:
    """The hashes that the rows of ``KEY`` are the halves of, as hex digits, (n,) String."""
    halves = keys.select(KEY).to_numpy().astype(">u8")
    digits = np.frombuffer(halves.tobytes().hex().encode(), np.uint8)
    return TextBuffer(digits, 32 * np.arange(len(halves) + 1)).to_series().alias("prompt_id")


def _compared(raw: pl.DataFrame) -> tuple[NDArray[np.uint64], pl.Series]:
    """Both halves of the ``prompt_id`` of raw texts, (n, 2), and ``whole`` of ``distinct_texts``."""
    system, text = _normal_forms(raw)
    whole = whole_texts(system, text)
    both = pl.select(pl.concat_str(system, text, separator="\x1e")).to_series()
    texts = to_buffer(both)
    held, ends = texts.data.data, texts.offsets.tolist()
    digests = b"".join(blake2b(held[start:end], digest_size=16).digest() for start, end in pairwise(ends))
    keys = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)
    return keys, whole.set(whole == raw["prompt"], None)


def _normal_forms(raw: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Normal forms of system prompt, ``""`` where there is none, and prompt."""
    systems = raw.select("system_prompt").drop_nulls().unique()
    systems = systems.with_columns(normalise(systems["system_prompt"]).alias("system_text"))
    found = raw.select("system_prompt").join(systems, on="system_prompt", how="left", maintain_order="left")
    return found["system_text"].fill_null(""), normalise(raw["prompt"])
