"""Which files a user means, what format each is, and their bytes.

Everything that can be wrong with a file as a whole (not there, not readable, cut short, of an unknown kind)
ends here as one ``LogError`` line that names it.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from embedder.reading.inflation import Inflated
from embedder.reading.records import LogError

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_KNOWN = ".parquet, .jsonl, .ndjson, .json (a line an object) or .csv, the last four also with .gz or .zst"
# Small on purpose: what one piece of a hostile zstd file can inflate to is bounded by it (64 MiB).
_ZSTD_PIECE = 2 << 10
# What a text log begins with when it is none.
_OTHER_KINDS = {
    b"\xff\xfe": "UTF-16 or UTF-32; re-export it as UTF-8",
    b"\xfe\xff": "UTF-16 or UTF-32; re-export it as UTF-8",
    b"\x00\x00\xfe\xff": "UTF-16 or UTF-32; re-export it as UTF-8",
    b"\x1f\x8b": "gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "zstd; let its name end in .zst",
    b"PAR1": "Parquet; let its name end in .parquet",
}


@dataclass(frozen=True)
class Source:
    """One log file: its path, its size in bytes, its format (parquet, jsonl, csv) and compression.

    ``read_ahead`` is how many bytes of a text format are read, and decompressed, at a time.
    """

    path: str
    size: int
    format: str
    compression: str | None
    read_ahead: int = 1 << 20


def find_sources(paths: str | Path | Sequence[str | Path]) -> list[Source]:
    """List the log files behind files, folders and globs.

    Parameters
    ----------
    paths
        One path or several. A folder is searched through; hidden files and other kinds of file in it are
        passed over. A pattern with ``*``, ``?``, ``[`` or ``**`` likewise. A path that exists is never taken
        as a pattern.

    Returns
    -------
    list of Source
        Sorted by path, each file once however often it was named.

    Raises
    ------
    LogError
        Nothing given, a path that is not there, a pattern or folder without logs, or an unknown file name
        ending.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise LogError("paths: no log files were given; name files, folders or globs")
    found: dict[str, Source] = {}
    for path in map(str, given):
        for file in _expand(path):
            found.setdefault(os.path.realpath(file), _source(file))
    return sorted(found.values(), key=lambda source: source.path)


def _expand(path: str) -> list[str]:
    try:
        is_folder = stat.S_ISDIR(Path(path).stat().st_mode) if path else False
    except (FileNotFoundError, NotADirectoryError) as error:
        if not glob.has_magic(path):
            raise LogError(f"{path}: no such file or folder; check the path") from error
    except (OSError, ValueError) as error:  # too long a name, a loop of links, a NUL in it
        raise LogError(f"{path}: cannot be read ({_why(error)}); check the path") from error
    else:
        if not path:
            raise LogError("paths: an empty path was given; name files, folders or globs")
        if not is_folder:
            return [path]
        files = _logs_below(path)
        if not files:
            raise LogError(f"{path}: the folder holds no logs; expected files ending in {_KNOWN}")
        return files
    files = []
    for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - Path.glob refuses absolute patterns
        files += _logs_below(match) if Path(match).is_dir() else [match] * (_kind(match) is not None)
    if not files:
        raise LogError(f"{path}: no log files match; expected files ending in {_KNOWN}")
    return files


def _logs_below(folder: str) -> list[str]:
    def stop(error: OSError) -> None:
        raise LogError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")

    files = []
    for here, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [str(Path(here) / name) for name in names if not name.startswith(".") and _kind(name)]
    return sorted(files)


def _kind(name: str) -> tuple[str, str | None] | None:
    """Format and compression by a file's name; None when unknown."""
    path = Path(name.lower())
    compression = _COMPRESSIONS.get(path.suffix)
    kind = _FORMATS.get(path.with_suffix("").suffix if compression else path.suffix)
    if kind is None or (kind == "parquet" and compression):
        return None
    return kind, compression


def _source(file: str) -> Source:
    kind = _kind(file)
    if kind is None:
        raise LogError(f"{file}: unknown kind of file; expected a name ending in {_KNOWN}")
    try:
        found = Path(file).stat()
    except OSError as error:
        raise LogError(
            f"{file}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    if any("\ud800" <= char <= "\udfff" for char in file):  # no manifest could name it
        raise LogError(f"{os.fsencode(file).decode(errors='replace')}: its name is not UTF-8; rename it")
    if not stat.S_ISREG(found.st_mode):  # a pipe would wait for ever
        raise LogError(f"{file}: a pipe, socket or device, not a file; write the log to a file first")
    return Source(file, found.st_size, *kind)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _Zstd(io.RawIOBase):
    """Bytes of a zstd file; unlike ``zstandard``'s own reader it notices that the last frame is cut short."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._pending = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._pending:
            piece = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._begun = zstandard.ZstdDecompressor().decompressobj(), False
            piece = piece or self._raw.read(_ZSTD_PIECE) or b""
            if not piece:
                if self._begun:
                    raise EOFError("the last frame is cut short")
                return 0
            self._begun = True
            self._pending = memoryview(self._frame.decompress(piece))
        n = min(len(buffer), len(self._pending))
        buffer[:n], self._pending = self._pending[:n], self._pending[n:]
        return n


class _SippedFile(io.FileIO):
    """Bytes of a file, at most so many at a time: a decompressor with much in hand hides how far it is."""

    def __init__(self, path: str, *, most: int) -> None:
        super().__init__(path, "rb")
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


@dataclass(frozen=True)
class OpenLog:
    """An open text log: its decompressed bytes, and the file underneath, whose position is the progress."""

    bytes: io.BufferedReader
    raw: io.RawIOBase


@contextmanager
def open_log(source: Source) -> Iterator[OpenLog]:
    """Open a JSONL or CSV file for reading, through its compression.

    Raises
    ------
    LogError
        Not readable, of another kind than its name says, or (while the body of the ``with`` reads on)
        truncated, corrupt or a decompression bomb.
    """
    try:
        with _SippedFile(source.path, most=source.read_ahead) as raw:
            buffered: io.BufferedReader
            if source.compression is None:
                buffered = io.BufferedReader(raw, source.read_ahead)
            else:
                packed = gzip.GzipFile(fileobj=raw) if source.compression == "gzip" else _Zstd(raw)
                counted = Inflated(packed, path=source.path, size=source.size, packing=source.compression)
                buffered = io.BufferedReader(counted, source.read_ahead)
            start = buffered.peek(4)
            for mark, kind in _OTHER_KINDS.items():
                if start.startswith(mark):
                    raise LogError(f"{source.path}: looks like {kind}")
            yield OpenLog(buffered, raw)
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise LogError(
            f"{source.path}: truncated or corrupt {source.compression} ({error}); re-export it"
        ) from error
    except OSError as error:
        raise LogError(
            f"{source.path}: cannot be read ({_why(error)}); check the path and its permissions"
        ) from error
