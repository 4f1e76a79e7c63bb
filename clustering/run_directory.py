"""A run directory on disk: complete or absent, and never at the cost of files that no run wrote.

Everything is written into ``OUT.partial`` beside it, private to the user, and renamed at the end. What a
killed run left there is replaced by the next one; a folder that holds anything else is left alone, also with
``force``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from clustering.results import MANIFEST, TABLES, Run, RunError, load_run

REPORT = "report.html"
INDEX = "index"
CONTENTS = frozenset({MANIFEST, REPORT, INDEX, *(f"{name}.parquet" for name in TABLES)})


def check_place(out: Path, *, force: bool) -> None:
    """Refuse early a place that could not be taken at the end.

    Raises
    ------
    RunError
        `out` is a file, or a folder that no run made; or, with `force`, one that holds other files as well.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out}: is a file; give another --out")
    names = {path.name for path in out.iterdir()}
    if not names:
        return
    if MANIFEST not in names:
        raise RunError(f"{out}: holds files but no run; give another --out")
    if force:
        _refuse_strangers(out)


def finished_run(out: Path, fingerprint: str, *, force: bool) -> Run | None:
    """The run of this fingerprint that is there already; None when one is to be made.

    Raises
    ------
    RunError
        A run of other logs or settings is there, and not `force`.
    """
    if force or not out.is_dir() or not any(out.iterdir()):
        return None
    if load_run(out).manifest.get("fingerprint") != fingerprint:
        raise RunError(f"{out}: holds a run of other logs or settings; give another --out, or --force")
    return load_run(out)


def fresh_partial(out: Path) -> Path:
    """An empty folder beside the run directory, readable by its owner alone.

    Raises
    ------
    RunError
        It cannot be written, or is there and holds what no run wrote.
    """
    partial = out.with_name(out.name + ".partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if partial.exists():
            _refuse_strangers(partial)
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise RunError(f"{partial}: cannot be written ({error.strerror}); give another --out") from None
    return partial


def publish(partial: Path, out: Path) -> None:
    """Put the complete folder in its place; a run that it replaces goes only then."""
    old = out.with_name(out.name + ".replaced.partial")
    if out.exists():
        if old.exists():
            shutil.rmtree(old)
        out.rename(old)
    partial.rename(out)
    if old.exists():
        shutil.rmtree(old)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON document, as UTF-8 with a line end."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _refuse_strangers(folder: Path) -> None:
    strangers = sorted({path.name for path in folder.iterdir()} - CONTENTS)
    if strangers:
        raise RunError(
            f"{folder}: holds files that no run wrote ({strangers[0]}); move them, or give another --out"
        )
