"""`covey registry`: entries are added to a file, and a run with it explains such families away."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import Logged
from report_tables import small_run
from typer.testing import CliRunner

import clustering
from clustering.registry import explained_by, read_registry
from scripts.cli import app

TEXT = "You answer questions of riders about lost property. {slot_1} Never promise that a thing was found."
CALM_TEMPLATE = "Grade answer {slot_1} against the {{rubric}} that you were given by the examiners."
runner = CliRunner()


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """Families of a run that any path leads to."""
    run = small_run()
    table = run.families.with_columns(
        template=pl.when(pl.col("rank") == 2).then(pl.lit(CALM_TEMPLATE)).otherwise("template")
    )
    monkeypatch.setattr(clustering, "load_run", lambda path: type(run)(**vars(run) | {"families": table}))
    return table


def test_a_text_is_added_and_the_next_after_it(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    added = runner.invoke(app, ["registry", str(file), "--template", TEXT, "--name", "desk"])
    assert added.exit_code == 0, added.output
    assert not added.stdout
    assert f"--registry {file}" in added.stderr.replace("\n", "")
    arguments = ["--template", "one two three four five six seven eight nine ten", "--name", "count"]
    more = ["--kind", "sample", "--source", "a page"]
    assert runner.invoke(app, ["registry", str(file), *arguments, *more]).exit_code == 0
    first, second = read_registry(file)
    assert (first.name, first.kind) == ("desk", "product")
    assert (second.name, second.kind, second.source) == ("count", "sample", "a page")
    assert explained_by(TEXT, [first]) == first
    assert {entry.name for entry in tmp_path.iterdir()} == {"own.toml"}, "nothing else is left there"
    assert "riders" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("named", ["2", "aa00"])
def test_a_family_of_a_run_is_added_by_rank_or_id(families: pl.DataFrame, tmp_path: Path, named: str) -> None:
    file = tmp_path / "own.toml"
    added = runner.invoke(app, ["registry", str(file), "RUN", named, "--name", "class"])
    assert added.exit_code == 0, added.output
    (entry,) = read_registry(file)
    assert explained_by(CALM_TEMPLATE, [entry]) == entry
    assert families["family_id"][0] in entry.source
    assert "RUN" in entry.source


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either RUN and FAMILY, or --template"),
        (["RUN"], "give either RUN and FAMILY"),
        (["RUN", "2", "--template", TEXT], "give either RUN and FAMILY"),
        (["--template", TEXT], "--name is missing"),
        (["--template", TEXT, "--name", "a", "--kind", "toy"], "kind 'toy' is unknown"),
        (["--template", "too short {slot_1}", "--name", "a"], "stand together"),
        (["--template", "", "--name", "a"], "stand together"),
        (["RUN", "99", "--name", "a"], "ranks are 1 to 2"),
    ],
)
def test_a_mistake_is_said_in_a_line_and_writes_nothing(
    families: pl.DataFrame, tmp_path: Path, arguments: list[str], said: str
) -> None:
    file = tmp_path / "own.toml"
    refused = runner.invoke(app, ["registry", str(file), *arguments])
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not file.exists()


def test_no_name_is_given_twice_and_a_broken_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    arguments = ["registry", str(file), "--template", TEXT, "--name", "desk"]
    assert runner.invoke(app, arguments).exit_code == 0
    before = file.read_bytes()
    again = runner.invoke(app, arguments)
    assert again.exit_code == 2
    assert "holds 'desk' already" in again.stderr
    assert file.read_bytes() == before
    file.write_text("[[known]\n", encoding="utf-8")
    broken = runner.invoke(app, arguments)
    assert broken.exit_code == 2
    assert "not TOML" in broken.stderr
    assert file.read_text(encoding="utf-8") == "[[known]\n"


def test_a_run_with_the_file_explains_the_family_away(logged: Logged, tmp_path: Path) -> None:
    file, before = tmp_path / "own.toml", logged.run.families
    first = before.filter(pl.col("flagged") & (pl.col("view") == "skeleton")).row(0, named=True)
    arguments = [str(logged.run.path), first["family_id"], "--name", "our own \u201cdesk\u201d"]
    assert runner.invoke(app, ["registry", str(file), *arguments]).exit_code == 0
    call = ["run", str(logged.log), "--out", str(tmp_path / "run"), "--registry", str(file)]
    made = runner.invoke(app, call)
    assert made.exit_code == 0, made.output
    after = clustering.load_run(tmp_path / "run").families
    (again,) = after.filter(pl.col("family_id") == first["family_id"]).to_dicts()
    assert not again["flagged"]
    assert (again["p_value"], again["campaign_id"]) == (1.0, None)
    assert again["score"] > 0, "what it shows stays to be seen"
    assert "our own \u201cdesk\u201d" in again["benign_explanation"]
    assert again["devotion"] == first["devotion"], "its signals are shown as before"
    assert after.filter("flagged").height >= before.filter("flagged").height // 2
    assert runner.invoke(app, call).exit_code == 0, "the same again is complete already"
    arguments = ["--template", TEXT, "--name", "desk"]
    assert runner.invoke(app, ["registry", str(file), *arguments]).exit_code == 0
    assert runner.invoke(app, call).exit_code == 2, "another registry is another run"
