"""Token ids of many texts at once, for encoders whose text vector is a mean of token vectors."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.pretokens import split_words, word_breaks
from embedder.text_buffer import TextBuffer, to_buffer

MAX_TOKENS = 8192  # of a text; the rest is not read
MAX_CHARACTERS = 65_536  # of a text; so that a text of megabytes is not tokenised for its first 8192 tokens
_BLOCK_TEXTS, _BLOCK_CHARACTERS = 16_384, 16_000_000  # bound the memory of a block to some 0.5 GB
BUFFER_TEXTS, _BUFFER_BYTES = 4_096, 1 << 22  # the same for a buffer, to some 50 MB
_KNOWN_WORDS, _KNOWN_CHARACTERS = 1 << 19, 64  # remembered, at most: some 0.1 GB


@dataclass(frozen=True)
class TokenRuns:
    """Tokens of n texts by their words.

    Attributes
    ----------
    words : (m,) int32
        Codes of the words of all texts one after the other.
    offsets : (n + 1,) int64
        Text i has the words ``words[offsets[i]:offsets[i + 1]]``.
    ids : (k,) int32
        Token ids of the distinct words one after the other.
    id_offsets : (distinct + 1,) int64
        Word w has the tokens ``ids[id_offsets[w]:id_offsets[w + 1]]``; a word that is removed has none.
    """

    words: NDArray[np.int32]
    offsets: NDArray[np.int64]
    ids: NDArray[np.int32]
    id_offsets: NDArray[np.int64]


class WordTokens:
    """Tokens of texts, each distinct word tokenised once and remembered.

    Parameters
    ----------
    tokenizer
        A ``tokenizers.Tokenizer`` of the BERT kind; see `embedder.pretokens`.
    threads
        1 tokenises on this thread; otherwise the tokenizer's own pool (``RAYON_NUM_THREADS``) works.

    Notes
    -----
    Several threads may ask at once. What is remembered changes no answer: it is forgotten when it grows too
    large, as it does where many words occur once.
    """

    def __init__(self, tokenizer: Any, *, threads: int | None = None) -> None:
        self._tokenizer = tokenizer
        self._threads = threads
        self._breaks = word_breaks(tokenizer)
        self._known: dict[str, bytes] = {}

    def runs(self, texts: TextBuffer) -> TokenRuns:
        """Tokens of a block of texts (see `buffers`), by their words."""
        found = split_words(texts, self._breaks)
        ids = self._ids(found.distinct)
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)) // 4
        id_offsets = np.concatenate([[0], np.cumsum(lengths)])
        return TokenRuns(found.words, found.offsets, np.frombuffer(b"".join(ids), np.int32), id_offsets)

    def _ids(self, words: list[str]) -> list[bytes]:
        """Ids of words as the bytes of int32 arrays: a tenth of the memory of lists, and joined at once."""
        found = list(map(self._known.get, words))
        missing = [row for row, ids in enumerate(found) if ids is None]
        fresh = self._tokenise([words[row] for row in missing])
        if len(self._known) + len(missing) > _KNOWN_WORDS:
            self._known.clear()
        for row, ids in zip(missing, fresh, strict=True):
            found[row] = ids
            if len(words[row]) <= _KNOWN_CHARACTERS:
                self._known[words[row]] = ids
        return [ids for ids in found if ids is not None]

    def _tokenise(self, words: list[str]) -> list[bytes]:
        if self._threads == 1:
            encoded = [self._tokenizer.encode(word, add_special_tokens=False) for word in words]
        else:
            encoded = self._tokenizer.encode_batch_fast(words, add_special_tokens=False)
        return [array("i", one.ids).tobytes() for one in encoded]


def tokenise(tokens: WordTokens, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Token ids of many texts.

    Returns
    -------
    The token ids of all texts one after the other, and n + 1 offsets of the texts in them. At most
    `MAX_TOKENS` ids a text, of its first `MAX_CHARACTERS` characters.
    """
    ids, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for buffer in buffers(texts):
        runs = tokens.runs(buffer)
        n_ids = np.diff(runs.id_offsets)[runs.words]
        flat, ends = _gather_runs(runs.ids, starts=runs.id_offsets[runs.words], lengths=n_ids)
        starts, stops = ends[runs.offsets[:-1]], ends[runs.offsets[1:]]
        lengths.append(np.minimum(stops - starts, MAX_TOKENS))
        ids.append(_gather_runs(flat, starts=starts, lengths=lengths[-1])[0])
    return np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])


def buffers(texts: Sequence[str] | pl.Series) -> Iterator[TextBuffer]:
    """Texts, cut to `MAX_CHARACTERS`, in blocks bounded in number and in bytes; a missing one is ``""``."""
    columns: Iterable[pl.Series]
    if isinstance(texts, pl.Series):
        columns = [texts.str.head(MAX_CHARACTERS)]
    else:
        columns = (pl.Series(block, dtype=pl.String) for block in text_blocks(texts))
    for column in columns:
        for _, part in to_buffer(column).parts(most_bytes=_BUFFER_BYTES, most_texts=BUFFER_TEXTS):
            yield part


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
    values: NDArray[np.int32], *, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """``values[start : start + length]`` of every run, one after the other, and the runs' offsets."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return values[np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])], offsets
