"""Token ids of many texts at once, for encoders whose text vector is a mean of token vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 8192  # of a text; the rest is not read
MAX_CHARACTERS = 65_536  # of a text; so that a text of megabytes is not tokenised for its first 8192 tokens
_BLOCK_TEXTS, _BLOCK_CHARACTERS = 16_384, 16_000_000  # bound the memory of a block to some 0.5 GB


def tokenise(
    tokenizer: Any, texts: list[str], *, threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids of many texts, each distinct word tokenised once.

    The tokenizer splits at every space before it does anything else, so the tokens of a text are those of its
    space-separated words in order; a corpus has few distinct words. Three times the speed of one call per
    text.

    Parameters
    ----------
    tokenizer
        A ``tokenizers.Tokenizer`` whose pre-tokenizer splits at white space (the BERT kind).
    texts
        n strings.
    threads
        1 tokenises on this thread; otherwise the tokenizer's own pool (``RAYON_NUM_THREADS``) works.

    Returns
    -------
    The token ids of all texts one after the other, and n + 1 offsets of the texts in them. At most
    `MAX_TOKENS` ids a text.
    """
    import pyarrow
    import pyarrow.compute

    arrow: Any = pyarrow  # its stubs know neither of the functions below
    words_of_texts = arrow.compute.split_pattern(arrow.array(texts, type=arrow.large_string()), " ")
    coded = words_of_texts.flatten().dictionary_encode()
    words = coded.dictionary.to_pylist()
    if threads == 1:
        ids = [tokenizer.encode(word, add_special_tokens=False).ids for word in words]
    else:
        ids = [found.ids for found in tokenizer.encode_batch_fast(words, add_special_tokens=False)]
    n_ids = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    ids_of_words = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(n_ids.sum()))
    codes = coded.indices.to_numpy()
    flat, word_offsets = _gather_runs(
        ids_of_words, starts=(np.cumsum(n_ids) - n_ids)[codes], lengths=n_ids[codes]
    )
    return _truncate(flat, word_offsets[words_of_texts.offsets.to_numpy()])


def text_blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut texts to `MAX_CHARACTERS` and into blocks bounded in number and in characters."""
    block: list[str] = []
    n_characters = 0
    for text in texts:
        # A lone surrogate cannot be encoded in UTF-8; it becomes "?".
        cut = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        if block and (len(block) == _BLOCK_TEXTS or n_characters + len(cut) > _BLOCK_CHARACTERS):
            yield block
            block, n_characters = [], 0
        block.append(cut)
        n_characters += len(cut)
    if block:
        yield block


def _gather_runs(
    values: NDArray[np.int64], *, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``values[start : start + length]`` of every run, one after the other, and the runs' offsets."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return values[np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])], offsets


def _truncate(
    token_ids: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = np.diff(offsets)
    if not np.any(lengths > MAX_TOKENS):
        return token_ids, offsets
    return _gather_runs(token_ids, starts=offsets[:-1], lengths=np.minimum(lengths, MAX_TOKENS))
