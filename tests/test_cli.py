"""Every command and option is documented, exit codes say whose fault it is, results go to stdout."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from report_tables import Tables, small_run
from run_files import seal_run
from typer.testing import CliRunner

import clustering
from clustering.evaluation import Evaluation
from clustering.tables import REJECTED
from scripts.cli import app, main
from scripts.errors import is_user_mistake
from scripts.evaluate import FIGURES, TABLES
from scripts.progress import stage_bars
from scripts.run import parse_columns

COMMANDS = ("run", "show", "diff", "simulate", "evaluate", "registry", "drill", "bench")
runner = CliRunner()


@dataclass(frozen=True)
class FakeRun(Tables):
    """Tables and where they lie."""

    path: Path = Path("somewhere")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    run = FakeRun(**vars(small_run()))
    monkeypatch.setattr(clustering, "load_run", lambda path: run, raising=False)
    return run


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let loading a run raise, from a function of one of our packages."""

    def load_run(path: Path) -> None:
        raise error

    load_run = type(load_run)(
        load_run.__code__, {"__name__": "clustering.results"}, closure=load_run.__closure__
    )
    monkeypatch.setattr(clustering, "load_run", load_run, raising=False)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by the words that lead to it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name in inner or ():
        yield from leaves(inner[name], (*path, name))


@pytest.mark.parametrize(("path", "command"), list(leaves(typer.main.get_command(app))))
def test_every_command_and_option_is_documented(path: tuple[str, ...], command: Any) -> None:
    shown = runner.invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert command.callback.__doc__
    assert command.callback.__doc__.strip().split("\n")[0] in " ".join(shown.output.split())
    assert len(command.params) >= 2
    for parameter in command.params:
        assert parameter.help, f"{path} {parameter.name} has no help"
        assert all(option in shown.output for option in parameter.opts), parameter.opts


def test_the_commands_are_these() -> None:
    assert {path[0] for path, _ in leaves(typer.main.get_command(app))} == set(COMMANDS)


def test_top_help_lists_commands_and_exit_status() -> None:
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    for word in (*COMMANDS, "--version", "--debug", "Exit status"):
        assert word in shown.output


def test_version() -> None:
    shown = runner.invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("covey")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from scripts.cli import app\n"
        "heavy = {'torch', 'umap', 'polars', 'numpy', 'bokeh', 'faiss', 'sentence_transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_show_prints_the_queue(loaded: FakeRun) -> None:
    shown = runner.invoke(app, ["show", "RUN"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    assert "2 families, 1 flagged" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert not shown.stderr


def test_show_family_and_json(loaded: FakeRun) -> None:
    assert "Family 2" in runner.invoke(app, ["show", "RUN", "2"]).stdout
    queue = json.loads(runner.invoke(app, ["show", "RUN", "--json", "--limit", "1"]).stdout)
    assert [row["rank"] for row in queue["families"]] == [1]
    family = json.loads(runner.invoke(app, ["show", "RUN", "2", "--json"]).stdout)
    assert family["template"] == "Grade answer {slot_1} against the {{rubric}}."
    assert family["first_seen"] == "2026-05-01T00:00:00+00:00"


def test_an_interrupt_is_told_without_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    monkeypatch.setitem(sys.modules, "clustering.report.visible", None)  # as an interrupted import leaves it
    shown = runner.invoke(app, ["show", "RUN"])
    assert shown.exit_code == 130
    assert shown.stderr == "Interrupted.\n"


def test_an_encoding_that_lacks_letters_is_no_fault(loaded: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", write_through=True)
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setattr(sys, "argv", ["covey", "show", "RUN"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    shown = written.buffer.getvalue().decode("latin-1")
    assert "2 families, 1 flagged" in shown
    assert "q \\u2264 0.05" in shown


@pytest.mark.parametrize(
    ("extra", "n_examples", "n_fillers"),
    [([], 3, 5), (["--limit", "2"], 2, 2), (["--limit", "11"], 11, 11), (["--limit", "50"], 12, 12)],
)
def test_show_family_honours_the_limit(
    loaded: FakeRun, extra: list[str], n_examples: int, n_fillers: int
) -> None:
    shown = runner.invoke(app, ["show", "RUN", "2", *extra])
    assert shown.stdout.count("\nsent 2 ") == n_examples
    family = json.loads(runner.invoke(app, ["show", "RUN", "2", "--json", *extra]).stdout)
    assert len(family["examples"]) == n_examples
    assert len(family["slots"][0]["fillers"]) == n_fillers


@pytest.mark.parametrize("extra", [[], ["1"], ["--json"], ["1", "--json"]])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, extra: list[str]) -> None:
    tables = small_run()
    for name in ("families", "campaigns", "accounts", "assignments", "prompts", "slots", "map"):
        getattr(tables, name).write_parquet(tmp_path / f"{name}.parquet")
    REJECTED.to_frame().write_parquet(tmp_path / "rejected.parquet")
    seal_run(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "show", str(tmp_path), *extra],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def test_unknown_family_is_the_users_mistake(loaded: FakeRun) -> None:
    shown = runner.invoke(app, ["show", "RUN", "99"])
    assert shown.exit_code == 2
    assert shown.stderr.count("\n") == 1
    assert "ranks are 1 to 2" in shown.stderr
    assert not shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["run", "logs.parquet"],
        ["run", "--out", "x"],
        ["nonsense"],
        ["show", "RUN", "--limit", "0"],
        ["run", "logs.parquet", "--out", "x", "--threads", "0"],
        ["simulate", "--out", "x", "--requests", "many"],
        ["run", "logs.parquet", "--out", "x", "--column", "prompt"],
    ],
)
def test_bad_arguments(arguments: list[str]) -> None:
    shown = runner.invoke(app, arguments)
    assert shown.exit_code == 2
    assert shown.stderr
    assert "Traceback" not in shown.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("logs.csv: no column account_id"), 2),
        (FileNotFoundError(2, "No such file or directory", "logs.csv"), 2),
        (PermissionError(13, "Permission denied", "logs.csv"), 2),
        (RuntimeError("boom"), 1),
        (KeyError("boom"), 1),
        (OSError(28, "No space left on device"), 1),
        (BrokenPipeError(32, "Broken pipe"), 1),  # not of standard output
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    failing(monkeypatch, error)
    shown = runner.invoke(app, ["show", "RUN"])
    assert shown.exit_code == code
    assert shown.stderr.count("\n") == 1
    assert not shown.stdout
    assert ("--debug" in shown.stderr) == (code == 1)


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("boom \x1b[31m"))
    shown = runner.invoke(app, ["--debug", "show", "RUN"])
    assert shown.exit_code == 1
    assert "Traceback" in shown.stderr
    assert "\x1b" not in shown.stderr


