"""Logs to corpus: every request, joined to the distinct prompt it asks, its account and its principal.

Contract
--------
- No usable request is thrown away: requests that ask the same thing share a prompt row and keep their own
  account and time. Rows that cannot be used are listed with file, number and reason.
- The same rows in any order, split over any files, in any format give byte-identical tables (``files`` and
  ``rejected`` apart, which speak of the files), whatever ``memory`` allows.
- Cost grows linearly with the rows. The rows pass through files, sorted into partitions of ``prompt_id``, and
  the tables are mapped files. Memory holds what ``memory`` allows, eight bytes a request, and the names of
  accounts, organisations and models.
- What is to stay private is replaced batch by batch, before anything is compared, kept or written.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from embedder.assembly import TABLES, assemble
from embedder.column_files import TextFiles, mapped_frame, mapped_texts, write_frame
from embedder.intake import FileRecord, Intake, Wanted, read_in
from embedder.text_buffer import TextBuffer

_SAID = "corpus.json"
_COUNTS = ("n_rows_read", "n_outside", "n_made_ids", "n_renamed_ids")
# Copies, in one form or another, of the rows that are worked on at a time.
_COPIES = 8


@dataclass(frozen=True, eq=False)
class Corpus:
    """Requests and the distinct prompts they ask.

    Attributes
    ----------
    prompts
        A row per distinct normal form of (system prompt, prompt), sorted by ``prompt_id``: ``prompt_id`` (32
        hex digits, BLAKE2b-128 of both normal forms, parted by U+001E), ``system_prompt`` and ``prompt``
        (originals as sent: the most frequent pair, ties to the smallest; system prompt null when there is
        none), ``n_requests`` and ``n_variants`` (distinct originals), Int64.
    texts
        Normal forms of the prompts, row by row, as they are compared: see ``embedder.views.whole_texts``.
    requests
        A row per request, sorted by prompt_row, timestamp (nulls last), account_row, request_id:
        ``request_id`` (distinct), ``prompt_row``, ``account_row``, ``principal_row`` (UInt32, positions in
        the other tables), ``timestamp`` (UTC microseconds or null), ``model_row`` (UInt32), ``output_tokens``
        (Int64), ``session_id`` (null where unknown); ``asked`` and ``continues`` (UInt64), hashes of the
        conversation that it asks and of the one that it goes on with, null where it holds little text or the
        log has no messages: see ``embedder.reading.conversations``.
    accounts
        ``account_id``, sorted.
    principals
        ``principal_id``, sorted: ``org:…`` where a request names an organisation, else ``account:…``.
    models
        ``model``, sorted.
    rejected
        ``file``, ``row`` (from 1), ``reason``, sorted.
    n_rows_read
        Records read, rejected ones and those outside the period included.
    n_outside
        Good records left out because they lie outside ``since`` … ``until``, or have no time while one is
        given.
    n_made_ids, n_renamed_ids
        Requests without an identifier, and those whose identifier another request has too.
    files
        The files read, sorted by path.
    """

    prompts: pl.DataFrame
    texts: TextBuffer
    requests: pl.DataFrame
    accounts: pl.DataFrame
    principals: pl.DataFrame
    models: pl.DataFrame
    rejected: pl.DataFrame
    n_rows_read: int
    n_outside: int
    n_made_ids: int
    n_renamed_ids: int
    files: tuple[FileRecord, ...]
    # Where files of its own are, which go with it. No field: a changed copy has none.
    _home: ClassVar[Path | None] = None

    def save(self, folder: Path) -> None:
        """Put the tables into a folder, for ``load_corpus``.

        Files of this corpus' own move there, by renaming on the same file system; the tables stay valid, here
        and after it. Of a corpus without, or whose files have moved already, they are written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if self._home is not None and (self._home / _SAID).exists():
            for path in sorted(self._home.iterdir()):
                _move(path, folder / path.name)
            return
        for name in TABLES:
            write_frame(folder / f"{name}.arrow", getattr(self, name))
        texts = TextFiles(folder, "texts")
        for _, part in self.texts.parts():
            texts.append(part)
        texts.close()
        _describe(folder, self.files, {name: getattr(self, name) for name in _COUNTS})


