"""Texts from grammars, a column at a time.

Filling draws one alternative per row, earlier ones more often, and fills their slots in turn. All places of a
slot are drawn together, and all rows that drew the same alternative are joined together: the cost is linear
in the rows, and the Python work per phrase is one join.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .coinage import coin
from .grammar import Alternative, Grammar, Texts, parse


def fill(
    grammar: Grammar,
    slot: str,
    n_rows: int,
    *,
    rng: np.random.Generator,
    shift: NDArray[np.int64] | None = None,
) -> Texts:
    """Draw `n_rows` texts of a slot.

    Parameters
    ----------
    shift : (n_rows,) int64, optional
        Turns each row's lists by so many places before drawing, so that rows of one shift favour the same
        phrases, and some coined words of their own: a person's preferences. None or 0: the lists' own order,
        everybody's favourites first.

    Returns
    -------
    texts : (n_rows,) object
    """
    if shift is None:
        shift = np.zeros(n_rows, dtype=np.int64)
    return fill_alternative(grammar, Alternative(("", ""), (slot,)), shift, rng=rng)


def fill_phrase(
    grammar: Grammar, phrase: str, shift: NDArray[np.int64], *, rng: np.random.Generator
) -> Texts:
    """Fill one given phrase for every row of `shift` ((n,) int64); (n,) object."""
    return fill_alternative(grammar, parse(phrase), shift, rng=rng)


def fill_alternative(
    grammar: Grammar, alternative: Alternative, shift: NDArray[np.int64], *, rng: np.random.Generator
) -> Texts:
    """Fill one alternative for every row of `shift` ((n,) int64); a plain slot never as the place before it.

    All places of a slot, in whatever phrase they stand, are drawn together: slots first that contain others,
    then the texts are put together from the innermost outwards.
    """
    places = _Places(grammar, rng)
    whole = [(np.arange(len(shift)), alternative, places.columns(alternative, shift))]
    drafts: dict[str, list[_Draft]] = {}
    for name, listed in grammar.alternatives.items():
        if name not in places.shifts:
            continue
        own = np.concatenate(places.shifts[name])
        coinage = listed[0].coinage
        if coinage is not None:
            places.texts[name] = coin(coinage, own, rng=rng)
            continue
        picks = _draw(len(listed), own, grammar.skew, rng)
        drafts[name] = [
            (rows, listed[pick], places.columns(listed[pick], own[rows])) for pick, rows in _groups(picks)
        ]
    for name in reversed(drafts):
        places.texts[name] = places.written(drafts[name])
    return places.written(whole)


@dataclass(frozen=True)
class _Span:
    """Rows of a slot's texts that stand, in order, in one place of one phrase."""

    name: str
    begin: int
    end: int


_Draft = tuple[NDArray[np.int64], Alternative, list[list[str] | _Span]]


class _Places:
    """The places in which each slot stands: who writes there (``shifts``) and, once drawn, the ``texts``."""

    def __init__(self, grammar: Grammar, rng: np.random.Generator) -> None:
        self.grammar, self.rng = grammar, rng
        self.shifts: dict[str, list[NDArray[np.int64]]] = {}
        self.texts: dict[str, Texts] = {}
        self._n: dict[str, int] = {}

    def columns(self, alternative: Alternative, shift: NDArray[np.int64]) -> list[list[str] | _Span]:
        """Numbers and plain slots of an alternative, drawn; of other slots, the places that wait for them."""
        columns: list[list[str] | _Span] = []
        previous: dict[str, NDArray[np.int64]] = {}
        for name in alternative.slots:
            if ".." in name:
                low, high = name.split("..")
                numbers = self.rng.integers(int(low), int(high) + 1, len(shift))
                columns.append([str(number) for number in numbers.tolist()])
            elif name in self.grammar.plain:
                values = self.grammar.plain[name]
                drawn = _draw(len(values), shift, self.grammar.skew, self.rng)
                if name in previous:
                    drawn = np.where(drawn == previous[name], (drawn + 1) % len(values), drawn)
                previous[name] = drawn
                columns.append(values[drawn].tolist())
            else:
                begin = self._n.get(name, 0)
                self._n[name] = begin + len(shift)
                self.shifts.setdefault(name, []).append(shift)
                columns.append(_Span(name, begin, self._n[name]))
        return columns

    def written(self, drafts: list[_Draft]) -> Texts:
        """The texts of all drafts of a slot, each in its rows."""
        out = np.empty(sum(len(rows) for rows, _, _ in drafts), dtype=object)
        for rows, alternative, columns in drafts:
            columns_of_text = [
                self.texts[column.name][column.begin : column.end].tolist()
                if isinstance(column, _Span)
                else column
                for column in columns
            ]
            out[rows] = weave(alternative.literals, columns_of_text, len(rows))
        return out


def weave(literals: tuple[str, ...], columns: list[list[str]], n_rows: int) -> Texts:
    """Join constant pieces and columns of texts row by row; (n_rows,) object."""
    out = np.empty(n_rows, dtype=object)
    if not columns:
        out[:] = literals[0]
        return out
    frame = "%s".join(piece.replace("%", "%%") for piece in literals)
    out[:] = [frame % row for row in zip(*columns, strict=True)]
    return out


def _groups(picks: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each value and the rows that have it, ascending."""
    if not len(picks):
        return
    order = np.argsort(picks, kind="stable")
    values, begins = np.unique(picks[order], return_index=True)
    yield from zip(values.tolist(), np.split(order, begins[1:]), strict=True)


def _draw(n: int, shift: NDArray[np.int64], skew: float, rng: np.random.Generator) -> NDArray[np.int64]:
    places = (n * rng.random(len(shift)) ** skew).astype(np.int64)
    turned: NDArray[np.int64] = (places + shift) % n
    return turned
