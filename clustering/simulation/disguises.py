"""Disguises: what operators do to a prompt so that two of them do not begin, or spell, alike.

Each disguise is worn by a share of a campaign's prompts that is the campaign's own. Paraphrases are not here:
they are wordings of the wrapper, in the phrase files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from .filling import fill
from .grammar import Grammar, Texts

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_ALIKE = {
    "a": "а", "c": "с", "e": "е", "i": "і", "j": "ј", "o": "о", "p": "р", "s": "ѕ", "x": "х", "y": "у",
    "A": "А", "B": "В", "C": "С", "E": "Е", "H": "Н", "I": "І", "K": "К", "M": "М", "O": "О", "P": "Р",
    "T": "Т", "X": "Х", "ν": "v", "-": "‐", ",": "‚", "。": "｡", "，": "﹐",
}  # fmt: skip
_MOST_ORDERS = 6


def shuffled_phrases(phrase: str, *, rng: np.random.Generator) -> list[str]:
    """Up to six orders of a phrase's parts: its paragraphs, or its sentences when there is one paragraph."""
    parts, glue = phrase.split("\n\n"), "\n\n"
    if len(parts) == 1:
        parts, glue = re.split(r"(?<=[.:!?])\s+|(?<=[。：！？])", phrase.strip()), " "
    if len(parts) > 5:  # 720 orders and more: enough to keep the first parts together
        parts = [glue.join(parts[: len(parts) - 4]), *parts[len(parts) - 4 :]]
    orders = list(permutations(part for part in parts if part))
    chosen = rng.permutation(len(orders))[:_MOST_ORDERS]
    return [glue.join(orders[place]) for place in sorted(chosen.tolist())]


def disguised(
    texts: Texts,
    worn: tuple[str, ...],
    grammar: Grammar,
    *,
    rng: np.random.Generator,
    once: dict[str, Any],
    before: bool = True,
) -> Texts:
    """Put the disguises `worn` on `texts` ((n,) object), each on a share of them; a new array.

    Parameters
    ----------
    grammar : has the slot ``greeting``.
    once : what is the campaign's own, by name: empty for its first texts, which draw it, and kept for others.
    before : whether something may be put before the text; not before a system prompt.
    """
    out = texts.copy()
    for name, write in _LETTERS.items():
        if name in worn:
            chance = rng.random(len(out))
            rows = np.flatnonzero(chance < once.setdefault(name, rng.uniform(0.4, 1.0)))
            rate = float(once.setdefault(f"rate of {name}", rng.uniform(0.03, 0.3)))
            out[rows] = [write(text, rate, rng) for text in out[rows].tolist()]
    if before and "greetings" in worn:
        chance = rng.random(len(out))
        rows = np.flatnonzero(chance < once.setdefault("greetings", rng.uniform(0.5, 1.0)))
        glue = str(once.setdefault("glue", rng.choice([" ", "\n", "\n\n"])))
        greetings = fill(grammar, "greeting", len(rows), rng=rng).tolist()
        out[rows] = [first + glue + rest for first, rest in zip(greetings, out[rows].tolist(), strict=True)]
    if before and "nonces" in worn:
        head = str(once.setdefault("head", rng.choice(["[{}]\n", "#{} ", "id={}\n\n", "({}) "])))
        numbers = rng.integers(0, 1 << 40, len(out)).tolist()
        out[:] = [head.format(f"{v:010x}") + text for v, text in zip(numbers, out.tolist(), strict=True)]
    return out


def _invisible(text: str, rate: float, rng: np.random.Generator) -> str:
    """Characters without width between some letters."""
    gaps = np.flatnonzero(rng.random(len(text)) < rate / 4).tolist() or [int(rng.integers(0, len(text) + 1))]
    marks = rng.integers(0, len(_INVISIBLE), len(gaps)).tolist()
    pieces, last = [], 0
    for gap, mark in zip(gaps, marks, strict=True):
        pieces += [text[last:gap], _INVISIBLE[mark]]
        last = gap
    return "".join([*pieces, text[last:]])


def _homoglyphs(text: str, rate: float, rng: np.random.Generator) -> str:
    """Letters of other scripts in place of some that look like them."""
    swaps = (rng.random(len(text)) < rate).tolist()
    return "".join(_ALIKE.get(c, c) if swap else c for c, swap in zip(text, swaps, strict=True))


def _case(text: str, rate: float, rng: np.random.Generator) -> str:
    """All small, or some words in capitals, or some words with a capital."""
    manner = int(rng.integers(0, 3))
    if manner == 0:
        return text.lower()
    pieces = re.split(r"(\s+)", text)
    chosen = (rng.random(len(pieces)) < rate).tolist()
    write = str.upper if manner == 1 else str.capitalize
    return "".join(write(piece) if on else piece for piece, on in zip(pieces, chosen, strict=True))


_LETTERS: dict[str, Callable[[str, float, np.random.Generator], str]] = {
    "case": _case,
    "homoglyphs": _homoglyphs,
    "invisible": _invisible,
}
