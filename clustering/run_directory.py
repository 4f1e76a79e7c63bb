"""A run directory on disk: complete or absent, and never at the cost of files that no run wrote.

Everything is written into ``OUT.partial`` beside it, private to the user, and moved at the end; the manifest,
which makes it a complete run, is the last file to come and the last to move. What a killed run left there is
gone on with by the same command (``clustering.checkpoints``) and replaced by another; one that was killed
while it moved is moved first of all. A folder that holds anything else is left alone, also with ``force``.
``OUT.lock`` keeps a second run out for as long as one is at work, and goes with its process.

Functions take ``resolved`` places: a link stays, and its target becomes the run directory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from clustering import checkpoints
from clustering.durable import is_whole, sync_folder
from clustering.results import MANIFEST, TABLES, Run, RunError, load_run
from embedder import default_cache_dir
from embedder.reading import find_sources

REPORT = "report.html"
INDEX = "index"
CONTENTS = frozenset({MANIFEST, REPORT, INDEX, *(f"{name}.parquet" for name in TABLES)})
_WORK = CONTENTS | {
    checkpoints.FOLDER,
    checkpoints.SCRATCH,
    *(f"{name}.partial" for name in (MANIFEST, REPORT)),
}


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


def refuse_among_logs(out: Path, logs: Sequence[str | Path]) -> None:
    """Refuse a place where a run would read what it writes.

    Raises
    ------
    embedder.LogError
        No log files are there.
    RunError
        `out` lies in one of the logs' folders, or holds a log.
    """
    sources = find_sources(list(logs))
    if any(Path(log).is_dir() and Path(log).resolve() in (out, *out.parents) for log in logs):
        raise RunError(f"{out}: lies among the logs; give an --out beside them")
    for source in sources:
        if {out, partial_of(out)}.intersection(Path(source.path).resolve().parents):
            raise RunError(
                f"{out}: holds what would be read as a log ({source.path}); give an --out beside the logs"
            )


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Keep the place to oneself, on this machine and wherever the file system knows of locks.

    Raises
    ------
    RunError
        Another process is at work there, or nothing can be written beside it.
    """
    place = lock_of(out)
    fresh = [folder for folder in out.parents if not folder.exists()]
    lock = FileLock(place, timeout=0, mode=0o600)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunError(f"{out}: another run is at work there; wait for it, or give another --out") from None
    except OSError as error:
        raise RunError(f"{place}: cannot be written ({error.strerror}); give another --out") from None
    try:
        yield
    finally:
        place.unlink(missing_ok=True)  # first: who waits for the file notices that it is gone
        lock.release()
        for folder in fresh:  # nearest first; what holds a run now stays
            with suppress(OSError):
                folder.rmdir()


def check_place(out: Path, *, force: bool) -> None:
    """Refuse early a place that could not be taken at the end.

    Raises
    ------
    RunError
        `out` is a file, or a folder that no run made; or, with `force`, one that holds other files as well.
        Or its name is not UTF-8, or a disk is mounted there: the finished run comes there by a rename.
        Or a folder that is needed beside it is there and holds what no run wrote.
    """
    try:
        str(out).encode()
    except UnicodeEncodeError:
        raise RunError(f"{out}: its name is not UTF-8; give another --out") from None
    if out.is_mount():
        raise RunError(
            f"{out}: a disk is mounted there, and a run replaces its folder whole; give one below it"
        )
    for beside in (partial_of(out), replaced_of(out)):
        if beside.is_symlink() or (beside.exists() and not beside.is_dir()):
            raise RunError(f"{beside}: is in the way; move it, or give another --out")
        if beside.exists():
            _refuse_strangers(beside, ours=_WORK)
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


def run_there(out: Path) -> Run | None:
    """The complete run that is there, None where there is none.

    Raises
    ------
    RunError
        It cannot be read.
    """
    return load_run(out) if out.is_dir() and any(out.iterdir()) else None


