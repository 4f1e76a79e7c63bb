"""What a run says of itself: the fingerprint of what decided it, and its manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import polars as pl

from clustering.registry import Known, registry_text
from clustering.run_settings import RunSettings
from clustering.stages import Clock
from clustering.tables import SCHEMA_VERSION
from embedder import Corpus, Encoder

RECIPE = 2  # raise it when the same log gives other tables: finished runs are then no longer the same run
_DECISIVE = ("covey", "faiss-cpu", "hdbscan", "numpy", "polars", "umap-learn")
_VERSIONS = (*_DECISIVE, "numba", "sentence-transformers")
# Say where things lie, what is refused or how the run is done.
_INDIFFERENT = ("columns", "force", "max_rejected_share", "registry", "threads")
_CHUNK = 65_536  # rows hashed at a time


def fingerprint(corpus: Corpus, settings: RunSettings, encoder: Encoder, *, registry: Sequence[Known]) -> str:
    """Hash of what decides the result: requests, settings, registry, encoder, versions; 32 hex digits.

    The same for the same rows in any order, split or format, and wherever they lie.
    """
    digest = hashlib.blake2b(digest_size=16)
    decisive = {name: value for name, value in asdict(settings).items() if name not in _INDIFFERENT}
    versions = [version(name) for name in _DECISIVE]
    digest.update(json.dumps([SCHEMA_VERSION, RECIPE, versions, encoder.fingerprint, decisive]).encode())
    digest.update(registry_text(registry).encode())
    for ids in (
        corpus.prompts["prompt_id"],
        corpus.requests["request_id"],
        corpus.accounts["account_id"],
        corpus.principals["principal_id"],
    ):
        for start in range(0, len(ids), _CHUNK):
            digest.update(json.dumps(ids.slice(start, _CHUNK).to_list()).encode())
        digest.update(b"\n")
    requests = corpus.requests
    times = requests["timestamp"].dt.epoch("us").fill_null(-1)
    talks = (requests[name].fill_null(0) for name in ("asked", "continues"))
    models = requests["model"].cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64)
    rows = (requests[name] for name in ("prompt_row", "account_row", "principal_row"))
    for numbers in (*rows, times, models, *talks):
        digest.update(numbers.to_numpy().tobytes())
    return digest.hexdigest()


def manifest(
    corpus: Corpus, settings: RunSettings, fingerprints: dict[str, str], clock: Clock
) -> dict[str, Any]:
    """The manifest so far: versions, settings, inputs, counts, and the stages that have ended."""
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": RECIPE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": clock.seconds,
        **fingerprints,
        "settings": {**asdict(settings), "columns": dict(settings.columns)},
        "versions": {name: version(name) for name in _VERSIONS},
        "inputs": [asdict(record) for record in corpus.files],
        "counts": {
            "rows_read": corpus.n_rows_read,
            "requests": corpus.requests.height,
            "rejected": corpus.rejected.height,
            "prompts": corpus.prompts.height,
            "accounts": corpus.accounts.height,
            "principals": corpus.principals.height,
        },
        "stages": clock.stages,
    }
