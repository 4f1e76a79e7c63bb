"""The static encoder: the mean of token vectors distilled once from the packaged all-MiniLM-L6-v2.

A text's vector is the mean of its tokens' vectors in the order of the text, scaled to length 1 and rounded to
half precision. It does not depend on the batch.

The tokenizer sees each distinct word once (``embedder.tokens``); what a text costs beside that is to find its
words and to add its tokens' vectors, both compiled: some 6 microseconds of a core for 26 words, no more than
to look a vector up. So nothing is cached.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from embedder.distillation import TOKENIZER_FILE, WEIGHTS_FILE
from embedder.static_model import MANIFEST_FILE
from embedder.text_buffer import TextBuffer
from embedder.tokens import BUFFER_TEXTS, MAX_TOKENS, WordTokens, buffers
from embedder.unit_rows import half_unit_rows
from embedder.words import compiled

_ENCODING_VERSION = 1  # part of the fingerprint: raise it when the same text gets another vector


class StaticEncoder:
    """Encoder by distilled token vectors. Get one from `load_encoder`.

    Attributes
    ----------
    fingerprint
        Hash of the weights, the tokenizer and the way of encoding: equal fingerprints give equal vectors.
    dim
        Number of dimensions, 256.

    Notes
    -----
    Weights and tokenizer are loaded by the first `encode`, not before. Several threads may encode at once.
    Scripts without spaces between words (Thai, kana) come in long runs that hardly recur, and so at the speed
    of the tokenizer.
    """

    def __init__(self, folder: Path, *, threads: int | None) -> None:
        manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
        digest = hashlib.sha256(json.dumps([_ENCODING_VERSION, manifest["files"]]).encode()).hexdigest()
        self.fingerprint = f"static-{digest[:24]}"
        self.dim = int(manifest["recipe"]["pca_dims"])
        self._folder = folder
        self._threads = threads

    def encode(self, texts: Sequence[str] | pl.Series) -> NDArray[np.float32]:
        """Encode texts.

        Parameters
        ----------
        texts
            Any strings; beyond 65,536 characters or 8,192 tokens the rest is not read (window long texts).

        Returns
        -------
        Shape (n, dim), rows of length 1 within 1e-3, values representable in half precision; a zero row for a
        text without a known token. A row depends on its text alone: not on the batch, its order or the
        threads.
        """
        vectors = np.empty((len(texts), self.dim), dtype=np.float16)
        self.encode_into(texts, vectors)
        return vectors.astype(np.float32)

    def encode_into(self, texts: Sequence[str] | pl.Series, out: NDArray[np.float16]) -> None:
        """Encode texts as `encode` does, into the rows of an array or of a mapped file.

        Parameters
        ----------
        texts
            n strings; a series makes no Python object of a text.
        out
            Shape (n, dim).
        """

        def work(start: int) -> None:
            for buffer in buffers(texts[start : start + BUFFER_TEXTS]):
                stop = start + len(buffer)
                out[start:stop] = self._encode_block(buffer)
                start = stop

        starts = range(0, len(texts), BUFFER_TEXTS)
        if self._threads == 1 or len(starts) < 2:
            for start in starts:
                work(start)
            return
        with ThreadPoolExecutor(self._threads or os.cpu_count()) as pool:
            for _ in pool.map(work, starts):
                pass

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        from safetensors.numpy import load_file

        weights: NDArray[np.float16] = load_file(str(self._folder / WEIGHTS_FILE))["embedding.weight"]
        return weights.astype(np.float32)

    @cached_property
    def _tokens(self) -> WordTokens:
        tokenizer = import_module("tokenizers").Tokenizer.from_file(str(self._folder / TOKENIZER_FILE))
        return WordTokens(tokenizer, threads=self._threads)

    def _encode_block(self, texts: TextBuffer) -> NDArray[np.float16]:
        runs = self._tokens.runs(texts)
        means = np.zeros((len(texts), self.dim), np.float32)
        _mean(runs.words, runs.offsets, runs.ids, runs.id_offsets, self._weights, MAX_TOKENS, means)
        return half_unit_rows(means)


@compiled
def _mean(words, offsets, ids, id_offsets, weights, limit, out):  # type: ignore[no-untyped-def]
    """Mean of the vectors of each text's first `limit` tokens, added in the order of the text."""
    for t in range(out.shape[0]):
        n = 0
        for w in range(offsets[t], offsets[t + 1]):
            first = id_offsets[words[w]]
            last = min(id_offsets[words[w] + 1], first + limit - n)
            for i in range(first, last):
                token = ids[i]
                for d in range(out.shape[1]):
                    out[t, d] += weights[token, d]
            n += last - first
        if n > 0:
            for d in range(out.shape[1]):
                out[t, d] /= np.float32(n)