def check_whole(run: Run) -> None:
    """Compare every file of a run with its manifest.

    Raises
    ------
    RunError
        One is missing or damaged.
    """
    for name, sealed in run.seals.items():
        if not is_whole(run.path / name, sealed):
            raise RunError(f"{run.path / name}: missing or damaged; run again with --force")


@contextmanager
def going_on(out: Path) -> Iterator[None]:
    """What the system refuses while a run is made, as one line that says how to go on.

    Raises
    ------
    RunError
        No room on the disk, a disk that fails, no memory.
    """
    again = "give the same command again: it goes on after its last whole stage"
    try:
        yield
    except OSError as error:
        where = error.filename or partial_of(out)
        hint = " (COVEY_CACHE names another cache)" if _is_cached(Path(where)) else ""
        raise RunError(f"{where}: {error.strerror or error}{hint}; mend that and {again}") from error
    except MemoryError as error:
        raise RunError(f"{out}: out of memory ({error}); free some and {again}") from error


def _is_cached(path: Path) -> bool:
    return default_cache_dir() in path.parents


def work_folder(out: Path) -> Path:
    """The folder beside the place in which the work happens, its owner's alone, with what was left there.

    Raises
    ------
    RunError
        It cannot be written.
    """
    partial = partial_of(out)
    try:
        partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.chmod(0o700)
    except OSError as error:
        raise RunError(f"{partial}: cannot be written ({error.strerror}); give another --out") from None
    return partial


def finish_moving(out: Path) -> None:
    """Publish a complete run that a killed process left beside its place."""
    partial = partial_of(out)
    if (partial / MANIFEST).is_file():
        kept = Run(partial).seals
        for path in partial.iterdir():  # stages, and what writing one file left
            if path.name != MANIFEST and not any(name.split("/")[0] == path.name for name in kept):
                _delete(path)
        publish(partial, out, marker=MANIFEST)
    elif (out / MANIFEST).is_file():  # all has moved
        if replaced_of(out).is_dir():
            shutil.rmtree(replaced_of(out))
        if partial.is_dir() and not any(partial.iterdir()):
            partial.rmdir()


def publish(partial: Path, out: Path, *, marker: str) -> None:
    """Put the complete folder in its place; what it replaces goes only then.

    A folder that is there stays the same folder (a shell may stand in it) and is a complete one of its kind
    only while it holds the file `marker`: that one leaves first and comes last. Whoever was killed in
    between calls it again.
    """
    if not out.exists():
        partial.rename(out)
        sync_folder(out.parent)
        return
    old = replaced_of(out)
    old.mkdir(mode=0o700, exist_ok=True)
    there = {path.name for path in out.iterdir()}
    if marker not in there:  # begun before: what has moved in already is the new one's
        there &= {path.name for path in partial.iterdir()}
    for name in sorted(there, key=lambda name: name != marker):
        _delete(old / name)
        (out / name).rename(old / name)
    out.chmod(0o700)
    for path in sorted(partial.iterdir(), key=lambda path: path.name == marker):
        path.rename(out / path.name)
    sync_folder(out)
    partial.rmdir()
    shutil.rmtree(old)
    sync_folder(out.parent)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def partial_of(out: Path) -> Path:
    """Where the work happens, beside the place."""
    return out.parent / f"{out.name}.partial"


def replaced_of(out: Path) -> Path:
    """Where what is replaced waits until the new one is in its place."""
    return out.parent / f"{out.name}.replaced.partial"


def lock_of(out: Path) -> Path:
    """The file that keeps others out."""
    return out.parent / f"{out.name}.lock"


def _refuse_strangers(folder: Path, *, ours: frozenset[str] = CONTENTS) -> None:
    strangers = sorted({path.name for path in folder.iterdir()} - ours)
    if strangers:
        raise RunError(
            f"{folder}: holds files that no run wrote ({strangers[0]}); move them, or give another --out"
        )