def build_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    max_rejected_share: float = 0.5,
    since: datetime | None = None,
    until: datetime | None = None,
    redact: bool = False,
    account_key: bytes | None = None,
    folder: Path | None = None,
    memory: int = 1 << 30,
    on_batch: Callable[[int, int], None] | None = None,
    on_part: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Read logs and collapse their requests onto distinct prompts.

    Parameters
    ----------
    paths
        Files, folders or globs; see ``embedder.reading.read_logs``.
    columns
        Canonical name to the log's name, e.g. ``{"prompt": "body.text"}``.
    max_rejected_share
        Share of bad records, in [0, 1], above which the log as a whole is refused: at its end, or as soon as
        more than a million are bad and more than this share of those read.
    since, until
        Keep requests at ``since`` or later, and before ``until``; naive times are UTC.
    redact
        Put placeholders for personal data and secrets in prompts, system prompts, reasons and errors; see
        ``embedder.redaction``.
    account_key
        Hash accounts, organisations and sessions with this key, of 1 to 64 bytes; see
        ``embedder.account_keys``. ``request_id`` stays, to join results back to the logs.
    folder
        Where a folder of files is made, about as large as the logs without compression, and twice that for a
        while; the system's place for temporary files by default. It goes with the corpus, and with an error.
    memory
        Bytes that the work may take, beside eight a request and the names of accounts, organisations and
        models; the result does not depend on it.
    on_batch
        Called after each batch with its records and the bytes of the file they took; the bytes sum to the
        files' sizes.
    on_part
        Called while the tables are put together, after the last batch: the parts done, and all.

    Returns
    -------
    Corpus
        The same for the same rows, whatever their order, files and format.

    Raises
    ------
    LogError
        The log cannot be used: see ``read_logs``; also too many bad records, or no good one.
    ValueError
        ``max_rejected_share`` outside [0, 1], or no memory.
    OSError
        No room for the files.
    """
    if not 0 <= max_rejected_share <= 1:
        raise ValueError(f"max_rejected_share: {max_rejected_share} is no share; give a number from 0 to 1")
    if memory < 1:
        raise ValueError(f"memory: {memory} bytes hold nothing; give at least 1")
    wanted = Wanted(max_rejected_share, since, until, redact, account_key)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="covey-corpus-", dir=folder))
    try:
        work = home / "work"
        work.mkdir()
        with Intake(work, most_bytes=max(1, memory // _COPIES)) as intake:
            told = read_in(paths, intake, wanted, columns=columns, on_batch=on_batch)
        _describe(home, told.files, assemble(intake, told, home, on_part=on_part))
        shutil.rmtree(work)
        corpus = load_corpus(home)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    object.__setattr__(corpus, "_home", home)
    weakref.finalize(corpus, shutil.rmtree, home, ignore_errors=True)
    return corpus


def load_corpus(folder: Path) -> Corpus:
    """Map a corpus that ``Corpus.save`` put into a folder.

    Raises
    ------
    OSError
        A file of it cannot be read.
    ValueError
        A file of it holds something else.
    """
    said: Any = json.loads((folder / _SAID).read_text(encoding="utf-8"))
    tables: Any = {name: mapped_frame(folder / f"{name}.arrow") for name in TABLES}
    return Corpus(
        **tables,
        texts=mapped_texts(folder, "texts"),
        files=tuple(FileRecord(**file) for file in said.pop("files")),
        **said,
    )


def _move(path: Path, place: Path) -> None:
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.move(path, place)


def _describe(folder: Path, files: Sequence[FileRecord], counts: Mapping[str, int]) -> None:
    said = {**counts, "files": [asdict(file) for file in files]}
    (folder / _SAID).write_text(json.dumps(said), encoding="utf-8")
