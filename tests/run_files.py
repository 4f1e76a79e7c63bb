"""Run directories put together by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from clustering.durable import seal_all
from clustering.tables import SCHEMA_VERSION


def seal_run(folder: Path, **said: object) -> None:
    """Make a complete run of a folder's files: write the manifest that seals them, with what else it says."""
    sealed = seal_all(sorted(folder.iterdir()), below=folder)
    files = {name: asdict(seal) for name, seal in sealed.items()}
    manifest = {"schema_version": SCHEMA_VERSION, "files": files, **said}
    (folder / "manifest.json").write_text(json.dumps(manifest))
