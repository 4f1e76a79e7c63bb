"""What is read of each family: the sentences of its fixed text, and what a sample of its prompts adds.

Sizes are fixed, so that a family of a million requests costs what one of fifty does. Everything is encoded
once; capabilities, elicitation and breadth look at the same vectors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustering.coverage.examples import Encode
from clustering.evenly import evenly

N_PAYLOADS = 32  # of a family that are encoded
N_SENTENCES = 24
_TEXT_CHARS = 400  # of a payload or sentence
_FEWEST_BYTES = 12  # of a sentence: less is a heading or a word
_FIXED_BYTES = 40  # of the fixed text: with less, one prompt is read in its stead
_SLOT = re.compile(r"(?<!\{)\{slot_\d+\}(?!\})")
_ENDS = re.compile(r"[\n\x1e]+|(?<=[.!?;:])\s+|(?<=[。！？；：])")


@dataclass(frozen=True)
class FamilyTexts:
    """Texts of f families.

    Attributes
    ----------
    fixed : tuple of f str
        The template's fixed text; the medoid's text where there is next to none.
    payloads : tuple of f tuples of str
        At most ``N_PAYLOADS`` distinct texts, none empty.
    """

    fixed: tuple[str, ...]
    payloads: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class FamilyVectors:
    """Unit vectors of the texts of f families, flat, and the family of each.

    Attributes
    ----------
    sentences, payloads : (s, d), (p, d) float32
    sentence_of, payload_of : (s,), (p,) int64, -1 for none
    fixed : tuple of f' str
    wholes : (f', d) float32
        Each fixed text as one vector.
    fixed_of : (f',) int64
        Family of each fixed text.
    n_families : int
    """

    sentences: NDArray[np.float32]
    sentence_of: NDArray[np.int64]
    payloads: NDArray[np.float32]
    payload_of: NDArray[np.int64]
    fixed: tuple[str, ...]
    wholes: NDArray[np.float32]
    fixed_of: NDArray[np.int64]
    n_families: int

    def regrouped(self, group_of: NDArray[np.int64], n_groups: int) -> FamilyVectors:
        """The same texts with family f renamed to ``group_of[f]``: families linked into groups."""
        return replace(
            self,
            sentence_of=group_of[self.sentence_of],
            payload_of=group_of[self.payload_of],
            fixed_of=group_of[self.fixed_of],
            n_families=n_groups,
        )


def family_texts(
    templates: Sequence[str], medoids: Sequence[str], payloads: Sequence[Sequence[str]]
) -> FamilyTexts:
    """Choose what is read.

    Parameters
    ----------
    templates : f str
        Fixed text with slots as ``{slot_1}``; braces of the text itself doubled.
    medoids : f str
        Whole text of the prompt that stands for the family.
    payloads : per family, str
        What its prompts say beyond the fixed text, in an order that comes from content; evenly sampled.
    """
    fixed = []
    for template, medoid in zip(templates, medoids, strict=True):
        text = _SLOT.sub("\n", template).replace("{{", "{").replace("}}", "}")
        fixed.append(text if len(text.strip().encode()) >= _FIXED_BYTES else medoid)
    return FamilyTexts(tuple(fixed), tuple(_sample(p) for p in payloads))


def encode_families(texts: FamilyTexts, encode: Encode) -> FamilyVectors:
    """Encode the sentences and payloads of all families, each in one call."""
    split = [sentences_of(text) for text in texts.fixed]
    n = len(texts.fixed)
    return FamilyVectors(
        encode([s for each in split for s in each]),
        np.repeat(np.arange(n), [len(each) for each in split]),
        encode([p for each in texts.payloads for p in each]),
        np.repeat(np.arange(n), [len(each) for each in texts.payloads]),
        texts.fixed,
        encode(list(texts.fixed)),
        np.arange(n),
        n,
    )


def sentences_of(text: str) -> list[str]:
    """Sentences, lines and clauses of a text, at most ``N_SENTENCES`` spread evenly; no mere words.

    A text without any is one sentence.
    """
    parts = [part.strip() for part in _ENDS.split(text)]
    said = [part[:_TEXT_CHARS] for part in parts if len(part.encode()) >= _FEWEST_BYTES]
    return _some(said or [text.strip()[:_TEXT_CHARS]], N_SENTENCES)


def mean_rows(values: NDArray[np.float64], family: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Mean of the (m, C) rows of each of `n` families, (n, C); NaN where a family has none; -1 is none."""
    inside = family >= 0
    columns = [np.bincount(family[inside], column[inside], minlength=n) for column in values.T]
    counts = np.bincount(family[inside], minlength=n).astype(np.float64)
    counts[counts == 0] = np.nan
    return np.asarray(np.stack(columns, axis=1) / counts[:, None])


def _sample(payloads: Sequence[str]) -> tuple[str, ...]:
    distinct = dict.fromkeys(p.strip()[:_TEXT_CHARS] for p in payloads)
    distinct.pop("", None)
    return tuple(_some(list(distinct), N_PAYLOADS))


def _some(texts: list[str], n: int) -> list[str]:
    return [texts[place] for place in evenly(np.arange(len(texts)), n).tolist()]
