"""A run directory on disk: complete or absent, and never at the cost of files that no run wrote.

Everything is written into ``OUT.partial`` beside it, private to the user, and renamed at the end. What a
killed run left there is replaced by the next one; a folder that holds anything else is left alone, also with
``force``. Functions take ``resolved`` places: a link stays, and its target becomes the run directory.
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


def resolved(out: Path) -> Path:
    """The absolute place that `out` stands for, through links.

    Raises
    ------
    RunError
        Its links go round in a circle.
    """
    try:
        return out.resolve()
    except (OSError, RuntimeError) as error:  # a RuntimeError before Python 3.13
        raise RunError(f"{out}: leads nowhere ({error}); give another --out") from None


def check_place(out: Path, *, force: bool) -> None:
    """Refuse early a place that could not be taken at the end.

    Raises
    ------
    RunError
        `out` is a file, or a folder that no run made; or, with `force`, one that holds other files as well.
        Or a folder that is needed beside it is there and holds what no run wrote.
    """
    for beside in (_partial(out), _replaced(out)):
        if beside.is_symlink() or (beside.exists() and not beside.is_dir()):
            raise RunError(f"{beside}: is in the way; move it, or give another --out")
        if beside.exists():
            _refuse_strangers(beside)
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
    run = load_run(out)
    if run.manifest.get("fingerprint") != fingerprint:
        raise RunError(f"{out}: holds a run of other logs or settings; give another --out, or --force")
    return run


def fresh_partial(out: Path) -> Path:
    """An empty folder beside the run directory, readable by its owner alone.

    Raises
    ------
    RunError
        It cannot be written, or is there and holds what no run wrote.
    """
    partial = _partial(out)
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
    old = _replaced(out)
    if out.exists() and old.exists():
        shutil.rmtree(old)
    if out == Path.cwd():  # a shell that stands in the folder would stay behind in the replaced one
        _exchange(partial, out, old)
    else:
        if out.exists():
            out.rename(old)
        partial.rename(out)
    if old.exists():
        shutil.rmtree(old)


def _exchange(partial: Path, out: Path, old: Path) -> None:
    """Move the entries instead of the folder; without its manifest, last to come, it is no complete run."""
    old.mkdir(mode=0o700)
    for path in sorted(out.iterdir(), key=lambda path: path.name != MANIFEST):
        path.rename(old / path.name)
    out.chmod(0o700)
    for path in sorted(partial.iterdir(), key=lambda path: path.name == MANIFEST):
        path.rename(out / path.name)
    partial.rmdir()


def _partial(out: Path) -> Path:
    return out.parent / f"{out.name}.partial"


def _replaced(out: Path) -> Path:
    return out.parent / f"{out.name}.replaced.partial"


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON document, as UTF-8 with a line end."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _refuse_strangers(folder: Path) -> None:
    strangers = sorted({path.name for path in folder.iterdir()} - CONTENTS)
    if strangers:
        raise RunError(
            f"{folder}: holds files that no run wrote ({strangers[0]}); move them, or give another --out"
        )
