"""Words against a character-by-character reading with unicodedata."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from text_cases import BREAK, any_text, folded, plain_kind, plain_tokens

from embedder import words_of
from embedder.words import ALONE, BOUNDARY, DIGIT, LETTER, OTHER, code_point_tables, find_words

NAMES = {OTHER: "other", LETTER: "letter", ALONE: "alone", DIGIT: "digit", BOUNDARY: "break"}


def tokens_of(text):
    """All tokens, boundaries too: (hash, start, end, half words) in bytes."""
    data = np.frombuffer(text.encode(), np.uint8)
    size = len(data) + 2
    out = tuple(np.empty(size, kind) for kind in (np.uint64, np.int64, np.int64, np.uint8))
    n = find_words(data, (0, len(data)), code_point_tables(), out)
    return [tuple(int(column[i]) for column in out) for i in range(n)]


def bytes_before(text, place):
    return len(text[:place].encode())


@settings(deadline=None)  # the first call compiles
@given(any_text)
@example("")
@example("a1 1a 12 _1 1_")
@example("5年間 write 5 years")
@example("ends in a word\x1e\x1eand starts")
@example("👩‍👩‍👧 x\u0301y")
def test_words_stand_where_plain_python_finds_them(text):
    expected = plain_tokens(text)
    found = tokens_of(text)
    places = [(bytes_before(text, i), bytes_before(text, j), half) for _, i, j, half in expected]
    assert [token[1:] for token in found] == places
    words = [word for word, *_ in expected]
    for i, first in enumerate(words):
        for j, second in enumerate(words):
            assert (found[i][0] == found[j][0]) == (first == second), (first, second)


@settings(deadline=None)  # the first call compiles
@given(any_text)
def test_words_of_leaves_out_boundaries_only(text):
    hashes, starts, ends = words_of(text)
    kept = [token for token in tokens_of(text) if token[3] > 0]
    assert list(zip(hashes, starts.tolist(), ends.tolist(), strict=True)) == [token[:3] for token in kept]
    data = text.encode()
    words = [data[start:end].decode() for start, end in zip(starts, ends, strict=True)]
    assert "".join(words) == "".join(char for char in text if plain_kind(char) not in ("other", "break"))


def test_every_assigned_code_point_has_the_class_of_its_category_and_name():
    fold, kind = code_point_tables()
    wrong = []
    for point in range(sys.maxunicode + 1):
        char = chr(point)
        if unicodedata.category(char) in ("Cn", "Cs", "Co") or point >= 0xE0000:
            continue
        expected = plain_kind(char)
        # Names do not tell half-width forms, which normalisation replaces, nor marks that many scripts use.
        if NAMES[int(kind[point])] != expected and not _outside_the_blocks(point, expected):
            wrong.append((hex(point), NAMES[int(kind[point])], expected))
        if expected == "letter" and chr(int(fold[point])) != folded(char):
            wrong.append((hex(point), "fold"))
    assert wrong == []


def _outside_the_blocks(point, expected):
    """Rare blocks of the spaceless scripts: their letters make words, and the shared marks of kana."""
    return expected == "alone" or point in range(0x3040, 0x3100)


@pytest.mark.parametrize("text", ["Write 5 poems", "WRITE 10 POEMS", "write ٣ Poems", "write 007, poems!"])
def test_case_numbers_and_punctuation_do_not_matter(text):
    assert words_of(text)[0] == words_of("write 5 poems")[0]


@pytest.mark.parametrize(
    ("a", "b"), [("abc", "acb"), ("a1", "a2"), ("ab", "a b"), ("漢字", "字漢"), ("5", "five")]
)
def test_other_words_have_other_hashes(a, b):
    assert words_of(a)[0] != words_of(b)[0]


def test_a_number_next_to_a_letter_is_part_of_the_word_but_not_next_to_a_spaceless_letter():
    assert len(words_of("gpt4")[0]) == 1
    assert len(words_of("第4章")[0]) == 3
    assert words_of("第4章")[0][1] == words_of("99")[0][0]


@pytest.mark.parametrize(
    ("text", "halves"),
    [("word", 2), ("漢字", 2), ("ไทย", 3), ("한국어", 2), (f"a{BREAK}b", 4), ("かな word", 4), ("...", 0)],
)
def test_spaceless_letters_count_half_a_word_each(text, halves):
    assert sum(token[3] for token in tokens_of(text)) == halves


def test_a_span_of_a_buffer_is_read_as_if_it_stood_alone():
    data = np.frombuffer("no näher word".encode(), np.uint8)
    out = tuple(np.empty(20, kind) for kind in (np.uint64, np.int64, np.int64, np.uint8))
    n = find_words(data, (3, 9), code_point_tables(), out)
    assert (n, int(out[1][0]), int(out[2][0])) == (1, 3, 9)
    assert int(out[0][0]) == words_of("NÄHER")[0][0]
