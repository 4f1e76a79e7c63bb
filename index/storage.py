"""An engine on disk: ``index.faiss`` and the ``index.json`` that describes it.

Each file is written beside its place and renamed; ``index.json`` last, with the checksum of the other, so
that a half-written pair is seen for what it is. FAISS reads a file only after its checksum was verified.
"""

from __future__ import annotations

import errno
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import faiss

FORMAT_VERSION = 1
_FACTS = {"kind": str, "dim": int, "n_vectors": int, "recall": float, "sha256": str}


def write_engine(folder: Path, engine: Any, facts: dict[str, Any]) -> None:
    """Write the engine and its facts into `folder`, which is created when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        _write(engine, temporary)
        full = {"format": FORMAT_VERSION, **facts, "sha256": _sha256(temporary)}
        temporary.replace(folder / "index.faiss")
        temporary.write_text(json.dumps(full, indent=2) + "\n", "utf-8")
        temporary.replace(folder / "index.json")
    finally:
        temporary.unlink(missing_ok=True)


def _write(engine: Any, path: Path) -> None:
    try:
        faiss.write_index(engine, str(path))
    except RuntimeError as error:  # a full or broken disk; FAISS has the system's reason in its text
        raise OSError(errno.EIO, str(error).splitlines()[0], str(path)) from error


def read_engine(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The engine and its facts.

    Raises
    ------
    ValueError
        A file is missing, damaged, or of another format version.
    """
    facts_path, engine_path = folder / "index.json", folder / "index.faiss"
    try:
        facts = json.loads(facts_path.read_bytes())
        version = facts["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{facts_path}: missing or damaged ({error}); build the index again") from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{facts_path}: format {version}, this version reads {FORMAT_VERSION}; build it again"
        )
    for name, kind in _FACTS.items():
        if not isinstance(facts.get(name), kind):
            raise ValueError(f"{facts_path}: {name} is {facts.get(name)!r}; build the index again")
    if not engine_path.is_file() or _sha256(engine_path) != facts["sha256"]:
        raise ValueError(f"{engine_path}: missing or damaged; build the index again")
    return faiss.read_index(str(engine_path)), facts


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
