"""The words that a tokenizer of the BERT kind works on, found in UTF-8 by one compiled pass over the bytes.

Such a tokenizer (clean, set Chinese characters apart, lower-case, strip accents; then split at white space
and around punctuation; then WordPiece word by word) gives a text the tokens of its pieces in order, wherever
the text is cut at white space or around a character that stands alone. Which characters these are is asked of
the tokenizer itself, because its Unicode tables are not Python's: what they call unassigned it removes, and
"a" + it + "b" is one word. All other characters, also those that it removes, stay within a word. A square
bracket around capitals stays whole: a special token written out ("[SEP]") is one token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from embedder.text_buffer import TextBuffer
from embedder.words import compiled, decode

pa: Any = pyarrow  # its stubs do not know from_buffers

WITHIN, SPACE, ALONE = 0, 1, 2  # classes of a code point

_N_CODE_POINTS = 0x110000
_ASCII = range(0x80)
# What BERT calls Chinese characters, with what Unicode added since.
_HAN = (
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x2FA20),
)
_OTHER = (range(0x80, 0x3400), range(0xA000, 0xF900), range(0xFB00, 0x20000))
_BORDER = "0"  # a word in itself that no other character becomes


@dataclass(frozen=True)
class Pretokens:
    """Words of n texts.

    Attributes
    ----------
    words : (m,) int32
        Codes of the words of all texts one after the other: rows of `distinct`.
    offsets : (n + 1,) int64
        Text i has the words ``words[offsets[i]:offsets[i + 1]]``.
    distinct : list of str
        Each word once, in the order of first occurrence.
    """

    words: NDArray[np.int32]
    offsets: NDArray[np.int64]
    distinct: list[str]


def word_breaks(tokenizer: Any) -> NDArray[np.uint8]:
    """Class of every code point (WITHIN, SPACE or ALONE) by a ``tokenizers.Tokenizer``; takes 0.2 s.

    Returns
    -------
    Shape (0x110000,).

    Raises
    ------
    ValueError
        The tokenizer has a special token that is not capitals in square brackets.
    """
    for token in tokenizer.get_added_tokens_decoder().values():
        if not re.fullmatch(r"\[[A-Z]+\]", token.content):
            raise ValueError(
                f"tokenizer: special token {token.content!r}; give one whose special tokens are like '[SEP]'"
            )
    points = list(_candidates())
    probes = ["a" + chr(point) * 2 + "a" for point in points]
    if tokenizer.normalizer is not None:  # in one call: a call each takes four times as long
        probes = tokenizer.normalizer.normalize_str(_BORDER.join(probes)).split(_BORDER)
    table = np.zeros(_N_CODE_POINTS, np.uint8)
    for point, probe in zip(points, probes, strict=True):
        table[point] = _class(probe, tokenizer.pre_tokenizer)
    return table


def _candidates() -> Iterator[int]:
    """Code points that may be no part of a word: by Python's tables, and Chinese characters."""
    for point in chain(_ASCII, *_OTHER):
        if unicodedata.category(chr(point))[0] in "PSZ" or chr(point).isspace():
            yield point
    yield from chain(*_HAN)


def _class(probe: str, pre_tokenizer: Any) -> int:
    """Class of the character that stands twice between two letters, once the normaliser has been over it."""
    if len(probe) == 8 and probe[:2] == "a " and probe[3:5] == "  " and probe[6:] == " a":
        return ALONE  # set apart by the normaliser, as 80,000 are
    pieces = [piece for piece, _ in pre_tokenizer.pre_tokenize_str(probe)]
    if pieces == ["a", "a"]:
        return SPACE
    # A mark could change places with another one across the cut; none that stands alone is known.
    stands_alone = len(pieces) == 4 and len(pieces[1]) == 1 and unicodedata.combining(pieces[1]) == 0
    return ALONE if stands_alone else WITHIN


@compiled
def _split(data, offsets, breaks, held, ends, counts):  # type: ignore[no-untyped-def]
    """Copy the words of every text into ``held``; where each ends, and how many end by each text's end."""
    n, size = 0, 0
    for t in range(offsets.shape[0] - 1):
        i, end, begun = offsets[t], offsets[t + 1], size
        while i < end:
            point, length = decode(data, i)
            kind = breaks[point]
            if kind != WITHIN and size > begun:
                n, begun = n + 1, size
                ends[n] = size
            if kind == ALONE and point == 91:
                j = i + 1
                while j < end and 65 <= data[j] <= 90:
                    j += 1
                if j < end and data[j] == 93:
                    length = j + 1 - i
            if kind != SPACE:
                for k in range(i, i + length):
                    held[size] = data[k]
                    size += 1
            if kind == ALONE:
                n, begun = n + 1, size
                ends[n] = size
            i += length
        if size > begun:
            n += 1
            ends[n] = size
        counts[t + 1] = n
    return n


def split_words(texts: TextBuffer, breaks: NDArray[np.uint8]) -> Pretokens:
    """Words of texts by the classes of `word_breaks`.

    Parameters
    ----------
    texts
        n texts of at most 2**31 - 1 bytes together; five times that is held meanwhile at most.
    """
    n_bytes = len(texts.data)
    held, ends = np.empty(n_bytes, np.uint8), np.zeros(n_bytes + 1, np.int32)
    offsets = np.zeros(len(texts.offsets), np.int64)
    n = _split(texts.data, texts.offsets, breaks, held, ends, offsets)
    array = pa.StringArray.from_buffers(n, pa.py_buffer(ends[: n + 1]), pa.py_buffer(held[: ends[n]]))
    coded = array.dictionary_encode()
    # Arrow's own to_numpy would import pandas for this, and swallow a Ctrl-C meanwhile.
    numbers = np.frombuffer(coded.indices.buffers()[1], np.int32) if n else np.zeros(0, np.int32)
    return Pretokens(numbers[:n], offsets, coded.dictionary.to_pylist())
