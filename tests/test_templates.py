"""Templates of planted grids and wrappers: the text, the slots, what fills them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_cases import BREAK, buffer_of, random_words

from clustering.alignment import common_blocks
from clustering.evenly import evenly
from clustering.template_text import parse_template
from clustering.templates import FILLER_CHARS, N_FILLED, _fill, _trimmed, family_template, variants_of
from embedder import words_of


def template_of(texts, *, rows=None, medoid=None):
    """The template, checked for what holds of every one."""
    rows = np.arange(len(texts)) if rows is None else np.asarray(rows)
    template = family_template(buffer_of(texts), rows, int(rows[0]) if medoid is None else medoid)
    slots = [part.text for part in parse_template(template.text) if part.is_slot]
    assert slots == [f"slot_{i}" for i in range(1, len(template.fillers) + 1)]
    assert template.rows.tolist() == evenly(rows, N_FILLED).tolist()
    for fillers in template.fillers:
        assert len(fillers) == len(template.rows)
        assert any(fillers), "a slot that nobody fills is no slot"
        assert all(len(filler) <= FILLER_CHARS for filler in fillers)
    return template


def filled(template, member):
    """The template with the fillers of one member in its slots."""
    values = iter(fillers[member] for fillers in template.fillers)
    return "".join(next(values) if part.is_slot else part.text for part in parse_template(template.text))


TOPICS = ("photosynthesis", "black holes", "the French Revolution", "inflation", "plate tectonics")
READERS = ("a child", "a college student", "an expert")
LENGTHS = ("one paragraph", "five pages", "a tweet", "ten bullet points")
GRID = list(product(TOPICS, READERS, LENGTHS))


@pytest.mark.parametrize("medoid", [0, 17, 59])
def test_a_grid_of_three_slots_is_recovered_with_its_fillers(medoid):
    texts = [
        f"Write a text about {t} that suits {r} in no more than {n}, thanks in advance." for t, r, n in GRID
    ]
    template = template_of(texts, medoid=medoid)
    assert (
        template.text
        == "Write a text about {slot_1} that suits {slot_2} in no more than {slot_3}, thanks in advance."
    )
    assert list(zip(*template.fillers, strict=True)) == GRID


def test_any_member_may_be_the_medoid_and_any_order_given():
    texts = [
        f"Write a text about {t} that suits {r} in no more than {n}, thanks in advance." for t, r, n in GRID
    ]
    order = np.random.default_rng(0).permutation(len(texts))
    one, other = template_of(texts), template_of([texts[i] for i in order], medoid=5)
    assert one.text == other.text
    assert [[fillers[i] for i in order] for fillers in one.fillers] == other.fillers


def test_rows_choose_the_members():
    texts = [f"Tell me about {t} in {n} words" for t, n in product(TOPICS, "123456")]
    texts += ["something else entirely"] * 3
    template = template_of(texts, rows=np.arange(0, 30, 2), medoid=4)
    assert template.fillers[0] == [texts[i].split(" about ")[1].split(" in ")[0] for i in range(0, 30, 2)]


WRAPPER = "Think step by step, and write all of your reasoning inside <think> tags before the answer"
PAYLOADS = [random_words(np.random.default_rng(i), 3 + i % 20) for i in range(60)]


@pytest.mark.parametrize(
    "shape",
    ["{w}: {p}", "{p}. {w}", "{w}\n---\n{p}\n---\nNow begin your answer."],
    ids=["head", "tail", "middle"],
)
def test_a_wrapper_around_payloads_is_the_template(shape):
    template = template_of([shape.format(w=WRAPPER, p=payload) for payload in PAYLOADS])
    assert template.text == shape.format(w=WRAPPER, p="{slot_1}")
    assert template.fillers == [PAYLOADS]


def test_one_common_word_alone_is_part_of_the_filler():
    template = template_of([f"Question: {payload}\n{WRAPPER}" for payload in PAYLOADS])
    assert template.text == "{slot_1}\n" + WRAPPER
    assert template.fillers == [[f"Question: {payload}" for payload in PAYLOADS]]


def test_a_member_is_its_template_filled():
    texts = [f"Rate {t} for {r}; answer in {n} only." for t, r, n in GRID]
    template = template_of(texts)
    assert [filled(template, i) for i in range(len(texts))] == texts


@pytest.mark.parametrize(
    "shape",
    [
        'Return {{"score": 1, "why": "…"}} for the text: {p}',
        "{p}: fill in {{{{name}}}} and {{0}} and {{slot_1}} as the form says",
        "Complete the function f(x) {{ return g(x); }} and explain what it does: {p} or is it {{}}",
        "Put {{{p}}} into braces and say why you did it",
    ],
)
def test_literal_braces_are_doubled_and_can_be_read_back(shape):
    texts = [shape.format(p=payload) for payload in PAYLOADS]
    template = template_of(texts)
    parts = parse_template(template.text)
    assert [part.is_slot for part in parts].count(True) == 1
    literal = "".join(part.text for part in parts if not part.is_slot)
    outside = shape.format(p="").strip()
    if "{{{p}}}" not in shape:  # braces around a filler belong to the filler
        assert literal.split() == outside.split()
        assert template.text.replace("{slot_1}", "", 1).format().split() == outside.split()
        assert template.fillers == [PAYLOADS]


def test_an_empty_filler_is_empty():
    texts = [
        f"Write the essay {how} and hand it in by noon"
        for how in ("", "very slowly", "", "well", "with care")
    ]
    texts = [" ".join(text.split()) for text in texts]
    for medoid in range(5):
        template = template_of(texts, medoid=medoid)
        assert template.fillers == [["", "very slowly", "", "well", "with care"]]
        assert template.text.split() == [
            "Write",
            "the",
            "essay",
            "{slot_1}",
            "and",
            "hand",
            "it",
            "in",
            "by",
            "noon",
        ]


@pytest.mark.parametrize(("n_filled", "n_slots"), [(2, 0), (5, 1)])
def test_what_few_members_insert_is_no_slot(n_filled, n_slots):
    texts = ["Write the essay and hand it in by noon"] * 30
    texts[10 : 10 + n_filled] = ["Write the essay very slowly and hand it in by noon"] * n_filled
    assert len(template_of(texts).fillers) == n_slots


def test_slots_at_the_very_ends_may_be_empty_too():
    core = "explain the theory of relativity to me"
    texts = [core, f"please {core}", f"{core} now", f"please {core} today"]
    for medoid in range(4):
        template = template_of(texts, medoid=medoid)
        assert template.fillers == [["", "please", "", "please"], ["", "", "now", "today"]]
        assert template.text.split() == ["{slot_1}", *core.split(), "{slot_2}"]


@pytest.mark.parametrize(
    "text", ["Hello, world! (really)", 'say {"a": [1, 2]}', "!", "one", "¿Qué tal?", "漢字。"]
)
def test_a_lone_member_is_its_own_template_without_slots(text):
    template = template_of([text])
    assert template.fillers == []
    assert template.text.format() == text


def test_identical_members_have_no_slot():
    template = template_of(["Hello there, my friend."] * 5)
    assert template.text == "Hello there, my friend."
    assert template.fillers == []


def test_texts_with_nothing_in_common_are_all_slot():
    texts = [random_words(np.random.default_rng(i), 6) for i in range(20)]
    template = template_of(texts)
    assert template.text == "{slot_1}"
    assert template.fillers == [texts]


def test_a_single_common_word_is_no_fixed_text():
    texts = [
        f"{random_words(np.random.default_rng(i), 5)} the {random_words(np.random.default_rng(-i % 97), 5)}"
        for i in range(20)
    ]
    assert template_of(texts).text == "{slot_1}"


def test_one_member_in_ten_may_lack_a_fixed_word():
    texts = [f"Please translate this sentence into French: {payload}" for payload in PAYLOADS[:30]]
    texts[7] = f"Please translate this phrase into French: {PAYLOADS[7]}"
    template = template_of(texts)
    assert template.text == "Please translate this sentence into French: {slot_1}"
    assert [f for i, f in enumerate(template.fillers[0]) if i != 7] == [
        p for i, p in enumerate(PAYLOADS[:30]) if i != 7
    ]


def test_a_member_without_the_fixed_text_gives_its_words_to_the_last_slot():
    texts = [f"Please translate this sentence into French: {payload}" for payload in PAYLOADS[:30]]
    texts[7] = "Bonjour tout le monde"
    template = template_of(texts)
    assert template.fillers[-1][7] == "Bonjour tout le monde"


CHINESE = ("光合作用", "黑洞", "法国大革命", "通货膨胀")
CHINESE_READERS = ("儿童", "大学生", "专家")


def test_a_grid_in_chinese_is_recovered():
    grid = list(product(CHINESE, CHINESE_READERS))
    texts = [f"请为{reader}写一篇关于{topic}的详细文章,并给出例子。" for topic, reader in grid]
    template = template_of(texts)
    assert template.text == "请为{slot_1}写一篇关于{slot_2}的详细文章,并给出例子。"
    assert list(zip(*reversed(template.fillers), strict=True)) == grid


def test_a_system_prompt_stands_on_a_line_of_its_own():
    texts = [f"You are a careful tutor.{BREAK}Explain {topic} to me" for topic in TOPICS]
    template = template_of(texts)
    assert template.text == "You are a careful tutor.\nExplain {slot_1} to me"
    assert template.fillers == [list(TOPICS)]


def test_case_and_numbers_do_not_make_slots():
    texts = ["Give me 5 ideas for a party", "give me 10 Ideas for a party", "GIVE ME 7 ideas for a party"]
    template = template_of(texts)
    assert template.fillers == []
    assert template.text == texts[0]


def test_fillers_of_enormous_families_are_read_evenly():
    texts = [f"Count up to number {i} and tell me item x{i} of the list" for i in range(N_FILLED + 500)]
    template = template_of(texts)
    assert len(template.rows) == N_FILLED
    assert (template.rows[0], template.rows[-1]) == (0, N_FILLED + 499)
    assert np.diff(template.rows).max() <= 2
    assert template.fillers == [[f"x{i}" for i in template.rows]]


def test_an_enormous_filler_is_cut_and_an_enormous_text_is_no_trouble():
    texts = [f"Summarise the following text in two sentences: {'long words ' * 30_000}{i}" for i in range(3)]
    texts += [f"Summarise the following text in two sentences: {payload}" for payload in PAYLOADS]
    template = template_of(texts, medoid=10)
    assert template.text == "Summarise the following text in two sentences: {slot_1}"
    assert template.fillers[0][0] == ("long words " * 30_000)[:FILLER_CHARS]
    assert template.fillers[0][3:] == PAYLOADS


pieces = st.lists(
    st.sampled_from(["write", "a", "poem", "{x}", "}", "{", "漢", "5", ",", "\n", BREAK, "!"]), max_size=12
)


@settings(deadline=None, max_examples=150)
@given(st.lists(pieces.map(" ".join), min_size=1, max_size=6), st.integers(0, 5))
def test_any_texts_have_a_template_that_can_be_read(texts, medoid):
    template_of(texts, medoid=medoid % len(texts))


@pytest.mark.parametrize(
    ("n", "most", "expected"), [(0, 3, []), (3, 3, [0, 1, 2]), (5, 3, [0, 2, 4]), (9, 2, [0, 8])]
)
def test_evenly_keeps_both_ends(n, most, expected):
    assert evenly(np.arange(n), most).tolist() == expected


def test_variants_share_a_run_of_words_as_long_as_asked_for():
    common = "rate the following answer from one to ten"
    medoids = [
        f"Please {common} for clarity",
        f"{common.title()}, then stop",
        "Rate the answer of the day",
        "",
    ]
    akin = variants_of(medoids, 8)
    pairs = [(i, j) for i, j in product(range(4), repeat=2) if i < j and akin(i, j)]
    assert pairs == [(0, 1)]
    assert akin(1, 0)
    assert not variants_of(medoids, 9)(0, 1)


def plain_fill(text, fixed, runs):
    """Fillers of a member, word by word."""
    hashes, starts, ends = words_of(text)
    run_of = [number for number, (first, last) in enumerate(runs) for _ in range(first, last)]
    first_word, last_word = {}, {}
    for start, there, length in common_blocks(fixed, hashes):
        for i in range(length):
            first_word.setdefault(run_of[start + i], there + i)
            last_word[run_of[start + i]] = there + i
    data, out, begin = text.encode(), [], 0
    for run in range(len(runs)):
        out.append("")
        if run in first_word:
            out[-1] = _trimmed(data[begin : starts[first_word[run]]].decode("utf-8", "ignore"))
            begin = ends[last_word[run]]
    return [*out, _trimmed(data[begin:].decode("utf-8", "ignore"))]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5), max_size=5),
    st.lists(st.sampled_from([*"abcdefghi", "漢", "!"]), max_size=25),
)
def test_fillers_of_a_member_against_a_loop_over_its_words(parts, member):
    fixed = [word for part in parts for word in words_of(" ".join(part))[0]]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    runs = list(zip([0, *ends][:-1], ends, strict=True))
    text = " ".join(member)
    assert _fill(text, fixed, runs) == plain_fill(text, fixed, runs)
