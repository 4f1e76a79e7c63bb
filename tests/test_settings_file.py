"""A settings file says what options say; what it cannot mean is one line that names it."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from clustering import RunSettings, load_run, run
from clustering.settings_file import NAMES, parse_time, read_settings
from scripts.cli import app
from scripts.run import run_settings

EVERYTHING = """
encoder = "transformer"
min_family = 30
seed = 7
threads = 1
memory = "8G"
since = 2026-04-01
until = "2026-04-08T12:00:00+02:00"
registry = "known/ours.toml"
patterns = "known/patterns.toml"
redact = true
max_rejected_share = 0.25
account_key = "/keys/accounts"
[columns]
prompt = "body.text"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_setting_can_be_said(tmp_path: Path) -> None:
    said = read_settings(written(tmp_path, EVERYTHING))
    assert set(NAMES) == {field.name for field in fields(RunSettings)} - {"force"}
    assert set(said) == set(NAMES)
    settings = RunSettings(**said)
    assert (settings.encoder, settings.min_family, settings.seed) == ("transformer", 30, 7)
    assert (settings.threads, settings.memory) == (1, 8 << 30)
    assert settings.since == datetime(2026, 4, 1, tzinfo=UTC)
    assert settings.until == datetime(2026, 4, 8, 10, tzinfo=UTC)
    assert settings.registry == str(tmp_path / "known" / "ours.toml")
    assert settings.patterns == str(tmp_path / "known" / "patterns.toml")
    assert (settings.redact, settings.account_key) == (True, "/keys/accounts")
    assert settings.columns == (("prompt", "body.text"),)
    json.dumps(settings.plain())


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'min_family = 30\nseed = 7\nmemory = "8G"\n[columns]\nprompt = "a"\naccount_id = "b"\n'
    )
    settings = run_settings(
        file,
        ["prompt=c"],
        {"since": None, "until": "2026-04-08", "memory": "4G"},
        seed=9,
        min_family=None,
        encoder=None,
    )
    assert (settings.seed, settings.min_family, settings.encoder) == (9, 30, "static")
    assert dict(settings.columns) == {"prompt": "c", "account_id": "b"}
    assert (settings.until, settings.memory) == (datetime(2026, 4, 8, tzinfo=UTC), 4 << 30)
    assert run_settings(file, None, {"memory": None}).memory == 8 << 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minfamily = 3", "no setting 'minfamily'; did you mean min_family"),
        ("force = true", "no setting 'force'; "),
        ("zzz = 1", "choose from encoder, min_family"),
        ("min_family = '3'", "min_family = '3' is not a whole number"),
        ("min_family = true", "min_family = True is not a whole number"),
        ("seed = 1.5", "seed = 1.5 is not a whole number"),
        ("max_rejected_share = true", "max_rejected_share = True is not a number"),
        ("redact = 1", "redact = 1 is not true or false"),
        ("encoder = 1", "encoder = 1 is not a text"),
        ("memory = 16", "memory = 16 is not a size in quotes"),
        ("memory = '16'", "memory: '16' is no size; write it as 16G or 512M"),
        ("since = 12", "since = 12 is not a time"),
        ("since = 'yesterday'", "since: 'yesterday' is no time"),
        ("columns = 'prompt'", "columns = 'prompt' is not a table"),
        ("[columns]\nprompt = 1", "is not a table of texts"),
        ("min_family =", "not TOML"),
        ("seed = \ufffe", "not TOML"),
        ("seed = " + "[" * 10_000, "nested too deep"),
        ("since = 0001-01-01T00:00:00+10:00", "since: '0001-01-01T00:00:00+10:00' is no time"),
        ("until = '9999-12-31T23:00:00-10:00'", "until: '9999-12-31T23:00:00-10:00' is no time"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"settings\.toml: ") as error:
        read_settings(file)
    assert message in str(error.value)
    ended = CliRunner().invoke(
        app, ["run", str(tmp_path / "no.csv"), "--out", str(tmp_path / "out"), "--config", str(file)]
    )
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_byte_order_mark_is_no_mistake_and_a_device_is_one(tmp_path: Path) -> None:
    file = tmp_path / "marked.toml"
    file.write_bytes(b"\xef\xbb\xbfmin_family = 30")
    assert read_settings(file) == {"min_family": 30}
    with pytest.raises(ValueError, match="is no file"):
        read_settings("/dev/zero")


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.toml: cannot be read"):
        read_settings(tmp_path / "gone.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bytes\.toml: not TOML"):
        read_settings(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-04-01", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-04-01T12:00:00Z", datetime(2026, 4, 1, 12, tzinfo=UTC)),
        ("2026-04-01 12:00", datetime(2026, 4, 1, 12, tzinfo=UTC)),
        ("2026-04-01T12:00:00+02:00", datetime(2026, 4, 1, 12, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_times(said: str, meant: datetime) -> None:
    assert parse_time(said, name="--since") == meant


def test_a_period_that_holds_nothing_is_refused() -> None:
    day = datetime(2026, 4, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="not before until"):
        RunSettings(since=day, until=day)
    with pytest.raises(ValueError, match="not before until"):
        RunSettings(since=day, until=datetime(2026, 4, 1))  # naive: UTC


def test_a_period_takes_its_requests_and_nothing_else(tmp_path: Path) -> None:
    days = [datetime(2026, 4, day, tzinfo=UTC) for day in range(1, 11) for _ in range(30)]
    log = tmp_path / "log.parquet"
    pl.DataFrame(
        {
            "prompt": [f"question {i % 7} of the day {i}" for i in range(300)],
            "account_id": [f"a{i % 20}" for i in range(300)],
            "timestamp": [*days[:-1], None],
        }
    ).write_parquet(log)
    ended = CliRunner().invoke(
        app,
        ["run", str(log), "--out", str(tmp_path / "run"), "--since", "2026-04-03", "--until", "2026-04-05"],
    )
    assert ended.exit_code == 0, ended.stderr
    done = load_run(tmp_path / "run")
    assert done.assignments.height == 60
    assert done.assignments["timestamp"].min() == days[60]
    assert done.manifest["counts"]["outside_period"] == 240
    assert done.manifest["settings"]["since"] == "2026-04-03T00:00:00+00:00"
    with pytest.raises(ValueError, match="300 lie outside"):
        run(log, tmp_path / "none", settings=RunSettings(since=datetime(2027, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_family", 1),
        ("min_family", 2**31),
        ("seed", -1),
        ("seed", 2**32),
        ("threads", 0),
        ("threads", 2**31),
        ("memory", 2**31 - 1),
        ("memory", 2**50 + 1),
    ],
)
def test_a_number_that_no_library_could_take_is_refused_at_once(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name}={value}: "):
        RunSettings(**{name: value})


def test_the_largest_seed_is_one_for_the_map() -> None:
    assert RunSettings(seed=2**32 - 1).seed == np.random.RandomState(2**32 - 1).get_state()[1][0]
