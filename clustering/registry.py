"""Registry of known-benign templates: framework defaults, products, benchmarks, documentation samples.

Customers have wrappers of their own, and everybody uses the same frameworks. What is known explains a family
away, visibly: it is not flagged, and its benign explanation names the entry. An entry holds no text, only
the hashes of its runs of ``SHINGLE_WORDS`` words, so that a registry can be shared without passing on a
customer's prompt. Entries are tables of a TOML file; the packaged one is read first, then the user's::

    [[known]]
    name = "Acme help desk"
    kind = "product"
    source = "ticket 4711"
    shingles = ["90ab12cd34ef5678", ...]
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clustering.template_text import parse_template
from embedder import SHINGLE_WORDS, words_of

KINDS = ("framework default", "product", "benchmark", "sample", "other")
_PACKAGED = "known.toml"
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Known:
    """One entry.

    Attributes
    ----------
    name, kind, source : str
        Kind is one of ``KINDS``; the source says where the text comes from, for who checks it.
    shingles : frozenset of 16 hex digits
        Hashes of the runs of ``SHINGLE_WORDS`` words of its fixed text.
    """

    name: str
    kind: str
    source: str
    shingles: frozenset[str]


def known_from_template(template: str, *, name: str, kind: str, source: str) -> Known:
    """An entry from a template: fixed text, with ``{slot_1}``, ``{slot_2}``, … where it varies.

    Raises
    ------
    ValueError
        Less than ``SHINGLE_WORDS`` words stand together: anybody writes so; or the kind is none of KINDS.
    """
    _check_kind(kind, name)
    shingles = frozenset(code for piece in _fixed_words(template) for code in _shingles(piece))
    if not shingles:
        raise ValueError(
            f"template of {name!r}: no {SHINGLE_WORDS} words stand together; so short a text explains nothing"
        )
    return Known(name, kind, source, shingles)


def explained_by(template: str, registry: Sequence[Known]) -> Known | None:
    """The entry that a family's template is, None where there is none.

    Most of the template's fixed words are the entry's, and nothing as long as a shingle is not: a wrapper
    that adds an instruction of its own to a framework's default is not that default. Among several entries
    the one that covers most words, then the first by name.
    """
    pieces = [(words, _shingles(words)) for words in _fixed_words(template)]
    n_words = sum(len(words) for words, _ in pieces)
    best: tuple[int, str, Known] | None = None
    for known in registry:
        n_covered, longest = 0, 0
        for words, codes in pieces:
            covered = _covered(len(words), [code in known.shingles for code in codes])
            n_covered += int(covered.sum())
            longest = max(longest, _longest_run(~covered))
        if 2 * n_covered > n_words and longest < SHINGLE_WORDS:
            entry = (-n_covered, known.name, known)
            best = min(best, entry, key=lambda e: e[:2]) if best else entry
    return best[2] if best else None


def load_registry(path: str | Path | None = None) -> tuple[Known, ...]:
    """The packaged entries, then those of the user's file.

    Raises
    ------
    ValueError
        The file is not a registry; one line names the entry and the remedy.
    """
    packaged = resources.files(__package__).joinpath(_PACKAGED).read_text(encoding="utf-8")
    own = () if path is None else read_registry(path)
    return (*_entries(packaged, _PACKAGED), *own)


def read_registry(path: str | Path) -> tuple[Known, ...]:
    """The entries of one file; ``ValueError`` as ``load_registry``."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"registry {path}: not readable ({error}); name a TOML file") from None
    return tuple(_entries(text, str(path)))


def write_registry(path: str | Path, entries: Sequence[Known]) -> None:
    """Write the file whole or not at all: under another name first, then renamed."""
    partial = Path(f"{path}.partial")
    try:
        partial.write_text(registry_text(entries), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ValueError(
            f"registry {path}: cannot be written ({error.strerror}); name another file"
        ) from None


def registry_text(entries: Sequence[Known]) -> str:
    """The file that holds the entries, as text."""
    tables = []
    for known in entries:
        shingles = ",\n".join(f"    {json.dumps(code)}" for code in sorted(known.shingles))
        fields = [f"{key} = {_toml(getattr(known, key))}" for key in ("name", "kind", "source")]
        tables.append("\n".join(["[[known]]", *fields, f"shingles = [\n{shingles},\n]\n"]))
    return "\n".join(tables)


def _entries(text: str, place: str) -> Iterator[Known]:
    try:
        tables = tomllib.loads(text).get("known", [])
        if not isinstance(tables, list):
            raise ValueError(f"registry {place}: known is {tables!r}; write [[known]] tables")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"registry {place}: not TOML ({error}); write [[known]] tables") from None
    for number, table in enumerate(tables, 1):
        where = f"registry {place}, entry {number}"
        if not isinstance(table, dict):
            raise ValueError(f"{where}: is {table!r}; write [[known]] tables")
        for key in ("name", "kind", "source"):
            if not isinstance(table.get(key), str):
                raise ValueError(f"{where}: {key} is {table.get(key)!r}; give a text")
        _check_kind(table["kind"], where)
        shingles = table.get("shingles")
        if (
            not isinstance(shingles, list)
            or not shingles
            or not all(isinstance(c, str) and re.fullmatch("[0-9a-f]{16}", c) for c in shingles)
        ):
            raise ValueError(f"{where}: shingles are not 16 hex digits each; make them with `covey registry`")
        yield Known(table["name"], table["kind"], table["source"], frozenset(shingles))


def _check_kind(kind: str, where: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"{where}: kind {kind!r} is unknown; there are {', '.join(KINDS)}")


def _toml(text: str) -> str:
    """A TOML basic string: JSON's, but for the one control character that JSON leaves alone."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _fixed_words(template: str) -> list[NDArray[np.uint64]]:
    """Word hashes of each run of fixed text between slots."""
    fixed = [part.text for part in parse_template(template) if not part.is_slot]
    return [np.array(words_of(text)[0], np.uint64) for text in fixed]


def _shingles(words: NDArray[np.uint64]) -> list[str]:
    """Hash of each run of ``SHINGLE_WORDS`` words, as hex; none of a shorter piece."""
    n = len(words) - SHINGLE_WORDS + 1
    codes = np.zeros(max(n, 0), np.uint64)
    for place in range(SHINGLE_WORDS if n > 0 else 0):
        codes = (codes ^ words[place : place + n]) * _ODD
        codes ^= codes >> np.uint64(29)
    return [f"{code:016x}" for code in codes.tolist()]


def _covered(n_words: int, known: list[bool]) -> NDArray[np.bool_]:
    """Words of a piece that a known shingle covers."""
    change = np.zeros(n_words + 1, np.int64)
    starts = np.flatnonzero(known)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + SHINGLE_WORDS, -1)
    return np.cumsum(change)[:n_words] > 0


def _longest_run(mask: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
