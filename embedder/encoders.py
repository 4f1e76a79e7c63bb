"""Encoders: from texts to unit vectors.

Contract: ``"static"`` and ``"transformer"`` are packaged and never ask the network; another name may, when it
is not on this machine. No remote code is run, ever. Importing this module loads neither torch nor
sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns texts into unit vectors.

    Attributes
    ----------
    fingerprint
        Equal fingerprints give equal vectors; letters, digits, ``-``, ``_`` and ``.``. Cached vectors are
        kept by it.
    dim
        Number of dimensions.
    """

    fingerprint: str
    dim: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts: shape (n, dim), rows of length 1, or zero for a text that says nothing.

        A row must depend on its text alone, not on the batch.
        """
        ...


def load_encoder(
    name: str = "static",
    *,
    device: str | None = None,
    cache_dir: Path | None = None,
    threads: int | None = None,
    on_status: Callable[[str], None] | None = None,
) -> Encoder:
    """Load an encoder by name.

    Parameters
    ----------
    name
        ``"static"`` (token vectors distilled once from the packaged model, CPU), ``"transformer"`` (the
        packaged model itself), a folder of a sentence-transformers model, or a name at the Hugging Face hub.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``...; None takes CUDA where there is one. The static encoder always
        works on the CPU.
    cache_dir
        Where the distilled model is kept; default ``$COVEY_CACHE``, else the user's cache folder.
    threads
        CPU threads of an `encode`; None leaves torch and the tokenizer as they are.
    on_status
        Called with one line before anything that takes long.

    Raises
    ------
    ValueError
        `name` is no model and no folder of one, the hub does not know it or cannot be reached, or there is no
        such `device`.
    RuntimeError
        The distillation of the static encoder failed.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads={threads}: give at least 1, or None for all cores")
    if name == "static":
        from embedder.static_encoder import StaticEncoder
        from embedder.static_model import static_model_folder

        folder = static_model_folder(cache_dir=cache_dir, on_status=on_status)
        return StaticEncoder(folder, threads=threads)
    from embedder.transformer_encoder import load_transformer

    return load_transformer(name, device=device, threads=threads, on_status=on_status)
