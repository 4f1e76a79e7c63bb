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

from clustering.benign_reference import packaged_text
from clustering.coverage import Library
from clustering.inputs import Input
from clustering.memory import MemoryPlan
from clustering.peak_memory import MEASURED
from clustering.registry import Known, registry_text
from clustering.run_settings import RunSettings
from clustering.stages import Clock
from clustering.tables import SCHEMA_VERSION
from embedder import Corpus, Encoder, load_account_key

RECIPE = 4  # raise it when the same log gives other tables: finished runs are then no longer the same run
_DECISIVE = ("covey", "faiss-cpu", "hdbscan", "numpy", "polars", "umap-learn")
_VERSIONS = (*_DECISIVE, "numba", "sentence-transformers")
# They say where things lie, what is refused, how the run is done, or which requests: those speak for
# themselves.
_INDIFFERENT = (
    "account_key",
    "columns",
    "force",
    "max_rejected_share",
    "patterns",
    "registry",
    "since",
    "threads",
    "until",
)
_CHUNK = 65_536  # rows hashed at a time
#: What a stage works on, row by row: a count of the manifest. The others have no rows.
WORKED_ON = {
    "read logs": "rows_read",
    "views": "prompts",
    "families": "prompts",
    "templates": "prompts",
    "signals": "requests",
    "campaigns": "prompts",
    "tables": "requests",
    "map": "prompts",
    "report": "requests",
}


def fingerprint(
    corpus: Corpus, settings: RunSettings, encoder: Encoder, *, registry: Sequence[Known], library: Library
) -> str:
    """Hash of what decides the result: requests, settings, what they name, encoder, versions; 32 hex digits.

    The same for the same rows in any order, split or format, and wherever they lie.
    """
    said = settings.plain()
    decisive = {name: value for name, value in said.items() if name not in _INDIFFERENT}
    digest = _digest(decisive, encoder, registry, library)
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
    models = requests["model_row"].cast(pl.Int64).fill_null(-1)
    rows = (requests[name] for name in ("prompt_row", "account_row", "principal_row"))
    for numbers in (*rows, times, models, *talks):
        digest.update(numbers.to_numpy().tobytes())
    return digest.hexdigest()


def command_fingerprint(
    inputs: Sequence[Input],
    settings: RunSettings,
    encoder: Encoder,
    *,
    registry: Sequence[Known],
    library: Library,
) -> str:
    """Hash of a command: its log files byte by byte, all settings but ``force``, what they name, versions.

    What one run has done, another of the same command may go on with. Known before a log is read; of the
    same rows in other files ``fingerprint`` knows that they are.
    """
    said = {name: value for name, value in settings.plain().items() if name != "force"}
    if settings.account_key is not None:  # what it holds decides, not where it lies
        said["account_key"] = hashlib.blake2b(key=load_account_key(settings.account_key)).hexdigest()
    files = [(each.path, each.size, each.blake2b) for each in inputs]
    return _digest([said, files], encoder, registry, library).hexdigest()


def _digest(
    decisive: object, encoder: Encoder, registry: Sequence[Known], library: Library
) -> hashlib.blake2b:
    """Hash so far: what is decisive of the settings, encoder, registry, patterns, reference and versions."""
    versions = [version(name) for name in _DECISIVE]
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([SCHEMA_VERSION, RECIPE, versions, encoder.fingerprint, decisive]).encode())
    digest.update(registry_text(registry).encode())
    digest.update(library.text.encode())
    digest.update(packaged_text().encode())
    return digest


def manifest(
    corpus: Corpus,
    settings: RunSettings,
    fingerprints: dict[str, str],
    clock: Clock,
    *,
    inputs: Sequence[Input],
    plan: MemoryPlan,
) -> dict[str, Any]:
    """The manifest so far: versions, settings, inputs, counts, and the stages that have ended."""
    digests = {each.path: each.blake2b for each in inputs}
    counts = {
        "rows_read": corpus.n_rows_read,
        "requests": corpus.requests.height,
        "rejected": corpus.rejected.height,
        "outside_period": corpus.n_outside,
        "prompts": corpus.prompts.height,
        "accounts": corpus.accounts.height,
        "principals": corpus.principals.height,
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": RECIPE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": clock.seconds,
        **fingerprints,
        "settings": settings.plain(),
        "versions": {name: version(name) for name in _VERSIONS},
        "inputs": [asdict(record) | {"blake2b": digests.get(record.path)} for record in corpus.files],
        "counts": counts,
        "memory_plan": asdict(plan),
        "memory_measured": MEASURED,
        "stages": [stage | _rate(stage, counts) for stage in clock.stages],
    }


def _rate(stage: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    """``rows`` that a stage worked on, their ``unit``, and ``rows_per_second`` on the clock; or nulls."""
    unit = WORKED_ON.get(stage["stage"])
    rows = None if unit is None else counts[unit]
    known = rows is not None and stage["seconds"] > 0
    return {
        "rows": rows,
        "unit": unit,
        "rows_per_second": round(rows / stage["seconds"], 1) if known else None,
    }
