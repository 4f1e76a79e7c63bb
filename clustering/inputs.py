"""The log files of a run as they lie on the disk: what each holds, and whether it stays so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clustering.memory import reading_bytes
from clustering.run_settings import RunSettings
from embedder import Corpus, LogError, build_corpus, load_account_key
from embedder.reading import Source, find_sources

_PIECE = 1 << 24


@dataclass(frozen=True)
class Input:
    """A log file: its path, size in bytes, BLAKE2b-128 in hex, and when it was last changed (ns)."""

    path: str
    size: int
    blake2b: str
    changed: int


def read_inputs(
    paths: Sequence[str | Path], *, on_bytes: Callable[[int, int], None] | None = None
) -> tuple[Input, ...]:
    """Checksums of the log files, sorted by path.

    Parameters
    ----------
    paths
        Files, folders or globs; see ``embedder.reading.find_sources``.
    on_bytes
        Told how many bytes have been read, and of how many, every 16 MiB.

    Raises
    ------
    embedder.LogError
        No files, or one that cannot be read.
    """
    sources = find_sources(list(paths))
    n_bytes, total = 0, sum(source.size for source in sources)

    def told(n: int) -> None:
        nonlocal n_bytes
        n_bytes += n
        if on_bytes is not None:
            on_bytes(n_bytes, total)

    return tuple(_input(source, told) for source in sources)


def check_unchanged(inputs: Sequence[Input]) -> None:
    """Refuse logs that somebody wrote to since ``read_inputs``.

    Raises
    ------
    embedder.LogError
        A file has another size or time, or is gone.
    """
    for one in inputs:
        try:
            now = Path(one.path).stat()
        except OSError as error:
            raise LogError(f"{one.path}: cannot be read any more ({error.strerror}); run again") from None
        if (now.st_size, now.st_mtime_ns) != (one.size, one.changed):
            raise LogError(f"{one.path}: changed while it was read; run again when nobody writes to it")


def read_corpus(
    paths: Sequence[str | Path],
    settings: RunSettings,
    *,
    folder: Path | None = None,
    on_batch: Callable[[int, int], None] | None = None,
    on_part: Callable[[int, int], None] | None = None,
) -> Corpus:
    """The corpus of a run with these settings; see ``embedder.build_corpus``."""
    key = None if settings.account_key is None else load_account_key(settings.account_key)
    return build_corpus(
        paths,
        columns=dict(settings.columns),
        redact=settings.redact,
        account_key=key,
        max_rejected_share=settings.max_rejected_share,
        since=settings.since,
        until=settings.until,
        folder=folder,
        memory=reading_bytes(settings.memory),
        on_batch=on_batch,
        on_part=on_part,
    )


def _input(source: Source, told: Callable[[int], None]) -> Input:
    digest, size = hashlib.blake2b(digest_size=16), 0
    try:
        with Path(source.path).open("rb") as file:
            changed = Path(source.path).stat().st_mtime_ns
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                told(len(piece))
    except OSError as error:
        raise LogError(
            f"{source.path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    return Input(source.path, size, digest.hexdigest(), changed)
