"""`--patterns FILE`: own patterns and examples take part in a run; a broken file is one line, at once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import Logged
from typer.testing import CliRunner

import clustering
from clustering.coverage import read_library
from clustering.settings_file import read_settings
from scripts.cli import app

runner = CliRunner()

OWN = """
[[pattern]]
name = "house style"
summary = "What our own red team sends."
hostile = true
geometry = ["T1", "T2", "T3", "T4", "T5", "T6"]
coverage = { breadth = "low" }
weights = { geometry = 9 }

[[elicitation]]
name = "limericks"
examples = ["Write a limerick about it", "Five lines, rhyming", "A nonsense poem, please"]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_own_file_adds_to_every_part_of_the_library(tmp_path: Path) -> None:
    bundled, own = read_library(), read_library(written(tmp_path, OWN))
    assert [pattern.name for pattern in own.patterns] == [p.name for p in bundled.patterns] + ["house style"]
    assert own.elicitations[:-1] == bundled.elicitations
    assert own.elicitations[-1].name == "limericks"
    assert (own.payloads, own.capabilities) == (bundled.payloads, bundled.capabilities)
    assert own.text != bundled.text == read_library().text


def test_own_patterns_may_use_own_words_and_a_setting_names_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, OWN.replace("coverage =", 'elicitations = ["limericks"]\ncoverage ='))
    assert read_library(file).patterns[-1].expected["elicitations"] == {"limericks": True}
    said = tmp_path / "covey.toml"
    said.write_text('patterns = "own.toml"\n')
    assert read_settings(said) == {"patterns": str(file)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[pattern]\n", "give a UTF-8 TOML file"),
        ("", "nothing at the top"),
        ("[[patterns]]\n", "'patterns' at the top"),
        (OWN.replace('"low"', '"little"'), "'house style': coverage = {'breadth': 'little'}"),
        (OWN.replace('"T6"', '"T7"'), "unknown T7 in geometry"),
        (OWN.replace("hostile = true", "hostile = 1"), "say true or false"),
        (OWN.replace('"A nonsense poem, please"', ""), "at least 3"),
        (f"x = {'[' * 5_000}", "own.toml"),
    ],
)
def test_a_broken_file_is_one_line_before_a_log_is_read(tmp_path: Path, text: str, said: str) -> None:
    log, out = tmp_path / "log.csv", tmp_path / "out"
    log.write_text("prompt,account_id\nhello,a\n")
    call = ["run", str(log), "--out", str(out), "--patterns", str(written(tmp_path, text))]
    for more in ([], ["--plan"]):
        refused = runner.invoke(app, [*call, *more])
        assert refused.exit_code == 2
        assert said in refused.stderr
        assert "own.toml" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert not out.exists()


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("prompt,account_id\nhello,a\n")
    call = ["run", str(log), "--out", str(tmp_path / "out"), "--patterns", str(tmp_path / "none.toml")]
    refused = runner.invoke(app, call)
    assert refused.exit_code == 2
    assert "none.toml: No such file" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_run_shows_the_own_pattern_and_another_file_is_another_run(logged: Logged, tmp_path: Path) -> None:
    before = logged.run.families
    file = written(tmp_path, OWN)
    call = ["run", str(logged.log), "--out", str(tmp_path / "run"), "--patterns", str(file)]
    made = runner.invoke(app, call)
    assert made.exit_code == 0, made.output
    after = clustering.load_run(tmp_path / "run").families
    assert "house style" not in before["pattern"].to_list()
    own = after.filter(pl.col("pattern") == "house style")
    assert own.height > 0
    assert set(own["pattern_summary"]) == {"What our own red team sends."}
    shown = runner.invoke(app, ["show", str(tmp_path / "run"), str(own["rank"][0])])
    assert "house style, a pattern of extraction" in shown.stdout
    assert runner.invoke(app, call).exit_code == 0, "the same again is complete already"
    moved = tmp_path / "moved.toml"
    moved.write_text(OWN)
    assert runner.invoke(app, [*call[:-1], str(moved)]).exit_code == 0, "what it holds decides"
    file.write_text(OWN.replace("red team", "blue team"))
    assert runner.invoke(app, call).exit_code == 2, "other patterns are another run"
