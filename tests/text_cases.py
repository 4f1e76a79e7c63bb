"""Texts and slow, obvious readings of them, for the tests of words, shingles, spans and families."""

from __future__ import annotations

import unicodedata
from collections import defaultdict

import numpy as np
import polars as pl
from hypothesis import strategies as st

from embedder import to_buffer, whole_texts

BREAK = "\x1e"
# Scripts that write without spaces, by the names of their characters.
ALONE_NAMES = (
    "THAI ",
    "LAO ",
    "MYANMAR ",
    "KHMER ",
    "HIRAGANA ",
    "KATAKANA",
    "CJK UNIFIED",
    "CJK COMPATIBILITY I",
)

ALPHABETS = (
    "abz AZ é ß İ œ",
    "0129 ٣४",
    "_.,;!?'\"()[]{}-/\\\n\t",
    "漢字仮名かなカナー々",
    "ไทยกำลัง ๑๒",
    "עברית العربية",
    "한국어 हिन्दी",
    "😀👩‍👩‍👧 🇩🇪 ½²",
    BREAK,
)
any_text = st.text(st.sampled_from("".join(ALPHABETS)), max_size=60)


def plain_kind(char):
    """Class of a character from its Unicode category and name."""
    if char == BREAK:
        return "break"
    category = unicodedata.category(char)
    if category == "Nd":
        return "digit"
    if category[0] not in "LNM" and char != "_":
        return "other"
    if unicodedata.name(char, "").startswith(ALONE_NAMES):
        return "alone"
    return "letter"


def plain_tokens(text):
    """(folded word, first character, character after the last, half words) of each token.

    The folded word is "#" for a number and BREAK for a break, which has 0 half words.
    """
    tokens, i = [], 0
    while i < len(text):
        kind, j = plain_kind(text[i]), i + 1
        if kind in ("letter", "digit"):
            while j < len(text) and plain_kind(text[j]) in ("letter", "digit"):
                j += 1
            word = text[i:j]
            number = all(plain_kind(char) == "digit" for char in word)
            tokens.append(("#" if number else folded(word), i, j, 2))
        elif kind == "alone":
            tokens.append((text[i], i, j, 1))
        elif kind == "break":
            tokens.append((BREAK, i, j, 0))
        i = j
    return tokens


def folded(word):
    """Lower case, character by character, where that is one character."""
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in word)


def plain_shingles(text):
    """The shingle that starts at each token, a tuple of words.

    None where a break or the end cuts it; empty where it is nothing but numbers.
    """
    tokens, shingles = plain_tokens(text), []
    for i in range(len(tokens)):
        words, halves = [], 0
        for word, _, _, half in tokens[i:]:
            if half == 0 or halves >= 8:
                break
            words.append(word)
            halves += half
        said = tuple(words) if set(words) != {"#"} else ()
        shingles.append(said if halves >= 8 else None)
    return shingles


def plain_counts(texts, pairs, min_texts):
    """Principals of each shingle that stands in at least ``min_texts`` texts."""
    senders, places = defaultdict(set), defaultdict(set)
    for row, text in enumerate(texts):
        for shingle in set(plain_shingles(text)) - {None, ()}:
            places[shingle].add(row)
            senders[shingle] |= {principal for t, principal in pairs if t == row}
    return {s: len(senders[s]) if len(places[s]) >= min_texts else 0 for s in places}


def plain_place(tokens, shingles, run):
    """0 for a run of shingles inside its part of a text, 1 at its start, 2 at its end."""
    if run[0] == 0 or tokens[run[0] - 1][3] == 0:
        return 1
    return 2 if run[-1] + 1 == len(shingles) or shingles[run[-1] + 1] is None else 0


def plain_cut(text, count_of, levels, shortest):
    """Skeleton by the definition: the words in long enough runs of shared shingles.

    ``shortest`` holds, for a run inside its part of the text, at its start and at its end, a run per level.
    """
    tokens, shingles = plain_tokens(text), plain_shingles(text)
    kept = set()
    for number, level in enumerate(levels):
        run = []
        for i, shingle in enumerate([*shingles, None]):
            if shingle and count_of.get(shingle, 0) >= level:
                run.append(i)
                continue
            if run and len(run) >= shortest[plain_place(tokens, shingles, run)][number]:
                kept.update(run)
                kept.update(range(run[-1], run[-1] + len(shingles[run[-1]])))
            run = []
    spans, i = [], 0
    while i < len(tokens):
        j = i
        while (
            j + 1 < len(tokens)
            and (j + 1 in kept) == (i in kept)
            and 0 not in (tokens[j][3], tokens[j + 1][3])
        ):
            j += 1
        if tokens[i][3] > 0 and i in kept:
            spans.append(text[tokens[i][1] : tokens[j][2]])
        i = j + 1
    return " ".join(spans)


def zipf_words(rng, n_texts, *, n_words=30, vocabulary=2_000, exponent=1.0, mixing=0.3):
    """A Markov chain's texts: but for a share of ``mixing``, one of a word's four usual followers comes next.

    Nobody copies anybody; phrases are shared because some words and some followers are common.
    """
    law = 1 / np.arange(1, vocabulary + 1) ** exponent
    law /= law.sum()
    usual = np.random.default_rng(99).choice(vocabulary, (vocabulary, 4), p=law)
    at = rng.choice(vocabulary, n_texts, p=law)
    columns = [at]
    for _ in range(n_words - 1):
        follower = usual[at, rng.choice(4, n_texts, p=(0.5, 0.25, 0.15, 0.1))]
        at = np.where(rng.random(n_texts) < mixing, rng.choice(vocabulary, n_texts, p=law), follower)
        columns.append(at)
    names = np.array([word_name(i) for i in range(vocabulary)])
    return [" ".join(row) for row in names[np.stack(columns, axis=1)]]


def word_name(i):
    """A pronounceable word for each number."""
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    name = ""
    while True:
        i, place = divmod(i, len(syllables))
        name += syllables[place]
        if i == 0:
            return name


def random_words(rng, n, *, first=0, vocabulary=50_000):
    """So many words that hardly ever repeat."""
    return " ".join(word_name(first + int(i)) for i in rng.integers(0, vocabulary, n))


def buffer_of(texts):
    """Texts as one buffer."""
    return to_buffer(pl.Series(texts, dtype=pl.String))


def corpus_of(texts, principals=None, *, weights=None, systems=None):
    """Whole texts and requests of distinct prompts, each sent ``weights`` times by its principal."""
    n = len(texts)
    systems = [""] * n if systems is None else list(systems)
    whole = whole_texts(pl.Series(systems, dtype=pl.String), pl.Series(texts, dtype=pl.String))
    sent = np.repeat(np.arange(n), [1] * n if weights is None else list(weights))
    who = np.arange(n) if principals is None else np.asarray(principals)
    requests = pl.DataFrame(
        {"prompt_row": sent, "principal_row": who[sent] if n else []},
        schema={"prompt_row": pl.UInt32, "principal_row": pl.UInt32},
    )
    return to_buffer(whole), requests