def test_a_message_with_control_characters_stays_one_harmless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ValueError("bad\nname \x1b[2J\u202e"))
    shown = runner.invoke(app, ["show", "RUN"])
    assert shown.stderr == "Error: bad \u23ce name \\x1b[2J\\u202e\n"


def test_a_value_error_from_a_dependency_is_ours() -> None:
    def raised(code: str) -> ValueError:
        try:
            exec(code, {"__name__": "clustering.pipeline"})
        except ValueError as error:
            return error
        raise AssertionError

    assert is_user_mistake(raised("raise ValueError('min_family must be at least 2; seen 1')"))
    assert not is_user_mistake(raised("import json; json.loads('{')"))


def test_parse_columns() -> None:
    assert parse_columns(["prompt=body.text", "account_id=user=id"]) == (
        ("prompt", "body.text"),
        ("account_id", "user=id"),
    )
    for entries in (["prompt"], ["=x"], ["prompt="], ["a=b", "a=c"]):
        with pytest.raises(ValueError, match="--column"):
            parse_columns(entries)


def test_no_bars_where_nobody_watches() -> None:
    with stage_bars() as draw:
        assert draw is None


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Stage:
        name: str
        done: int
        total: int | None
        unit: str
        note: str = ""
        ended: bool = False

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with stage_bars() as draw:
        assert draw is not None
        for done, total in ((0, None), (5, 10), (10, 10)):
            draw(Stage("embed", done, total, "prompts", ended=done == total))
        draw(Stage("load encoder", 0, None, "", "distilling"))
    shown = capsys.readouterr()
    assert not shown.out
    assert "embed" in shown.err
    assert "10 prompts" in shown.err
    assert "distilling" in shown.err


def test_simulate_writes_logs_and_truth(tmp_path: Path) -> None:
    out = tmp_path / "logs"
    made = runner.invoke(app, ["simulate", "--out", str(out), "--requests", "4000", "--seed", "3", "--json"])
    assert made.exit_code == 0, made.output
    counts = json.loads(made.stdout)
    assert counts["n_requests"] == 4_000
    assert counts["n_organic"] + counts["n_benign"] + counts["n_campaign"] == 4_000
    assert {entry.name for entry in out.iterdir()} >= {"requests.parquet", "truth.parquet"}


def test_simulate_overwrites_nothing_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "truth.parquet").write_text("mine")
    arguments = ["simulate", "--out", str(tmp_path), "--requests", "1000"]
    refused = runner.invoke(app, arguments)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "truth.parquet" in refused.stderr
    assert (tmp_path / "truth.parquet").read_text() == "mine"
    assert runner.invoke(app, [*arguments, "--force"]).exit_code == 0
    assert pl.read_parquet(tmp_path / "truth.parquet").height == 1_000


def test_evaluate_prints_the_figures(tmp_path: Path) -> None:
    tables = {
        "assignments": {"request_id": ["a", "b"], "account_id": ["x", "y"], "family_id": ["f", "f"]},
        "families": {"family_id": ["f"], "rank": [1], "q_value": [0.01], "flagged": [True]},
        "truth": {
            "request_id": ["a", "b"],
            "kind": ["campaign", "organic"],
            "group": ["g", None],
            "family": ["g/one", None],
        },
    }
    for name, columns in tables.items():
        pl.DataFrame(columns).write_parquet(tmp_path / f"{name}.parquet")
    seal_run(tmp_path)
    shown = runner.invoke(app, ["evaluate", str(tmp_path), str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    rows = [line.rsplit(maxsplit=1) for line in shown.stdout.splitlines() if "  " in line.strip()]
    lines = {row[0].strip(): row[-1] for row in rows}
    assert lines["precision of accounts in flagged families"] == "0.500"
    assert lines["true families with a common text"] == "0"
    assert "fewer than 40 requests are not asked for" in shown.stdout
    assert "_" not in shown.stdout
    assert {field.name for field in fields(Evaluation)} == {*FIGURES, *TABLES}
    figures = json.loads(runner.invoke(app, ["evaluate", str(tmp_path), str(tmp_path), "--json"]).stdout)
    assert figures["account_precision"] == 0.5
    assert figures["account_recall"] == 1.0


def test_evaluate_without_a_run_is_the_users_mistake(tmp_path: Path) -> None:
    shown = runner.invoke(app, ["evaluate", str(tmp_path / "none"), str(tmp_path)])
    assert shown.exit_code == 2
    assert shown.stderr.startswith("Error: ")
    assert shown.stderr.count("\n") == 1
