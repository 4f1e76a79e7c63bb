"""Each family's template: its fixed words, and slots with what fills them.

The medoid's words are aligned with those of a sample of members; a word that nearly all of them share in
order is fixed, the gaps between fixed runs are slots ``{slot_1}``, ``{slot_2}``, ... Every member is then
aligned with the fixed words alone, and what stands in its gaps are its fillers. Braces of the prompts
themselves are doubled, as in Python's format strings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.alignment import MOST_WORDS, common_blocks, leading_words
from clustering.evenly import evenly
from embedder import TextBuffer, words_of

N_ALIGNED = 64  # members that decide which words are fixed
N_FILLED = 2_000  # members whose fillers are read
_FIXED_SHARE = 0.9  # of the aligned members hold a fixed word
_MIN_FIXED_RUN = 2  # a lone common word ("the") is no template
FILLER_CHARS = 200
_NO_WORD = -1
_AROUND = " \t\n\x1e.,;:!?\"'()[]#*-"


@dataclass(frozen=True)
class Template:
    """Template of one family.

    Attributes
    ----------
    text : str
        Fixed text with ``{slot_i}`` in each gap.
    fillers : list of lists of m strings, one per slot
        Filler of each member that was read; ``""`` where the gap is empty.
    rows : (m,) int64
        Those members' prompt rows.
    """

    text: str
    fillers: list[list[str]]
    rows: NDArray[np.int64]

    def of_rows(self, kept: NDArray[np.bool_]) -> Template:
        """The same template with the fillers of some of its rows, by a mask of m."""
        fillers = [[filler for filler, keep in zip(slot, kept, strict=True) if keep] for slot in self.fillers]
        return replace(self, fillers=fillers, rows=self.rows[kept])


def templates_frame(templates: Sequence[Template]) -> pl.DataFrame:
    """Templates as a frame, a row each, to be kept: ``text``, ``rows`` and ``fillers``."""
    return pl.DataFrame(
        {
            "text": [template.text for template in templates],
            "rows": [template.rows.tolist() for template in templates],
            "fillers": [template.fillers for template in templates],
        },
        schema={
            "text": pl.String,
            "rows": pl.List(pl.Int64),
            "fillers": pl.List(pl.List(pl.String)),
        },
    )


def templates_of(frame: pl.DataFrame) -> list[Template]:
    """The inverse of ``templates_frame``."""
    return [
        Template(text, fillers, np.array(rows, np.int64))
        for text, rows, fillers in frame.select("text", "rows", "fillers").iter_rows()
    ]


def family_template(texts: TextBuffer, rows: NDArray[np.int64], medoid: int) -> Template:
    """Template and fillers of one family.

    Parameters
    ----------
    texts : n texts
        Of all distinct prompts.
    rows : (m,) int64, ascending
        The family's members.
    medoid : int
        Row of the member that the template is read from.

    Returns
    -------
    Template
        Deterministic; members beyond ``N_FILLED`` are left out evenly.
    """
    text = texts[medoid]
    hashes, starts, ends = words_of(text)
    hashes, starts, ends = hashes[:MOST_WORDS], starts[:MOST_WORDS], ends[:MOST_WORDS]
    others = [leading_words(texts[int(row)]) for row in evenly(rows[rows != medoid], N_ALIGNED)]
    runs = _fixed_runs(hashes, others)
    fixed = [word for first, last in runs for word in hashes[first:last]]
    data = text.encode()
    members = evenly(rows, N_FILLED)
    fillers = [_fill(texts[int(row)], fixed, runs) for row in members]
    # A gap that no member fills is punctuation between two fixed runs, not a slot.
    used = [gap for gap in range(len(runs) + 1) if any(f[gap] for f in fillers)]
    return Template(
        _pieces(data, (starts, ends), runs, used), [[f[gap] for f in fillers] for gap in used], members
    )


def family_templates(
    texts: TextBuffer,
    labels: NDArray[np.int64],
    medoids: NDArray[np.int64],
    *,
    on_template: Callable[[int], None] | None = None,
) -> list[Template]:
    """Template of every family.

    Parameters
    ----------
    texts : n texts
    labels : (n,) int64
        Family of each text; -1 for none.
    medoids : (f,) int64
    on_template : function of the number made so far
    """
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(len(medoids) + 1))
    templates = []
    for label, medoid in enumerate(medoids.tolist()):
        templates.append(family_template(texts, order[edges[label] : edges[label + 1]], medoid))
        if on_template is not None:
            on_template(label + 1)
    return templates


def _fixed_runs(hashes: list[int], others: list[list[int]]) -> list[tuple[int, int]]:
    """Half-open ranges of the medoid's words that nearly all others hold in order, at least two words long.

    A range ends where too many others put words of their own between two words that are neighbours here.
    """
    support, inserted = np.zeros(len(hashes), np.int64), np.zeros(len(hashes), np.int64)
    for other in others:
        end, end_there = -1, 0
        for start, there, length in common_blocks(hashes, other):
            support[start : start + length] += 1
            inserted[start] += start == end and there > end_there
            end, end_there = start + length, there + length
    fixed = support >= _FIXED_SHARE * len(others)
    cuts = set(np.flatnonzero(inserted > (1 - _FIXED_SHARE) * len(others)).tolist())
    runs = []
    for first, last in _runs(fixed):
        edges = [first, *(cut for cut in range(first + 1, last) if cut in cuts), last]
        runs += [run for run in pairwise(edges) if run[1] - run[0] >= min(_MIN_FIXED_RUN, len(hashes))]
    return runs


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _fill(text: str, fixed: list[int], runs: list[tuple[int, int]]) -> list[str]:
    """The text in each gap of a member, stripped; where a fixed run is missing its gaps grow together.

    Gap i is the one before run i; the last follows the last run.
    """
    hashes, starts, ends = words_of(text)
    hashes = hashes[:MOST_WORDS]
    # Place of each fixed word in the member; they ascend, so that a run's first word has its least.
    place = np.full(len(fixed), _NO_WORD)
    for start, there, length in common_blocks(fixed, hashes):
        place[start : start + length] = np.arange(there, there + length)
    lengths = [last - first for first, last in runs]
    starts_of_runs = np.cumsum([0, *lengths])[:-1]
    last_word = np.maximum.reduceat(place, starts_of_runs) if runs else place
    missing = np.where(place == _NO_WORD, len(hashes), place)
    first_word = np.minimum.reduceat(missing, starts_of_runs) if runs else place
    data = text.encode()
    out, begin = [], 0
    for gap in range(len(runs) + 1):
        found = gap < len(runs) and last_word[gap] != _NO_WORD
        if gap < len(runs) and not found:
            out.append("")
            continue
        stop = int(starts[first_word[gap]]) if found else len(data)
        out.append(_trimmed(data[begin:stop].decode("utf-8", "ignore")))
        begin = int(ends[last_word[gap]]) if found else stop
    return out


def _trimmed(filler: str) -> str:
    """A filler without white space and punctuation around it, at most FILLER_CHARS; "" without a word."""
    core = filler.strip(_AROUND)
    return core[:FILLER_CHARS] if any(char.isalnum() for char in core) else ""


def _pieces(
    data: bytes,
    spans: tuple[NDArray[np.int64], NDArray[np.int64]],
    runs: list[tuple[int, int]],
    slots: list[int],
) -> str:
    """The medoid's fixed text with a marker in each used gap."""
    starts, ends = spans
    text, number = "", 0
    for gap in range(len(runs) + 1):
        begin = ends[runs[gap - 1][1] - 1] if gap > 0 else 0
        between = _escaped(data[begin : starts[runs[gap][0]] if gap < len(runs) else len(data)])
        if gap in slots:
            number += 1
            core = between.strip(_AROUND)
            space = "" if between[-1:].isspace() else " "
            before, after = between.split(core, 1) if core else (between + space, " ")
            text += f"{before}{{slot_{number}}}{after}"
        else:
            text += between
        if gap < len(runs):
            text += _escaped(data[starts[runs[gap][0]] : ends[runs[gap][1] - 1]])
    return text.strip()


def _escaped(piece: bytes) -> str:
    return piece.decode("utf-8", "ignore").replace("\x1e", "\n").replace("{", "{{").replace("}", "}}")


def variants_of(medoids: Sequence[str], ordinary: int) -> Callable[[int, int], bool]:
    """A function that tells whether two families, by their medoids' texts, are variants of one template.

    They are when the texts share a run of ``ordinary`` words, which no two authors write alike.
    """
    words = [leading_words(text) for text in medoids]

    def akin(i: int, j: int) -> bool:
        return any(length >= ordinary for _, _, length in common_blocks(words[i], words[j]))

    return akin
