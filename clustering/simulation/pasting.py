"""What people paste with what they ask: pages of documents, notes, and programs of their own.

Lengths follow one law: the lines that come with a prompt are as many as a log-normal number, rounded down,
says. Most prompts come with none, some with a few, and few with pages: real prompts to assistants have a
mean three times their median. Every line is written for its request, in the words and names of its person,
so that pasted text repeats among people no more than the rest of what they write.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .accounts import World
from .filling import fill
from .grammar import Grammar, Texts

_MEDIAN, _SPREAD = 0.4, 2.2  # lines: median, and standard deviation of the logarithm
_MOST = 500  # lines, about 30 kB
_CODE = 0.3  # share of what is pasted that is a program, where the language has lines for one
_BEFORE = 0.3  # share that comes before the question
_PARAGRAPH = 0.15  # share of sentences that end a paragraph
_UNSPACED = ("zh", "ja")  # languages without a space between sentences


def with_pasted(
    world: World,
    texts: Texts,
    *,
    cells: NDArray[np.int64],
    shift: NDArray[np.int64],
    rng: np.random.Generator,
) -> Texts:
    """Prompts with what is pasted with them, for most nothing.

    Parameters
    ----------
    texts : (n,) object
    cells : (n,) int64, the grammar of the world in which each is written.
    shift : (n,) int64, the preferences of each writer, see ``fill``.

    Returns
    -------
    texts : (n,) object
    """
    n_lines = np.exp(rng.normal(np.log(_MEDIAN), _SPREAD, len(texts))).clip(0, _MOST).astype(np.int64)
    is_code = rng.random(len(texts)) < _CODE
    before = rng.random(len(texts)) < _BEFORE
    out = texts.copy()
    for cell in np.unique(cells[n_lines > 0]):
        grammar = world.grammars[cell]
        here = (cells == cell) & (n_lines > 0)
        code = is_code & ("code" in grammar.alternatives)
        space = "" if world.settings.languages[world.cell_language[cell]] in _UNSPACED else " "
        for slot, rows in (("pasted", here & ~code), ("code", here & code)):
            own = np.flatnonzero(rows)
            if not len(own):  # the slot may not be there
                continue
            pasted = _pages(grammar, slot, n_lines[own], shift[own], space=space, rng=rng)
            for row, page in zip(own.tolist(), pasted, strict=True):
                out[row] = f"{page}\n\n{texts[row]}" if before[row] else f"{texts[row]}\n\n{page}"
    return out


def _pages(
    grammar: Grammar,
    slot: str,
    n_lines: NDArray[np.int64],
    shift: NDArray[np.int64],
    *,
    space: str,
    rng: np.random.Generator,
) -> list[str]:
    """A page of so many lines of a slot for each writer: sentences in paragraphs, or lines of a program."""
    total = int(n_lines.sum())
    pieces = np.empty(2 * total, dtype=object)
    pieces[0::2] = fill(grammar, slot, total, rng=rng, shift=np.repeat(shift, n_lines))
    pieces[1::2] = "\n" if slot == "code" else np.where(rng.random(total) < _PARAGRAPH, "\n", space)
    listed, ends = pieces.tolist(), 2 * np.cumsum(n_lines)
    begins = ends - 2 * n_lines
    return ["".join(listed[a : b - 1]) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
