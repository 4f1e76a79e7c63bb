"""Personal data and secrets in texts become ``<EMAIL>``, ``<PHONE>``, ``<CARD>`` and ``<KEY>``.

Contract
--------
- A text's result depends on nothing but the text, and is its own result: what is left holds nothing more that
  would be found.
- What is found is found in the text as a reader sees it: full-width letters and invisible characters hide
  nothing. A text in which nothing is found stays as it is, to the byte.
- A screen in Polars (linear time) picks the texts that could hold a match; each distinct one of them goes
  through the libraries once. These are imported when the first such text comes. They look nothing up: no
  network, no files, no log.
- It cannot find everything: names, addresses of houses, numbers grouped as nobody groups them. What a person
  must not read, do not log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from embedder.normalise import as_seen
from embedder.redaction.cards import find_cards
from embedder.redaction.emails import find_emails
from embedder.redaction.keys import find_keys
from embedder.redaction.phones import find_phones

__all__ = ["redacted"]

# An address; seven digits in groups; a long token; a key whose lines are short.
_SCREEN = (
    r"\S(?:@|%40)\S|\d(?:[ .\u{a0}\u{2010}-\u{2015}\u{2212}()/-]{0,3}\d){6}|[A-Za-z0-9_~%+/=.-]{20}"
    r"|PRIVATE KEY|PuTTY-User-Key-File"
)
# In this order: an address or a number inside a key is a part of the key.
_KINDS: tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    ("<KEY>", find_keys),
    ("<EMAIL>", find_emails),
    ("<CARD>", find_cards),
    ("<PHONE>", find_phones),
)


def redacted(texts: pl.Series) -> pl.Series:
    """Replace personal data and secrets by placeholders.

    Parameters
    ----------
    texts
        (n,) String; nulls stay null.

    Returns
    -------
    pl.Series
        (n,) String of the same name.
    """
    distinct = texts.drop_nulls().unique()
    seen = as_seen(distinct)
    suspect = seen.str.contains(_SCREEN)
    pairs = zip(distinct.filter(suspect).to_list(), seen.filter(suspect).to_list(), strict=True)
    changed = {text: clean for text, plain in pairs if (clean := _cleaned(plain)) is not None}
    return texts.replace(changed) if changed else texts


def _cleaned(text: str) -> str | None:
    """The text without its matches, or None where there is none."""
    out = text
    while True:  # taking one match out can leave another alone; each round shortens what is left to find
        before = out
        for placeholder, find in _KINDS:
            out = _replaced(out, sorted(find(out)), placeholder)
        if out == before:
            return None if out == text else out


def _replaced(text: str, spans: list[tuple[int, int]], placeholder: str) -> str:
    """Put one placeholder for each span, and for each group of spans that overlap."""
    parts, end = [], 0
    for first, last in spans:
        if first >= end:
            parts += [text[end:first], placeholder]
        end = max(end, last)
    return "".join([*parts, text[end:]]) if spans else text
