"""Token ids: those of the tokenizer itself, for every text, found word by word."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedder import static_model, tokens
from embedder.pretokens import ALONE, SPACE, WITHIN, split_words, word_breaks
from embedder.text_buffer import to_buffer
from embedder.tokens import MAX_CHARACTERS, MAX_TOKENS, WordTokens, buffers, tokenise

NASTY = [
    "",
    " \t\r\n\u00a0\u2003\u3000\u2028",
    "Écoute, ÜNÏCÖDÉ! İstanbul ΣΊΣΥΦΟΣ ﬁn Straße",
    "e\u0301 \u0301\u0302 a\u0338= \u0338=≠ ,\u0301x q\u0323\u0307",  # marks, also after punctuation
    "写一首关于大海的诗。「東京」ひらがなカタカナ㍿ 豈\U0002f800\U00020000",
    "اكتب قصيدة، عن البحر؟ שָׁלוֹם",
    "เขียนบทกวีเกี่ยวกับทะเล हिन्दी में कविता। কবিতা",
    "한국어 각 시를 써 줘",
    "👩‍👩‍👧emoji🙂🙂 ❤️",
    "nul\x00in\x01side \x7f\u200bzero\u00adwidth\ufeff\ufffd \u0085x",
    "[SEP][CLS] [UNK]x[PAD] [[UNK]] [unk] [UNK [] [MASK]! [FOO] [É] [U N K] [UNK]\u0301 \u0301[PAD]",
    "x" * 100 + " " + "x" * 101 + " " + "é" * 101 + " " + "写" * 101,
    "under_score's x=1;y->z //\\ $5.00 <b>&amp;</b> `~^|",
    "a\u1400b \ue000 \U000e0001 \U0010ffff c\u0378d ⸮\u2e52x",
]
# Characters that stand alone, hang together, are removed or combine, beside any.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("aZé9 ,[]UNKPAD.-\n\x00\u0301\u0338\u093e\u200d\u0e19写カ東각≠\u3000\u2e52\u302e"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)


@cache
def tokenizer(*, packaged: bool) -> Any:
    """The distilled tokenizer, or the packaged one, which has more special tokens."""
    folder = static_model.packaged_model_folder() if packaged else static_model.static_model_folder()
    found = import_module("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@cache
def word_tokens(*, packaged: bool) -> WordTokens:
    return WordTokens(tokenizer(packaged=packaged), threads=1)


def check_ids(texts: list[str], *, packaged: bool) -> None:
    """The same ids in the same order as the tokenizer's own, text by text."""
    ids, offsets = tokenise(word_tokens(packaged=packaged), texts)
    own = tokenizer(packaged=packaged)
    expected = [own.encode(text, add_special_tokens=False).ids for text in texts]
    assert [ids[start:stop].tolist() for start, stop in pairwise(offsets)] == expected


@pytest.mark.parametrize("packaged", [False, True])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS, max_size=6))
@example(texts=NASTY)
def test_words_give_the_tokens_of_the_text(texts: list[str], *, packaged: bool) -> None:
    check_ids(texts, packaged=packaged)


@pytest.mark.parametrize("form", ["a{}b", "é{}\u0301 {}{} [{}UNK]"])
def test_every_character_is_cut_as_the_tokenizer_does(form: str) -> None:
    points = [*range(0xD800), *range(0xE000, 0x32400), *range(0xE0000, 0xE0200), 0x10FFFF]
    cases = [form.replace("{}", chr(point)) for point in points]
    check_ids([" ".join(cases[i : i + 64]) for i in range(0, len(cases), 64)], packaged=False)


def test_words_are_the_tokenizers_own() -> None:
    own = tokenizer(packaged=False)
    breaks = word_breaks(own)
    assert [breaks[ord(char)] for char in "a9é,写 。\u3000\x00"] == [
        *(WITHIN, WITHIN, WITHIN, ALONE, ALONE),
        *(SPACE, ALONE, SPACE, WITHIN),
    ]
    texts = [text for text in NASTY if "\x00" not in text and "[" not in text]
    found = split_words(to_buffer(pl.Series(texts)), breaks)
    for text, (start, stop) in zip(texts, pairwise(found.offsets), strict=True):
        words = [found.distinct[code] for code in found.words[start:stop]]
        pieces = [own.normalizer.normalize_str(word).strip() for word in words]
        theirs = own.pre_tokenizer.pre_tokenize_str(own.normalizer.normalize_str(text))
        assert [piece for piece in pieces if piece] == [piece for piece, _ in theirs]
    assert len(set(found.distinct)) == len(found.distinct)


def test_a_text_is_read_up_to_the_bounds() -> None:
    mine = word_tokens(packaged=False)
    texts = ["a " * 20_000, "a b", "写" * (MAX_CHARACTERS + 9), "é" * (MAX_CHARACTERS - 3) + " a b"]
    ids, offsets = tokenise(mine, texts)
    assert np.diff(offsets).tolist() == [MAX_TOKENS, 2, MAX_TOKENS, 2]  # é...: unknown, then a
    for text in texts:
        whole = tokenizer(packaged=False).encode(text[:MAX_CHARACTERS], add_special_tokens=False).ids
        assert tokenise(mine, [text])[0].tolist() == whole[:MAX_TOKENS]
    assert len(ids) == offsets[-1]


def test_lone_surrogates_are_question_marks() -> None:
    mine = word_tokens(packaged=False)
    assert tokenise(mine, ["a\ud800b \udfff"])[0].tolist() == tokenise(mine, ["a?b ?"])[0].tolist()


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, max_size=12), n=st.integers(1, 4), size=st.integers(1, 40), column=st.booleans())
def test_buffers_hold_the_texts_in_bounds(texts: list[str], n: int, size: int, *, column: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "BUFFER_TEXTS", n)
        patch.setattr(tokens, "_BUFFER_BYTES", size)
        found = list(buffers(pl.Series(texts, dtype=pl.String) if column else texts))
    assert [text for buffer in found for text in buffer.to_list()] == texts
    for buffer in found:
        assert 1 <= len(buffer.offsets) - 1 <= n
        assert len(buffer.offsets) == 2 or len(buffer.data) <= size


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8), known=st.integers(0, 5))
def test_what_is_remembered_changes_no_answer(texts: list[str], known: int) -> None:
    fresh = [tokenise(word_tokens(packaged=False), [text])[0].tolist() for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_KNOWN_WORDS", known)
        patch.setattr(tokens, "_KNOWN_CHARACTERS", 3)
        forgetful = word_tokens(packaged=False)
        assert [tokenise(forgetful, [text])[0].tolist() for text in texts] == fresh
        assert len(forgetful._known) <= max(known, max(len(text) + 1 for text in texts))


def test_a_tokenizer_of_another_kind_is_refused_or_read_as_it_is() -> None:
    tokenizers = import_module("tokenizers")
    other = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, ",;": 2}, unk_token="[UNK]")
    )
    other.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    ids, _ = tokenise(WordTokens(other), ["a ,; a,;", "B\u3000a"])
    assert ids.tolist() == [1, 2, 0, 0, 1]
    other.add_special_tokens(["<s>"])
    with pytest.raises(ValueError, match="special token '<s>'"):
        WordTokens(other)
