"""The normal form of a text: what stays the same when a sender disguises or reformats a prompt.

Steps, in order: invisible characters (zero-width, bidi controls, soft hyphens, variation selectors, tags,
fillers) and control characters are dropped; NFKC (Unicode Standard Annex 15); Cyrillic and Greek letters that
look like Latin ones become Latin inside words that mix scripts; runs of white space become one blank; blanks
at the ends go. Case, punctuation and numbers stay. The result depends on nothing but the text, and is its own
normal form.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import polars as pl

# Control characters but not white space, and all that Unicode lets a renderer show as nothing
# (Default_Ignorable).
_INVISIBLE = (
    r"\x{00}-\x{08}\x{0E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}\x{034F}\x{061C}\x{115F}\x{1160}\x{17B4}\x{17B5}"
    r"\x{180B}-\x{180F}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{3164}\x{FE00}-\x{FE0F}\x{FEFF}\x{FFA0}"
    r"\x{FFF0}-\x{FFFB}\x{1BCA0}-\x{1BCA3}\x{1D173}-\x{1D17A}\x{E0000}-\x{E0FFF}"
)
_DROPPED = f"[{_INVISIBLE}]+"
_NOT_BLANK = rf"[^\s{_INVISIBLE}]"
# Printable ASCII with single blanks inside is its own normal form; most prompts of one line are.
_UNSETTLED = r"[^\x20-\x7E]|  |^ | $"
_NOT_PLAIN = r"[^\t\n\r\x20-\x7E]"
_NOT_ASCII = r"[^\x00-\x7F]"

_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff"
_CYRILLIC = "\u0400-\u052f\u1c80-\u1c8f\ua640-\ua69f"
_GREEK = "\u0370-\u03ff\u1f00-\u1fff"
_MIXED = "|".join(
    rf"[{one}][\p{{L}}\p{{M}}]*[{other}]"
    for one, other in (
        (_LATIN, _CYRILLIC + _GREEK),
        (_CYRILLIC + _GREEK, _LATIN),
        (_CYRILLIC, _GREEK),
        (_GREEK, _CYRILLIC),
    )
)
_WORD = re.compile("(?:[^\\W\\d_]|[\u0300-\u036f])+")
_SCRIPTS = tuple(re.compile(f"[{script}]") for script in (_LATIN, _CYRILLIC, _GREEK))

# Letters that most typefaces draw like the Latin one (a selection of Unicode Technical Standard 39's
# confusables).
_CYRILLIC_TWINS = dict(
    zip("асеорхукіјѕһԁԛԝѵӏАВЕКМНОРСТУХІЈЅԌԚԜѴӀЬ", "aceopxykijshdqwvlABEKMHOPCTYXIJSGQWVIb", strict=True)
)
_GREEK_TWINS = dict(zip("ανορικυγϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "avopikuyjABEZHIKMNOPTYX", strict=True))
_TO_LATIN = str.maketrans(_CYRILLIC_TWINS | _GREEK_TWINS)
_FROM_LATIN = tuple(
    str.maketrans({latin: letter for letter, latin in reversed(twins.items())})
    for twins in (_CYRILLIC_TWINS, _GREEK_TWINS)
)


def is_blank(text: pl.Expr) -> pl.Expr:
    """Whether a text's normal form is empty, without making it; null stays null."""
    return ~text.str.contains(_NOT_BLANK)


def normalise(texts: pl.Series) -> pl.Series:
    """Normal forms of texts.

    Parameters
    ----------
    texts
        (n,) String; nulls stay null.

    Returns
    -------
    pl.Series
        (n,) String of the same name. Idempotent: ``normalise(normalise(t)) == normalise(t)``. Texts that were
        their own normal form share the input's memory.

    Raises
    ------
    ValueError
        The series does not hold strings.
    """
    if texts.dtype != pl.String:
        raise ValueError(f"texts: expected strings, got {texts.dtype}; cast the series to pl.String first")
    unsettled = texts.str.contains(_UNSETTLED).fill_null(False)
    if not unsettled.any():
        return texts
    ascii_only = ~texts.str.contains(_NOT_ASCII).fill_null(False)
    parts = [
        (~unsettled, texts.filter(~unsettled)),
        (unsettled & ascii_only, _settle(texts.filter(unsettled & ascii_only))),
        (unsettled & ~ascii_only, _settle(_compose(texts.filter(unsettled & ~ascii_only)))),
    ]
    order = np.argsort(np.concatenate([mask.arg_true().to_numpy() for mask, _ in parts]), kind="stable")
    return pl.concat([part.rename(texts.name) for _, part in parts]).gather(order)


def as_seen(texts: pl.Series) -> pl.Series:
    """Texts without what cannot be seen, in NFKC: the normal form's first two steps; nulls stay null."""
    hidden = texts.str.contains(_NOT_PLAIN).fill_null(False).arg_true()
    if hidden.is_empty():
        return texts
    return texts.clone().scatter(
        hidden, texts.gather(hidden).str.replace_all(_DROPPED, "").str.normalize("NFKC")
    )


def _settle(texts: pl.Series) -> pl.Series:
    """Drop what cannot be seen and make each run of white space one blank."""
    return texts.str.replace_all(_DROPPED, "").str.replace_all(r"\s+", " ").str.strip_chars(" ")


def _compose(texts: pl.Series) -> pl.Series:
    """NFKC and look-alikes; invisible characters go first, lest they keep letters from composing."""
    texts = texts.str.replace_all(_DROPPED, "").str.normalize("NFKC")
    mixed = texts.str.contains(_MIXED).arg_true()
    if mixed.is_empty():
        return texts
    folded = pl.Series([_WORD.sub(_fold_word, text) for text in texts.gather(mixed)], dtype=pl.String)
    return texts.scatter(mixed, folded.str.normalize("NFKC"))


def _is_mixed(word: str) -> bool:
    return sum(script.search(word) is not None for script in _SCRIPTS) > 1


def _fold_word(match: re.Match[str]) -> str:
    """One script for a word that mixes them, as far as look-alikes allow.

    Latin is tried first. When letters remain that Latin has not, the word was another script's with planted
    Latin letters, and if their twins make it whole again, those are used.
    """
    word = match.group()
    if not _is_mixed(word):
        return word
    latin = unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).translate(_TO_LATIN))
    if not _is_mixed(latin):
        return latin
    for table in _FROM_LATIN:
        other = unicodedata.normalize("NFC", unicodedata.normalize("NFD", latin).translate(table))
        if not _is_mixed(other):
            return other
    return latin
