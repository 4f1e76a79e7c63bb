"""`covey diff` tells what changed in a terminal of any width, to a pipe and to machines."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from report_tables import CALM, HOSTILE, HOSTILE_PROMPTS, Tables, empty_run, small_run
from test_show import printed
from typer.testing import CliRunner

import clustering
from clustering import Comparison, Run, compare_runs
from clustering.report.visible import is_hidden
from clustering.results import MANIFEST
from scripts.cli import app
from scripts.diff_tables import diff_json, diff_lines, summary

runner = CliRunner()


def as_run(tables: Tables, name: str, **manifest: Any) -> Run:
    """A run that holds the tables, without a directory."""
    made = Run(Path(name))
    counts = {"counts": {"requests": tables.assignments.height}}
    vars(made).update(vars(tables) | {"manifest": counts | manifest})
    return made


def unflagged(tables: Tables) -> Tables:
    """The tables with no flag and no campaign."""
    families = tables.families.with_columns(
        flagged=pl.lit(False), campaign_id=pl.lit(None, pl.String), q_value=pl.lit(0.4)
    )
    return replace(tables, families=families, campaigns=tables.campaigns.head(0))


@pytest.fixture(scope="module")
def came() -> Comparison:
    return compare_runs(as_run(empty_run(), "old"), as_run(small_run(), "new"))


@pytest.fixture(scope="module")
def went() -> Comparison:
    return compare_runs(as_run(small_run(), "old"), as_run(empty_run(), "new"))


@pytest.fixture(scope="module")
def reflagged() -> Comparison:
    """The same log in two runs of other settings, of which only the new one flags a family."""
    inputs = [{"path": HOSTILE_PROMPTS[5], "size": 9, "n_rows": 65, "n_rejected": 0}]
    old = as_run(unflagged(small_run()), "old", settings={"seed": 0, "force": True}, inputs=[])
    return compare_runs(
        old, as_run(small_run(), "new", settings={"seed": 1, "registry": "known.toml"}, inputs=inputs)
    )


def test_summary_says_how_many_became_what(came: Comparison, went: Comparison, reflagged: Comparison) -> None:
    assert summary(came) == "Families: 2 came (1 flagged), 0 of about the same size."
    assert summary(went) == "Families: 2 went (1 flagged), 0 of about the same size."
    assert summary(reflagged) == (
        "Families: 2 of about the same size. Of those in both runs: 1 newly flagged."
    )
    same = compare_runs(as_run(small_run(), "old"), as_run(small_run(), "new"))
    assert summary(same) == "Families: all 2 as they were, and nothing else differs."
    other = compare_runs(as_run(small_run(), "old"), as_run(small_run(), "new", settings={"seed": 1}))
    assert summary(other) == "Families: all 2 as they were."


def test_the_same_run_is_one_line() -> None:
    same = compare_runs(as_run(small_run(), "old"), as_run(small_run(), "new"))
    assert len(printed(*diff_lines(same, limit=9, width=100), width=100).splitlines()) == 1


@pytest.mark.parametrize("width", [80, 140, 160])
def test_it_fits_the_terminal_and_nothing_of_a_stranger_acts(
    came: Comparison, went: Comparison, reflagged: Comparison, width: int
) -> None:
    for made in (came, went, reflagged):
        shown = printed(*diff_lines(made, limit=9, width=width), width=width)
        assert not {character for character in shown if is_hidden(character)}
        assert max(map(len, shown.splitlines())) <= width
        assert ("Campaign  Template" in shown) == (width >= 110)
        coloured = printed(*diff_lines(made, limit=9, width=width), width=width, colour=True)
        assert "\x1b]8" not in coloured
        assert "\x1b[2J" not in coloured


def test_flagged_families_come_first_with_their_ranks(came: Comparison, went: Comparison) -> None:
    for made, column in ((came, "New #"), (went, "Old #")):
        lines = printed(*diff_lines(made, limit=9, width=100), width=100).splitlines()
        head = next(i for i, line in enumerate(lines) if "New #" in line)
        end = lines[head].index(column) + len(column)
        assert [lines[head + i][:end].split()[1:] for i in (2, 3)] == [["\u25cf", "1"], ["2"]]


def test_what_changed_is_told_with_both_values(reflagged: Comparison) -> None:
    shown = printed(*diff_lines(reflagged, limit=9, width=160), width=160)
    assert "flagged" in shown
    assert "0.4 \u2192 < 1e-16" in shown
    assert "Grade answer" not in shown  # nothing changed in that family
    rows = {" ".join(line.split()) for line in shown.splitlines()}
    assert {"settings seed 0 1", "settings registry \u2013 known.toml"} <= rows
    assert not [row for row in rows if "force" in row]
    assert [row for row in rows if row.startswith("inputs") and row.endswith("\u2013 65 records")]


def test_campaigns_that_came_and_went(came: Comparison, went: Comparison, reflagged: Comparison) -> None:
    for made, name in ((came, "New campaigns"), (went, "Campaigns that went"), (reflagged, "New campaigns")):
        shown = printed(*diff_lines(made, limit=9, width=100), width=100)
        assert name in shown
        assert shown.count("ampaigns") == 1
    assert came.campaigns["n_known_accounts"].to_list() == [0]
    assert reflagged.campaigns["n_known_accounts"].to_list() == [3]  # its accounts are in both tables


def test_the_limit_says_that_there_is_more(came: Comparison) -> None:
    shown = printed(*diff_lines(came, limit=1, width=100), width=100)
    assert "Grade answer" not in shown
    assert "1 more, with --limit or --json" in shown
    assert "more, with" not in printed(*diff_lines(came, limit=2, width=100), width=100)
    assert len(diff_json(came, limit=1)["families"]) == 1  # type: ignore[arg-type]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {"old": as_run(empty_run(), "old"), "new": as_run(small_run(), "new")}
    monkeypatch.setattr(clustering, "load_run", lambda path: runs[path.name])


@pytest.mark.usefixtures("loaded")
def test_piped_output_is_plain() -> None:
    done = runner.invoke(app, ["diff", "old", "new"])
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Families: 2 came (1 flagged)")
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("loaded")
def test_json_holds_the_texts_as_they_are() -> None:
    done = runner.invoke(app, ["diff", "old", "new", "--json"])
    assert done.exit_code == 0
    assert done.stdout.isascii()
    found = json.loads(done.stdout)
    assert (found["old"], found["new"]) == ("old", "new")
    assert {name: n for name, n in found["n_families"].items() if n} == {"came": 2}
    assert (found["n_newly_flagged"], found["n_no_longer_flagged"]) == (0, 0)
    assert [row["new_family_id"] for row in found["families"]] == [HOSTILE, CALM]
    assert found["families"][0]["medoid_prompt"] == HOSTILE_PROMPTS[0]
    assert [row["status"] for row in found["campaigns"]] == ["came"]
    assert found["differences"] == [{"section": "counts", "key": "requests", "old": "0", "new": "58"}]


@pytest.mark.parametrize("broken", ["missing", "cut off"])
def test_a_run_that_is_not_readable_is_the_user_s_to_mend(tmp_path: Path, broken: str) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).write_text("{" if broken == "cut off" else "", encoding="utf-8")
    if broken == "missing":
        shutil.rmtree(tmp_path / "old")
    done = runner.invoke(app, ["diff", str(tmp_path / "old"), str(tmp_path / "new")])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "old") in done.stderr
