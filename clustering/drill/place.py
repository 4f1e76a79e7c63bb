"""Where a drill lies on disk: complete or absent, private, and never at the cost of anybody's files.

Work happens in ``OUT.partial`` beside it, which a killed drill leaves for the next one. Functions take places
without links (``clustering.run_directory.resolved``).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from clustering.drill.results import RESULT
from clustering.results import RunError
from clustering.run_directory import partial_of, refuse_among_logs, replaced_of
from clustering.run_directory import publish as put_in_place
from embedder.reading import find_sources

BASELINE = "baseline"
PLANTING = "share_"  # how the folder of a planting begins


def log_files(logs: Sequence[str | Path], out: Path) -> list[str]:
    """The files behind the logs, as they are now, so that no run reads what this one writes.

    Raises
    ------
    embedder.LogError
        No files are there.
    RunError
        `out` lies in one of the logs' folders, or holds a log.
    """
    refuse_among_logs(out, logs)
    return [source.path for source in find_sources(list(logs))]


def _is_ours(name: str) -> bool:
    return name in (RESULT, BASELINE) or name.startswith((f"{BASELINE}.", PLANTING, f"{RESULT}."))


def _refuse_strangers(folder: Path) -> None:
    strangers = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
    if strangers:
        raise RunError(f"{folder}: holds files that no drill wrote ({strangers[0]}); give another --out")


def check_place(out: Path, *, force: bool) -> None:
    """Refuse early a place that could not be taken at the end.

    Raises
    ------
    RunError
        `out` or a folder that is needed beside it is no folder, or holds what no drill wrote.
    """
    for folder in (out, partial_of(out), replaced_of(out)):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise RunError(f"{folder}: is in the way; move it, or give another --out")
        if folder.is_dir():
            _refuse_strangers(folder)
    if out.is_dir() and any(out.iterdir()) and not force and not (out / RESULT).is_file():
        raise RunError(f"{out}: holds files but no finished drill; give another --out, or --force")


def publish(folder: Path, out: Path, *, keep: bool) -> None:
    """Put the finished drill in its place, without what only going on needs."""
    for path in folder.iterdir():
        if path.is_dir() and not keep:
            shutil.rmtree(path)
        elif path.is_file() and path.name != RESULT:
            path.unlink()
    put_in_place(folder, out, marker=RESULT)
