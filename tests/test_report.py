"""The report shows every text as text, asks for nothing, and is the same each time."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_tables import CALM, HOSTILE, HOSTILE_PROMPTS, empty_run, small_run

from clustering.report import ReportSettings, family_details, render, write_report
from clustering.report.page import content_policy, page_scripts
from clustering.report.signals import format_count, format_figure, format_p, signal_figures
from clustering.report.visible import is_hidden, pieces, shorten, visible
from clustering.template_text import Part, headline, in_a_line, parse_template


class Page(HTMLParser):
    """What a browser would make of the page: its elements, and the text of each ``pre``."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data: list[str] = []
        self._in_pre = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "pre":
            self._in_pre = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_pre = self._in_pre and tag != "pre"

    def handle_data(self, data: str) -> None:
        self.data.append(data)
        if self._in_pre:
            self.texts[-1] += data


@pytest.fixture(scope="module")
def html() -> str:
    return render(small_run(), settings=ReportSettings(n_examples=len(HOSTILE_PROMPTS), n_fillers=99))


def test_hostile_prompts_are_text(html: str) -> None:
    page = Page(html)
    assert {visible(prompt) for prompt in HOSTILE_PROMPTS} <= set(page.texts)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 3  # the map's data, BokehJS, our own
    assert not {"img", "iframe", "object", "embed", "base", "form"} & set(tags)
    assert tags.count("link") == 1  # the empty icon
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:,")), (tag, value)


def test_no_template_syntax_of_a_prompt_is_evaluated(html: str) -> None:
    assert "{{7*7}}" in html
    assert not re.search(r">49[ <]", html)


def test_no_hidden_character_of_a_prompt_reaches_the_page(html: str) -> None:
    for script in page_scripts(with_map=True):
        html = html.replace(script, "")
    hidden = {character for character in html if is_hidden(character)}
    assert not hidden


def test_map_data_cannot_leave_its_block_and_keeps_the_prompts(html: str) -> None:
    block = re.search(r'<script type="application/json" id="map-data">(.*?)</script>', html, re.DOTALL)
    assert block is not None
    assert not re.search(r"[<>&]", block.group(1))
    texts = json.dumps(json.loads(block.group(1)), ensure_ascii=False)
    for prompt in HOSTILE_PROMPTS:
        assert json.dumps(visible(prompt, flat=True), ensure_ascii=False) in texts


def test_same_tables_give_the_same_bytes(html: str, tmp_path: Path) -> None:
    settings = ReportSettings(n_examples=len(HOSTILE_PROMPTS), n_fillers=99)
    path = write_report(small_run(), tmp_path / "report.html", settings=settings)
    assert path.read_bytes() == html.encode()  # BokehJS has counted models of the first in between
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_row_order_of_the_tables_does_not_matter(html: str) -> None:
    run = small_run()
    shuffled = dataclasses.replace(
        run,
        **{
            name: getattr(run, name).sample(fraction=1, shuffle=True, seed=5)
            for name in ("families", "assignments", "prompts", "slots")
        },
    )
    assert render(shuffled, settings=ReportSettings(n_examples=len(HOSTILE_PROMPTS), n_fillers=99)) == html


