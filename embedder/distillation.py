"""The child process that distils the static encoder.

Run as ``python -P -m embedder.distillation FOLDER MODEL RECIPE``.

Contract: reads a local sentence-transformers folder, writes ``model.safetensors`` (``embedding.weight``,
float16, one row per token) and ``tokenizer.json`` into FOLDER, never asks the network, exits 0 or says why on
stderr. It is a process of its own because model2vec draws a progress bar, transformers prints a report, and
thread counts and offline switches are settings of a whole process: the caller's stay as they were, and its
memory too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# Distillation is Zipf's law (SIF weights) over the principal components of each token's own sentence vector.
RECIPE: dict[str, Any] = {
    "pca_dims": 256,
    "sif_coefficient": 1e-4,
    "token_remove_pattern": r"\[unused\d+\]",
    "pooling": "mean",
}
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"


def distil(model_folder: Path, target: Path) -> None:
    """Distil a local model into ``target`` in a child process.

    Parameters
    ----------
    model_folder
        Folder of a sentence-transformers model.
    target
        Existing folder; receives the two files.

    Notes
    -----
    One thread, so that the bytes do not depend on the number of cores (one and two threads gave the same
    bytes); other processors may round the last bit differently, which is why fingerprints are taken from the
    result.

    Raises
    ------
    RuntimeError
        The child failed; the message ends with its last line.
    """
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    environment = (
        os.environ | quiet | {"PYTHONPATH": os.pathsep.join(path for path in _import_paths() if path)}
    )
    command = [sys.executable, "-P", "-m", __name__, str(target), str(model_folder), json.dumps(RECIPE)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"distilling the static encoder from {model_folder} failed: {last}")


def _import_paths() -> list[str]:
    """Where the child looks for packages: where this package is, then where this process looks."""
    return [str(Path(__file__).resolve().parent.parent), *sys.path]


def _distil_here(target: Path, model_folder: str, recipe: dict[str, Any]) -> None:
    """Distil in this process and write the two files."""
    import numpy as np
    import torch
    from model2vec.distill import distill
    from safetensors.numpy import save_file

    torch.set_num_threads(1)
    model = distill(model_folder, device="cpu", quantize_to="float16", trust_remote_code=False, **recipe)
    weights = np.ascontiguousarray(model.embedding, dtype=np.float16)
    # An unknown token says nothing: a zero row leaves it out of the mean's direction.
    if model.unk_token_id is not None:
        weights[model.unk_token_id] = 0
    tokenizer = model.tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    save_file({"embedding.weight": weights}, str(target / WEIGHTS_FILE))
    tokenizer.save(str(target / TOKENIZER_FILE))


if __name__ == "__main__":
    _distil_here(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
