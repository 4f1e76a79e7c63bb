"""The terminal shows every text as text, at any width, and finds the family that is meant."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import polars as pl
import pytest
from report_tables import CALM, HOSTILE, HOSTILE_PROMPTS, Tables, empty_run, small_run
from rich.console import Console, RenderableType

from clustering.report import render
from clustering.report.formats import counted_fillers
from clustering.report.signals import format_count
from clustering.report.visible import is_hidden, visible
from clustering.run_tables import MAX_FILLERS
from clustering.signals.catalogue import aspects
from clustering.templates import N_FILLED
from scripts.family import family_json, family_lines
from scripts.queue_table import queue_json, queue_table, summary_line
from scripts.subjects import find_family
from scripts.terminal import print_json, quoted


def printed(*parts: RenderableType, width: int = 80, colour: bool = False) -> str:
    """What reaches a terminal of this width."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
    )
    for part in parts:
        console.print(part)
    return stream.getvalue()


@pytest.fixture(scope="module")
def run() -> Tables:
    return small_run()


@pytest.mark.parametrize("width", [80, 160])
def test_queue_fits_the_terminal(run: Tables, width: int) -> None:
    lines = printed(queue_table(run.families, limit=9, width=width), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if line.strip()[:1].isdigit()] == ["1", "2"]
    assert ("Campaign" in lines[1]) == (width == 160)


def test_queue_honours_the_limit(run: Tables) -> None:
    assert "Grade answer" not in printed(queue_table(run.families, limit=1, width=80))
    assert queue_json(run, limit=1)["n_families"] == 2
    assert [row["rank"] for row in queue_json(run, limit=1)["families"]] == [1]  # type: ignore[attr-defined]


def test_nothing_hidden_reaches_the_terminal(run: Tables) -> None:
    shown = printed(queue_table(run.families, limit=9, width=160), width=160)
    shown += printed(*family_lines(run, HOSTILE, limit=99), width=100)
    assert not {character for character in shown if is_hidden(character)}


def test_colour_comes_from_us_alone(run: Tables) -> None:
    """Of all escape sequences on a colour terminal, none is a prompt's: links, clearing and named styles."""
    shown = printed(*family_lines(run, HOSTILE, limit=99), width=400, colour=True)
    assert "\x1b]8" not in shown
    assert "\x1b[2J" not in shown
    assert "\x1b[31mred" not in shown
    assert "[bold red]markup[/bold red] [link=http://trap.invalid]x[/link] :bomb: [/]" in shown


def test_hostile_prompts_are_shown_in_full(run: Tables) -> None:
    shown = printed(*family_lines(run, HOSTILE, limit=99), width=400)
    for prompt in HOSTILE_PROMPTS:
        for line in visible(prompt).split("\n"):
            assert line.expandtabs(8) in shown.expandtabs(8), line


def test_family_says_what_the_tables_say(run: Tables) -> None:
    shown = printed(*family_lines(run, CALM, limit=2))
    assert "Family 2  not flagged" in shown
    assert "Grade answer [slot_1] against the {rubric}." in shown
    assert "Not flagged: " in shown
    assert "\u2022 Three principals send it." in shown
    assert "A class: everyone sends the same exercise." in shown
    assert "[slot_1]: 12 distinct fillers" in shown
    assert "sent 2 \u00d7, the most typical" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_verdict_comes_first_and_signals_only_when_asked_for(run: Tables) -> None:
    shown = printed(*family_lines(run, HOSTILE, limit=1), width=110)
    assert shown.splitlines()[1].startswith("Sent by the pool behind its campaign, very likely")
    order = [
        shown.index(head) for head in ("Sent ", "Template", "sides from which", "Beside that", "Accounts")
    ]
    assert order == sorted(order)
    assert "Union efficiency" not in shown
    assert "Union efficiency" in printed(*family_lines(run, HOSTILE, limit=1, signals=True), width=110)


def test_aspects_lean_to_the_side_that_they_speak_for(run: Tables) -> None:
    calm = printed(*family_lines(run, CALM, limit=1), width=110).splitlines()
    bars = {line.split()[0]: line for line in calm if "\u2502" in line}
    assert bars["Loads"].index("\u2588") < bars["Loads"].index("\u2502")
    assert bars["Hours"].index("\u2588") > bars["Hours"].index("\u2502")
    assert "People's uneven use" in bars["Loads"]
    assert "Undecided: hour flatness 0.25" in bars["Hours"]
    assert "\u2588" not in bars["Sweep"]
    assert "Not measured" in bars["Sweep"]


def test_fillers_are_not_said_to_be_all_where_they_are_not(run: Tables) -> None:
    many = replace(run, families=run.families.with_columns(n_prompts=pl.lit(N_FILLED + 1, pl.Int64)))
    read = f"of the {format_count(N_FILLED)} prompts read"
    assert f"[slot_1]: 12 distinct fillers {read}" in printed(*family_lines(many, CALM, limit=2))
    assert f"12 distinct fillers {read}, the most frequent here" in render(many)
    assert family_json(many, CALM, limit=2)["n_prompts_read"] == N_FILLED
    few = replace(run, families=run.families.with_columns(n_prompts=pl.lit(N_FILLED, pl.Int64)))
    assert read not in printed(*family_lines(few, CALM, limit=2)) + render(few)
    assert counted_fillers(1, 9) == "1 distinct filler"
    assert counted_fillers(MAX_FILLERS - 1, 9) == f"{format_count(MAX_FILLERS - 1)} distinct fillers"
    assert counted_fillers(MAX_FILLERS, 9) == f"{format_count(MAX_FILLERS)} or more distinct fillers"


def test_family_as_json_holds_the_prompts_as_they_are(
    run: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json(family_json(run, HOSTILE, limit=99))
    written = capsys.readouterr().out
    assert written.isascii()
    assert not {character for character in written if is_hidden(character)}
    found = json.loads(written)
    assert {example["prompt"] for example in found["examples"]} == set(HOSTILE_PROMPTS)
    assert found["rank"] == 1
    assert found["verdict"]["sentence"].startswith("Sent by the pool")
    assert [aspect["name"] for aspect in found["aspects"]] == list(aspects())
    assert found["campaign"]["family_ids"] == [HOSTILE]


def test_a_typed_symbol_differs_from_a_hidden_character() -> None:
    assert not quoted(r"\x1b").spans
    assert [span.style for span in quoted("a\x1bb").spans if span.style] == ["reverse"]


def test_find_family(run: Tables) -> None:
    assert find_family(run.families, "1") == HOSTILE
    assert find_family(run.families, CALM) == CALM
    assert find_family(run.families, "aa11") == HOSTILE
    with pytest.raises(ValueError, match="2 ids start so"):
        find_family(run.families, "aa")
    for name in ("3", "zz", "", "-1", "\u0661"):
        with pytest.raises(ValueError, match="ranks are 1 to 2"):
            find_family(run.families, name)


def test_empty_run() -> None:
    run = empty_run()
    assert "0 families, 0 flagged" in summary_line(run)
    assert "Template" in printed(queue_table(run.families, limit=5, width=80))