def test_policy_allows_only_the_two_scripts(html: str) -> None:
    policy = next(
        str(attributes["content"])
        for tag, attributes in Page(html).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == content_policy(page_scripts(with_map=True))
    assert "default-src 'none'" in policy
    scripts = re.search(r"script-src ([^;]*);", policy)
    assert scripts is not None
    assert [word[:8] for word in scripts.group(1).split()] == ["'sha256-", "'sha256-"]


def test_only_the_first_families_are_shown_in_detail() -> None:
    html = render(small_run(), settings=ReportSettings(n_detailed=1))
    ids = [attributes.get("id") for _, attributes in Page(html).elements]
    assert "family-1" in ids
    assert "family-2" not in ids
    assert "The first 1 of 2 families in detail" in html
    assert html.count("<tr data-flagged=") == 2


def test_campaigns_and_aspects_are_on_the_page(html: str) -> None:
    page = Page(html)
    ids = [attributes.get("id") for _, attributes in page.elements]
    assert len([name for name in ids if name]) == len({name for name in ids if name})
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert {"#campaign-1", "#campaigns", "#family-1"} <= links
    assert {str(link)[1:] for link in links} <= set(ids), "a link leads nowhere"
    text = " ".join("".join(page.data).split())
    assert "One hand behind all 3 accounts that send one family, very likely" in text
    assert "Sent by the pool behind its campaign, very likely" in text
    assert "About 25% of an estimated 56 prompts" in text
    bars = [attributes.get("aria-label") for tag, attributes in page.elements if tag == "svg"]
    assert "+3.0, from -1 for people to +3.5 for one hand" in bars
    assert "-0.8, from -1 for people to +3.5 for one hand" in bars


def test_long_prompts_are_cut_and_say_so() -> None:
    run = small_run()
    prompts = run.prompts.with_columns(prompt=pl.lit("x" * 9_000))
    html = render(dataclasses.replace(run, prompts=prompts), settings=ReportSettings(max_characters=1_000))
    assert "x" * 999 + "\u2026" in html
    assert "x" * 1_000 not in html
    assert "cut at 1\u202f000 characters" in html


def test_empty_run_has_a_page() -> None:
    html = render(empty_run())
    assert "No family of the least size" in html
    assert "This run has no map." in html
    assert len(page_scripts(with_map=False)) == 1


def test_missing_values_and_times_are_shown_as_dashes() -> None:
    run = small_run()
    nothing = [
        "first_seen",
        "last_seen",
        "template",
        "medoid_prompt",
        "reasons",
        "q_value",
        "p_value",
        "view",
    ]
    families = run.families.with_columns(
        pl.lit(None, dtype=run.families.schema[name]).alias(name) for name in nothing
    )
    assignments = run.assignments.with_columns(timestamp=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    html = render(dataclasses.replace(run, families=families, assignments=assignments))
    assert "Its prompts share no wording." in html
    assert "None" not in "".join(Page(html.split("<script")[0]).data)


def test_details_take_the_medoid_first_and_spread_the_rest() -> None:
    run = small_run()
    (detail,) = family_details(run, [CALM], n_examples=4, n_fillers=3)
    assert [example.is_medoid for example in detail.examples] == [True, False, False, False]
    assert detail.examples[0].prompt == "Grade answer 3 against the rubric."
    assert len({example.prompt for example in detail.examples}) == 4
    assert detail.slots[0].n_fillers == 12
    assert [filler for filler, _, _ in detail.slots[0].fillers] == ["0", "1", "10"]  # equal counts go by text
    assert sum(detail.activity.timeline) == 24
    assert sum(sender.n_requests for sender in detail.activity.busiest) == 24


def test_details_of_all_examples_hold_each_prompt_once() -> None:
    (detail,) = family_details(small_run(), [HOSTILE], n_examples=99, n_fillers=1)
    assert sorted(example.prompt for example in detail.examples) == sorted(HOSTILE_PROMPTS)


@given(st.text(max_size=60))
def test_visible_text_hides_nothing_and_is_stable(text: str) -> None:
    shown = visible(text)
    assert not [character for character in shown if is_hidden(character)]
    assert visible(shown) == shown
    assert "".join(run for run, _ in pieces(text)) == shown
    flat = visible(text, flat=True)
    assert "\n" not in flat
    assert "\t" not in flat


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("\U000e0041", r"\U000e0041"),
        ("\u2028\u200b\ufeff\x9b\u2800", r"\u2028\u200b\ufeff\x9b\u2800"),
        ("caf\u00e9 \u4f60\u597d \u05e9\u05dc\u05d5\u05dd \U0001f600\ufe0f", None),
        ("a\r\nb\tc", "a\nb\tc"),
    ],
)
def test_visible_symbols(text: str, expected: str | None) -> None:
    assert visible(text) == (text if expected is None else expected)


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=12)), max_size=6))
def test_templates_are_parsed_back(parts: list[tuple[bool, str]]) -> None:
    written, expected = "", []
    for place, (is_slot, text) in enumerate(parts):
        if is_slot:
            written += f"{{slot_{place}}}"
            expected.append(Part(f"slot_{place}", True))
        elif text:
            written += text.replace("{", "{{").replace("}", "}}")
            if expected and not expected[-1].is_slot:
                text = expected.pop().text + text
            expected.append(Part(text, False))
    assert parse_template(written) == tuple(expected)


def test_a_broken_template_is_still_shown() -> None:
    assert in_a_line(parse_template("a { b } {slot_1} }{")) == "a { b } \u2026 }{"


def test_signals_without_evidence_have_no_strength() -> None:
    row = small_run().families.row(0, named=True)
    figures = {figure.name: figure for figure in signal_figures(row)}
    assert figures["Devotion"].p_value == figures["Devotion"].effect == "\u2013"
    assert figures["Devotion"].strength == 0
    assert figures["Principals"].strength == pytest.approx(1.39794, abs=1e-4)


def test_figures_for_reading() -> None:
    assert [format_p(p) for p in (None, 0.0, 1e-20, 3.21e-5, 0.0421, 1.0)] == [
        "\u2013",
        "< 1e-16",
        "< 1e-16",
        "3.2e-05",
        "0.042",
        "1",
    ]
    assert format_count(1_234_567) == "1\u202f234\u202f567"
    assert [format_figure(v) for v in (None, float("nan"), 0.12345, 3.0)] == [
        "\u2013",
        "\u2013",
        "0.123",
        "3",
    ]
    assert shorten("abcdef", 4) == "abc\u2026"


def test_headline_names_a_family_without_fixed_words_by_its_medoid() -> None:
    assert headline("Rate {slot_1}", "Rate tea") == parse_template("Rate {slot_1}")
    assert headline("{slot_1}.", "Why {so}?") == (Part("Why {so}?", False),)
    assert headline(None, None) == (Part("", False),)
