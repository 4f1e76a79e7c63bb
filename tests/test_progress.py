"""Bars say how far a stage is, how fast it goes on, and what time is left at that pace."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.stages import Stage
from scripts import progress
from scripts.progress import Pace, counts, short_count, stage_bars

SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, "0"),
        (950, "950"),
        (9_999, f"9{SPACE}999"),
        (10_000, "10.0k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (28_800_000, "28.8M"),
        (3.2e12, "3.20T"),
    ],
)
def test_counts_are_short(n: float, shown: str) -> None:
    assert short_count(n) == shown


@given(st.integers(0, 10**14))
def test_a_short_count_is_right_to_three_digits(n: int) -> None:
    shown = short_count(n)
    assert len(shown) <= 5
    number, unit = re.fullmatch(rf"([\d.{SPACE}]+)([kMGT]?)", shown).groups()  # type: ignore[union-attr]
    value = float(number.replace(SPACE, "")) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    assert value == pytest.approx(n, rel=0.0051)


def test_counts_name_the_total_while_it_is_not_reached() -> None:
    assert counts(Stage("a", 1_200_000, 17_000_000, "texts")) == "1.20M of 17.0M texts"
    assert counts(Stage("a", 12_000, None, "rows")) == "12.0k rows"
    assert counts(Stage("a", 12_000, 12_000, "rows")) == "12.0k rows"
    assert counts(Stage("a", 1, 1, "")) == ""


def paces(*told: tuple[float, int, int | None], unit: str = "texts") -> list[str]:
    pace = Pace(0.0)
    return [pace.of(Stage("a", done, total, unit), now) for now, done, total in told]


def test_a_steady_pace_says_what_is_left() -> None:
    assert paces((0, 0, 10_000), (0.5, 50, 10_000), (2, 200, 10_000), (90, 9_000, 10_000)) == [
        "", "", "100/s, 0:01:38 left", "100/s, 0:00:10 left"
    ]  # fmt: skip
    assert paces((0, 0, None), (10, 500_000, None)) == ["", "50.0k/s"]
    assert paces((0, 0, 60), (100, 20, 60)) == ["", "0:03:20 left"]  # less than one a second
    assert paces((0, 0, 10), (9, 9, 10), (10, 10, 10)) == ["", "1/s, 0:00:01 left", "1/s"]


def test_the_pace_is_that_of_the_last_half_minute() -> None:
    slow = [(float(t), t, 10_000) for t in range(0, 100, 10)]
    quick = [(100.0 + t, 100 + 100 * t, 10_000) for t in range(0, 60, 10)]
    assert paces(*slow, *quick)[-1] == "100/s, 0:00:49 left"


def test_a_count_that_begins_anew_or_of_something_else_has_a_pace_of_its_own() -> None:
    pace = Pace(0.0)
    for now, done in ((0, 0), (10, 1_000)):
        pace.of(Stage("a", done, 1_000, "texts"), now)
    assert pace.of(Stage("a", 0, 1_000, "texts"), 20) == ""
    assert pace.of(Stage("a", 500, 1_000, "texts"), 30) == "50/s, 0:00:10 left"
    assert pace.of(Stage("a", 600, 1_000, "rows"), 31) == ""
    assert pace.of(Stage("a", 600, 2_000, "rows"), 40) == ""
    assert pace.of(Stage("a", 600, 2_000, "rows"), 60) == ""  # nothing went on


def test_a_stage_that_ended_says_its_mean_pace() -> None:
    pace = Pace(5.0)
    assert pace.of(Stage("a", 30_000, 30_000, "texts", ended=True), 8.0) == "10.0k/s"
    assert pace.of(Stage("a", 1, 1, "", ended=True), 8.0) == ""
    assert pace.of(Stage("a", 30_000, 30_000, "texts", ended=True), 5.5) == ""


@pytest.mark.parametrize("columns", [80, 120])
def test_a_line_fits_a_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    seconds = iter((0.0, 0.0, 30.0))
    monkeypatch.setattr(progress, "perf_counter", lambda: next(seconds))
    with stage_bars() as draw:
        assert draw is not None
        draw(Stage("load encoder", 0, 28_800_000, "requests"))
        draw(Stage("load encoder", 1_205_000, 28_800_000, "requests"))
    line = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capsys.readouterr().err).splitlines()[-1]
    assert re.fullmatch(r"load encoder .* 1.21M of 28\.8M requests 40\.2k/s, 0:11:27 left", line)
    assert len(line) <= 80
