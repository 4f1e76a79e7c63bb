"""The static encoder: the mean of token vectors distilled once from the packaged all-MiniLM-L6-v2.

A text's vector is the mean of its tokens' vectors in the order of the text, scaled to length 1 and rounded to
half precision (so that a cache of half the size gives the same bytes). It does not depend on the batch.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.distillation import TOKENIZER_FILE, WEIGHTS_FILE
from embedder.static_model import MANIFEST_FILE
from embedder.tokens import text_blocks, tokenise
from embedder.unit_rows import rounded_unit_rows

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
    sentence-transformers (and so torch) is loaded by the first `encode`, not before.
    """

    def __init__(self, folder: Path, *, threads: int | None) -> None:
        manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
        digest = hashlib.sha256(json.dumps([_ENCODING_VERSION, manifest["files"]]).encode()).hexdigest()
        self.fingerprint = f"static-{digest[:24]}"
        self.dim = int(manifest["recipe"]["pca_dims"])
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
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
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        start = 0
        for block in text_blocks(texts):
            with self._lock:
                vectors[start : start + len(block)] = self._encode_block(block)
            start += len(block)
        return vectors

    @cached_property
    def _module(self) -> Any:
        from safetensors.numpy import load_file

        weights = load_file(str(self._folder / WEIGHTS_FILE))["embedding.weight"].astype(np.float32)
        tokenizer = import_module("tokenizers").Tokenizer.from_file(str(self._folder / TOKENIZER_FILE))
        return _static_embedding_class()(tokenizer, embedding_weights=weights)

    def _encode_block(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        token_ids, offsets = tokenise(self._module.tokenizer, texts, threads=self._threads)
        with torch.inference_mode():
            features = {"input_ids": torch.from_numpy(token_ids), "offsets": torch.from_numpy(offsets[:-1])}
            means = self._module.forward(features)["sentence_embedding"].numpy()
        return rounded_unit_rows(means)


def _static_embedding_class() -> Any:
    """``StaticEmbedding`` of sentence-transformers, whose module moved in version 5.2."""
    for name in ("sentence_transformers.sentence_transformer.modules", "sentence_transformers.models"):
        try:
            return import_module(name).StaticEmbedding
        except ImportError:
            continue
    raise ImportError("sentence-transformers has no StaticEmbedding; pip install 'sentence-transformers>=4'")
