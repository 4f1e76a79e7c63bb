"""A cache of vectors on disk: append-only shards, one folder per encoder fingerprint.

Contract: a shard is written to a file of its own, synced, then renamed, so it is there whole or not at all;
writers need no lock, and two that store the same key leave two equal copies. Vectors come back with the bytes
they were stored with: a shard holds float16 where that loses nothing and float32 else. Every row has a
checksum that is verified when it is read. A shard that cannot be read, and a row that fails, count as
missing. Nothing is unpickled.

A shard is two arrays in ``.npy`` format one after the other: (n, 3) uint64 rows of key high, key low and
checksum, sorted by key; then (n, dim) vectors, read through a memory map.
"""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_SUFFIX = ".vectors"
_READ_ROWS = 65_536  # rows copied out of a memory map at a time


@dataclass(frozen=True)
class _Shard:
    entries: NDArray[np.uint64]  # (n, 3), sorted by the first two columns
    vectors: NDArray[Any]  # (n, dim) memory map, float16 or float32
    longest_run: int  # of keys with the same high half; 1 unless hashes collide


class VectorCache:
    """Vectors by content key and encoder fingerprint; see the module.

    Parameters
    ----------
    directory
        Created when missing.
    """

    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._shards: dict[Path, _Shard | None] = {}

    def lookup(
        self, fingerprint: str, keys: NDArray[np.uint64], *, dim: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Vectors of keys.

        Parameters
        ----------
        fingerprint
            The encoder's.
        keys
            Shape (n, 2), in any order.
        dim
            Number of dimensions; shards of another number are ignored.

        Returns
        -------
        Vectors of shape (n, dim), zero where missing, and whether each key was found. Where shards hold a key
        twice, the first shard by name counts.
        """
        vectors = np.zeros((len(keys), dim), dtype=np.float32)
        known = np.zeros(len(keys), dtype=bool)
        for path in sorted(self._folder(fingerprint).glob(f"*{_SUFFIX}")):
            wanted = np.flatnonzero(~known)
            if len(wanted) == 0:
                break
            shard = self._shard(path)
            if shard is None or shard.vectors.shape[1] != dim:
                continue
            rows = _find(shard, keys[wanted])
            wanted, rows = wanted[rows >= 0], rows[rows >= 0]
            for start in range(0, len(wanted), _READ_ROWS):
                part, at = wanted[start : start + _READ_ROWS], rows[start : start + _READ_ROWS]
                stored = shard.vectors[at]
                whole = _checksums(shard.entries[at, :2], stored) == shard.entries[at, 2]
                vectors[part[whole]] = stored[whole]
                known[part[whole]] = True
        return vectors, known

    def store(self, fingerprint: str, keys: NDArray[np.uint64], vectors: NDArray[np.float32]) -> None:
        """Append vectors as one shard.

        Parameters
        ----------
        fingerprint
            The encoder's.
        keys
            Shape (n, 2), distinct.
        vectors
            Shape (n, dim), float32.
        """
        if len(keys) == 0:
            return
        folder = self._folder(fingerprint)
        folder.mkdir(parents=True, exist_ok=True)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        rows: NDArray[Any] = np.asarray(vectors, dtype=np.float32)[order]
        halves = _halves(rows)
        rows = rows if halves is None else halves
        entries = np.column_stack([keys[order], _checksums(keys[order], rows)])
        temporary = folder / f".{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                np.lib.format.write_array(file, entries, allow_pickle=False)
                np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / f"{uuid.uuid4().hex}{_SUFFIX}")
        finally:
            temporary.unlink(missing_ok=True)

    def _folder(self, fingerprint: str) -> Path:
        if not re.fullmatch(r"[\w-][\w.-]{0,199}", fingerprint):
            raise ValueError(
                f"fingerprint {fingerprint!r}: use up to 200 letters, digits, '-', '_' and '.'; no '.' first"
            )
        return self._directory / fingerprint

    def _shard(self, path: Path) -> _Shard | None:
        """The shard, opened once; None when it cannot be read."""
        if path not in self._shards:
            try:
                self._shards[path] = _open_shard(path)
            except (OSError, ValueError, SyntaxError, EOFError):
                self._shards[path] = None
        return self._shards[path]


def _open_shard(path: Path) -> _Shard:
    with path.open("rb") as file:
        entries = np.lib.format.read_array(file, allow_pickle=False)
        shape, dtype = _header(file)
        offset = file.tell()
    if entries.ndim != 2 or entries.shape[1] != 3 or entries.dtype != np.uint64:
        raise ValueError(f"{path}: not a shard")
    if len(shape) != 2 or shape[0] != len(entries) or dtype not in (np.float16, np.float32):
        raise ValueError(f"{path}: not a shard")
    vectors = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    entries.flags.writeable = False
    return _Shard(entries=entries, vectors=vectors, longest_run=_longest_run(entries[:, 0]))


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError("not a shard")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran:
        raise ValueError("not a shard")
    return shape, dtype


def _longest_run(values: NDArray[np.uint64]) -> int:
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return int(np.diff(np.append(starts, len(values))).max()) if len(values) else 0


def _find(shard: _Shard, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Row of each key in the shard, -1 where there is none."""
    high = np.ascontiguousarray(shard.entries[:, 0])
    left = np.searchsorted(high, keys[:, 0])
    found = np.full(len(keys), -1, dtype=np.int64)
    for step in range(shard.longest_run):
        at = np.minimum(left + step, len(high) - 1)
        same = np.all(shard.entries[at, :2] == keys, axis=1)
        found[same] = at[same]
    return found


def _checksums(keys: NDArray[np.uint64], rows: NDArray[Any]) -> NDArray[np.uint64]:
    """A checksum of each row and its key: its 16-bit words times odd constants, added modulo 2**64."""
    words = np.ascontiguousarray(rows).view(np.uint16).astype(np.uint64)
    steps = np.arange(1, words.shape[1] + 1, dtype=np.uint64)
    constants = (steps * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    checksums: NDArray[np.uint64] = words @ constants + keys[:, 0] * np.uint64(3) + keys[:, 1]
    return checksums


def _halves(rows: NDArray[np.float32]) -> NDArray[np.float16] | None:
    """The rows in half precision, or None where that would change one of their bytes."""
    with np.errstate(over="ignore"):
        halves = rows.astype(np.float16)
    return halves if halves.astype(np.float32).tobytes() == rows.tobytes() else None
