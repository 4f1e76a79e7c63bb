"""Files that survive a power cut: synced before they count, and known again by size and checksum.

A rename is what makes a file count. It comes after the bytes are on the disk, and is on the disk itself when
the functions here return.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

pa: Any = pyarrow  # Arrow ships no types


@dataclass(frozen=True)
class Seal:
    """What a whole file looks like: its size in bytes and its BLAKE2b-128 in hex."""

    size: int
    blake2b: str


def digest_of(path: Path) -> str:
    """BLAKE2b-128 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def seal(path: Path) -> Seal:
    """Bring a file that was just written onto the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
    return Seal(path.stat().st_size, digest_of(path))


def is_whole(path: Path, sealed: Seal) -> bool:
    """Whether a file is there as it was sealed; a size that differs says no at once."""
    return path.is_file() and path.stat().st_size == sealed.size and digest_of(path) == sealed.blake2b


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries (names, renames, deletions) onto the disk, where the system lets folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_array(array: NDArray[Any], path: Path) -> None:
    """Write an array as ``.npy``; unlike ``numpy.save`` this tells what the system said of a full disk.

    Raises
    ------
    OSError
    TypeError
        It holds Python objects.
    """
    if array.dtype.hasobject:
        raise TypeError(f"{path.name}: an array of objects cannot be kept")
    header = np.lib.format.header_data_from_array_1_0(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(array.T if header["fortran_order"] else array).data)


def write_parts(parts: Iterable[pl.DataFrame], path: Path) -> None:
    """Write a frame that comes in parts, at least one, as Parquet; a row group each.

    Raises
    ------
    OSError
    """
    oldest = pl.CompatLevel.oldest()
    parts = iter(parts)
    first = next(parts).to_arrow(compat_level=oldest)
    with pa.parquet.ParquetWriter(str(path), first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part.to_arrow(compat_level=oldest))


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame.

    Raises
    ------
    OSError
        What the system refused; Polars itself tells it as a ``ComputeError`` about a bad file.
    """
    try:
        frame.write_parquet(path.absolute())  # Polars takes a leading ~ for somebody's home
    except pl.exceptions.ComputeError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


def read_parquet(path: Path, *, only: Iterable[str] | None = None) -> pl.DataFrame:
    """Read a frame from the file of exactly that name: no pattern of brackets or stars, no ``~`` for a home.

    Of the columns `only`, where given, those that are there: the others are not read.

    Raises
    ------
    OSError
    polars.exceptions.PolarsError
        It is no Parquet.
    """
    columns = None
    if only is not None:
        there = set(pl.read_parquet_schema(path.absolute()))
        columns = [name for name in only if name in there]
    return pl.read_parquet(path.absolute(), columns=columns, glob=False)


def files_below(folder: Path) -> list[Path]:
    """Every file in a folder and its folders, in order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def seal_all(paths: Iterable[Path], *, below: Path) -> dict[str, Seal]:
    """Seals of files by their paths below a folder, with the folders they are in brought onto the disk."""
    sealed = {path.relative_to(below).as_posix(): seal(path) for path in paths}
    for folder in sorted({(below / name).parent for name in sealed} | {below}):
        sync_folder(folder)
    return sealed


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON document, as UTF-8 with a line end; it is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    seal(partial)
    partial.replace(path)
    sync_folder(path.parent)
