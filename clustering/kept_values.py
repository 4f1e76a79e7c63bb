"""What a stage made, on disk and back, bit for bit: dataclasses of arrays, frames, series and plain values.

Contract: ``read_value`` gives what ``write_value`` was given. A folder holds ``value.json``, the shape of the
value, a file for each array (``.npy``), frame or series (Arrow IPC), and a folder for a corpus. What is read
is mapped from its file, not held: it takes memory only where and while it is looked at, and cannot be written
to. Nothing is unpickled: only the dataclasses that the reader names come back, and only with their own
fields. Whether the files are whole is for others to know (``clustering.checkpoints``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from clustering.durable import write_array
from embedder import Corpus, load_corpus, mapped_array, mapped_frame, write_frame

SHAPE = "value.json"
_PLAIN = (str, int, float, bool, type(None))


def write_value(value: object, folder: Path) -> None:
    """Write a value into a folder, which is created.

    Raises
    ------
    TypeError
        Part of it is none of: dataclass, tuple, list, dict of str, frozenset of str, NumPy array, Polars
        frame or series, ``Corpus``, str, int, float, bool, None.
    """
    folder.mkdir(parents=True)
    shape = _written(value, folder, "value")
    (folder / SHAPE).write_text(json.dumps(shape) + "\n", encoding="utf-8")


def read_value(folder: Path, records: Sequence[type]) -> Any:
    """Read a value back.

    Parameters
    ----------
    folder
    records
        The dataclasses that it may hold.

    Raises
    ------
    TypeError
        It holds another.
    """
    shape = json.loads((folder / SHAPE).read_text(encoding="utf-8"))
    return _read(shape, folder, {kind.__name__: kind for kind in records})


def _written(value: object, folder: Path, name: str) -> Any:
    """The shape of a value: plain values as they are, all else as {kind: where or what}."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple | list):
        parts = [_written(part, folder, f"{name}.{place}") for place, part in enumerate(value)]
        return {type(value).__name__: parts}
    if isinstance(value, dict):
        return {"dict": {key: _written(part, folder, f"{name}.{key}") for key, part in value.items()}}
    if isinstance(value, frozenset):
        return {"frozenset": sorted(value)}
    if isinstance(value, Corpus):
        value.save(folder / name)
        return {"corpus": name}
    if is_dataclass(value) and not isinstance(value, type):
        held = {
            field.name: _written(getattr(value, field.name), folder, f"{name}.{field.name}")
            for field in fields(value)
        }
        return {"record": type(value).__name__, "fields": held}
    if isinstance(value, np.ndarray):
        write_array(value, folder / f"{name}.npy")
        return {"array": f"{name}.npy"}
    if isinstance(value, pl.DataFrame):
        write_frame(folder / f"{name}.arrow", value)
        return {"frame": f"{name}.arrow"}
    if isinstance(value, pl.Series):
        write_frame(folder / f"{name}.arrow", value.rename("values").to_frame())
        return {"series": f"{name}.arrow", "name": value.name}
    raise TypeError(f"{name}: {type(value).__name__} cannot be kept")


def _read(shape: Any, folder: Path, records: dict[str, type]) -> Any:
    match shape:
        case {"tuple": parts}:
            return tuple(_read(part, folder, records) for part in parts)
        case {"list": parts}:
            return [_read(part, folder, records) for part in parts]
        case {"dict": parts}:
            return {key: _read(part, folder, records) for key, part in parts.items()}
        case {"frozenset": parts}:
            return frozenset(parts)
        case {"record": name, "fields": parts}:
            if name not in records:
                raise TypeError(f"{folder}: holds a {name}, which is not expected there")
            return records[name](**{key: _read(part, folder, records) for key, part in parts.items()})
        case {"corpus": name}:
            return load_corpus(folder / name)
        case {"array": name}:
            return mapped_array(folder / name)
        case {"frame": name}:
            return mapped_frame(folder / name)
        case {"series": name, "name": said}:
            return mapped_frame(folder / name)["values"].rename(said)
    return shape
