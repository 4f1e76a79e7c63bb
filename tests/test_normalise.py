from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.normalise import is_blank, normalise

# Letters of three scripts, marks, invisible and white characters, over which the steps could fall out.
AWKWARD = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "aeopcxyéïABEHjs aаеорсхуіјйїЖшАВαορκνΑΩό\u0301\u0308\u0306\u200b\u200d\ufeff\u00ad\u2066"
        ),
        st.sampled_from(
            "\t\n\r\x0b\x1c\x1e\x85\u00a0\u2028\u3000\u3164\u1160\uffa0\ufe0f\U000e0041ﬁ½Ⅷｆ\u00a8\u0345"
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)


def one(text: str | None) -> str | None:
    return normalise(pl.Series([text], dtype=pl.String)).item()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\n ", ""),
        ("plain ASCII, kept.", "plain ASCII, kept."),
        ("a\r\n\r\n  b\tc ", "a b c"),
        ("a\u00a0b\u3000c\u2028d", "a b c d"),
        ("z\u200be\u200cr\u200do\u2060\ufeff\u00adw", "zerow"),
        ("ab\ufe0f\U000e0041\u202e\u2066", "ab"),
        ("n\x00u\x1el\x7f", "nul"),
        ("ｆｕｌｌ ﬁne ²", "full fine 2"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),  # what is invisible must not keep letters from composing
        ("Case Stays", "Case Stays"),
        ("p\u0430yp\u0430l", "paypal"),  # Cyrillic a
        ("αlpha tοken", "alpha token"),  # Greek alpha, omicron
        ("привет мир", "привет мир"),
        ("αβγ ΟΧΙ", "αβγ ΟΧΙ"),
        ("сор cop", "сор cop"),  # each word of one script, alike as they look
        ("прив\u0065т", "привет"),  # a Latin e planted in a Russian word
        ("USBшный", "USBшный"),
        ("кот2cat кот-cat", "кот2cat кот-cat"),  # digits and hyphens part words
        ("日本語 テスト", "日本語 テスト"),
    ],
)
def test_normal_form(text: str, expected: str) -> None:
    assert one(text) == expected


def test_nulls_and_order_are_kept() -> None:
    texts = pl.Series("name", ["b  b", None, "plain", "é\u200b", "", "plain too"])
    out = normalise(texts)
    assert out.to_list() == ["b b", None, "plain", "é", "", "plain too"]
    assert out.name == "name"
    assert texts.to_list()[0] == "b  b"


def test_no_texts() -> None:
    assert normalise(pl.Series([], dtype=pl.String)).to_list() == []


def test_refuses_other_types() -> None:
    with pytest.raises(ValueError, match="expected strings, got Int64"):
        normalise(pl.Series([1]))


@given(st.lists(AWKWARD, min_size=1, max_size=8))
def test_idempotent_and_independent_of_the_batch(texts: list[str]) -> None:
    out = normalise(pl.Series(texts, dtype=pl.String))
    assert normalise(out).to_list() == out.to_list()
    assert out.to_list() == [one(text) for text in texts]


@given(AWKWARD)
def test_blank_is_empty_normal_form(text: str) -> None:
    blank = pl.DataFrame({"t": [text]}).select(is_blank(pl.col("t"))).item()
    assert blank == (one(text) == "")


def test_every_character_settles_at_once() -> None:
    every = pl.Series([chr(i) for i in range(0x110000) if not 0xD800 <= i <= 0xDFFF])
    out = normalise(every)
    assert normalise(out).equals(out)
    assert (out == "").equals(
        pl.DataFrame({"t": every}).select(is_blank(pl.col("t")))["t"], check_names=False
    )
    assert not out.str.contains(r"[\x00-\x1f\x7f\u{200b}-\u{200f}\u{e0000}-\u{e0fff}]").any()


@given(st.text(alphabet="абвгдежзийклмнопрстуфхцчшщъыьэюяё АЕО", max_size=40))
def test_text_of_one_script_is_not_folded(text: str) -> None:
    assert one(text) == " ".join(unicodedata.normalize("NFKC", text).split())


def test_long_text_is_kept_whole() -> None:
    text = "слово cлово " * 200_000
    out = one(text)
    assert out is not None
    assert len(out) == len(text) - 1
    assert out.startswith("слово слово слово")
