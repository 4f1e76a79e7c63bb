"""The memory that a run may take: how it is said, what follows from it, and what does not."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
from fault_injection import check_same_tables, small_log
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clustering import RunSettings, load_run, memory, run
from clustering.costs import Costs, LogSize
from clustering.drill import DrillSettings
from clustering.memory import memory_plan, reading_bytes, table_bytes
from clustering.planning import plan
from clustering.run_directory import partial_of
from clustering.run_settings import LEAST_MEMORY
from clustering.settings_file import parse_bytes
from embedder import LogError
from scripts.cli import app

GIB = 1 << 30
runner = CliRunner()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("16G", 16 * GIB),
        ("16g", 16 * GIB),
        ("16 GiB", 16 * GIB),
        ("16gb", 16 * GIB),
        (" 4096M ", 4 * GIB),
        ("2.5G", 5 * GIB // 2),
        ("1T", 1024 * GIB),
        ("0M", 0),
    ],
)
def test_sizes(said: str, meant: int) -> None:
    assert parse_bytes(said, name="--memory") == meant


@pytest.mark.parametrize(
    "said",
    ["", "16", "G", "-2G", "+2G", "1e3G", "16K", "16GG", "16 G B", ".5G", "5.G", "٣G", "nanG", "16G\n8G"],
)
def test_what_is_no_size_is_one_line(said: str) -> None:
    with pytest.raises(ValueError, match="is no size; write it as 16G or 512M") as error:
        parse_bytes(said, name="--memory")
    assert str(error.value).startswith(f"--memory: {said!r} ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("said", ["1.9G", "2000M", "9999999T", "9" * 400 + "T"])
def test_a_size_that_no_run_can_take_is_refused_at_once(tmp_path: Path, said: str) -> None:
    call = ["run", str(small(tmp_path)), "--out", str(tmp_path / "run"), "--memory", said]
    ended = runner.invoke(app, call)
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1), ended.output
    assert "memory" in ended.stderr
    assert not list(tmp_path.glob("run*"))


def test_the_least_memory_is_enough_for_settings() -> None:
    assert RunSettings(memory=LEAST_MEMORY).memory == parse_bytes("2G", name="memory")
    with pytest.raises(ValueError, match=f"memory={LEAST_MEMORY - 1}: "):
        RunSettings(memory=LEAST_MEMORY - 1)


def test_vectors_of_16_bits_where_half_the_memory_holds_them_else_8_else_none() -> None:
    most = 8 * GIB // (2 * 256)  # prompts whose vectors, of two bytes a value, are half of 16 GiB

    def planned(n_prompts: int) -> memory.MemoryPlan:
        return memory_plan(16 * GIB, n_prompts=n_prompts, dim=256)

    assert [planned(n).index_bits for n in (0, most, most + 1, 2 * most)] == [16, 16, 8, 8]
    with pytest.raises(LogError, match=rf"16,384 MiB .*{2 * most + 1:,} distinct prompts; .*--memory 17G"):
        planned(2 * most + 1)


@given(
    n_prompts=st.integers(1, 1 << 34), dim=st.sampled_from([2, 256, 384, 1024]), gib=st.integers(2, 1 << 12)
)
@example(n_prompts=17_000_000, dim=256, gib=16)
def test_what_a_refusal_advises_is_the_least_that_does(n_prompts: int, dim: int, gib: int) -> None:
    try:
        made = memory_plan(gib * GIB, n_prompts=n_prompts, dim=dim)
    except LogError as error:
        found = re.search(r"--memory (\d+)G", str(error))
        assert found is not None
        least = int(found[1])
        assert least > gib
        assert memory_plan(least * GIB, n_prompts=n_prompts, dim=dim).index_bits == 8
        with pytest.raises(LogError):
            memory_plan((least - 1) * GIB, n_prompts=n_prompts, dim=dim)
    else:
        assert n_prompts * dim * made.index_bits // 8 <= made.index == gib * GIB // 2
        assert made.index_bits == 16 or n_prompts * dim * 2 > made.index


@given(st.integers(LEAST_MEMORY, 1 << 50))
def test_the_parts_are_less_than_the_whole(size: int) -> None:
    made = memory_plan(size, n_prompts=1, dim=1)
    assert made.reading + 2 * made.shingle_table + made.index < made.memory == size
    assert (made.reading, made.shingle_table) == (reading_bytes(size), table_bytes(size))


def small(folder: Path, **columns: object) -> Path:
    rows = {"prompt": [f"question {i}" for i in range(40)], "account_id": ["a", "b"] * 20}
    pl.DataFrame(rows | columns).write_parquet(folder / "log.parquet")
    return folder / "log.parquet"


def test_the_tables_of_a_small_log_are_the_same_with_any_memory(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    much, little = (
        run(log, tmp_path / said, settings=RunSettings(memory=parse_bytes(said, name="memory")))
        for said in ("16G", "2G")
    )
    assert much.families.height > 0
    check_same_tables(little, much)
    assert little.manifest["settings"]["memory"] == 2 * GIB
    n_prompts = little.manifest["counts"]["prompts"]
    planned = memory_plan(2 * GIB, n_prompts=n_prompts, dim=little.encoder.dim)
    assert little.manifest["memory_plan"] == asdict(planned)
    with pytest.raises(
        ValueError, match="other logs or settings"
    ):  # of a large log the tables would be others
        run(log, tmp_path / "2G", settings=RunSettings(memory=3 * GIB))


def test_too_many_prompts_are_one_line_and_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, place = small(tmp_path), tmp_path / "run"
    call = ["run", str(log), "--out", str(place), "--memory", "2G"]
    with monkeypatch.context() as patched:
        patched.setattr(memory, "_OF_INDEX", 4 * GIB // (40 * 256))  # of 2 GiB, half of what 8 bits take
        ended = runner.invoke(app, call)
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1), ended.output
    assert "2,048 MiB do not hold the index of 40 distinct prompts; give --memory 4G" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.parquet"]
    ended = runner.invoke(app, call)
    assert ended.exit_code == 0, ended.output
    assert load_run(place).manifest["memory_plan"]["index_bits"] == 16


def test_a_refusal_leaves_the_stages_of_another_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, place = small(tmp_path), tmp_path / "run"

    def stop(stage: object) -> None:
        if getattr(stage, "name", "") == "map":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(log, place, progress=stop)
    before = {path for path in partial_of(place).rglob("*") if path.is_file()}
    with monkeypatch.context() as patched:
        patched.setattr(memory, "_OF_INDEX", 4 * GIB // (40 * 256))
        with pytest.raises(LogError, match="do not hold"):
            run(log, place, settings=RunSettings(memory=2 * GIB))
    assert {path for path in partial_of(place).rglob("*") if path.is_file()} == before
    assert any(path.name == "families.json" for path in before)


def test_a_plan_counts_with_the_memory_of_the_run(tmp_path: Path) -> None:
    huge = LogSize(requests=1e7, prompts=1e7, text_bytes=1e10, seen_bytes=1e10, packed_share=0.3)
    tables = [replace(huge, table_bytes=table_bytes(gib * GIB)).tables_mib for gib in (2, 4, 16)]
    assert tables == [192, 384, 1_536]  # 12 bytes a slot, of 8 bytes that count; a sixteenth of the memory
    assert replace(huge).tables_mib == 1_536
    log = small(tmp_path)
    call = ["run", str(log), "--out", str(tmp_path / "run"), "--plan", "--memory"]
    assert runner.invoke(app, [*call, "3G"]).exit_code == 0
    ended = runner.invoke(app, [*call, "3"])
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert "--memory: '3' is no size" in ended.stderr


def test_a_plan_hands_on_the_bound_of_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[LogSize] = []
    monkeypatch.setattr(Costs, "memory_mib", lambda _, size: sizes.append(size) or 1.0)
    for gib in (2, 16):
        plan(small(tmp_path), settings=RunSettings(memory=gib * GIB))
    assert [size.table_bytes for size in sizes] == [GIB // 8, GIB]


@pytest.mark.parametrize(("peak", "is_said"), [(2_047, False), (2_049, True)])
def test_a_plan_says_where_the_memory_does_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peak: float, is_said: bool
) -> None:
    monkeypatch.setattr(Costs, "memory_mib", lambda *_: peak)
    call = ["run", str(small(tmp_path)), "--out", str(tmp_path / "run"), "--plan", "--memory", "2G"]
    shown = " ".join(runner.invoke(app, call).stdout.split())
    assert "Nothing was written." in shown
    assert ("more than --memory allows (2.0 GiB): give more" in shown) == is_said


def test_a_drill_takes_it_for_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[DrillSettings] = []

    def stop(*_: object, settings: DrillSettings, **__: object) -> None:
        taken.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("clustering.drill.drill", stop)
    (tmp_path / "covey.toml").write_text('memory = "3G"\n')
    call = ["drill", str(small(tmp_path)), "--out", str(tmp_path / "drill")]
    for more in ([], ["--config", str(tmp_path / "covey.toml")], ["--memory", "5G"]):
        assert runner.invoke(app, [*call, *more]).exit_code == 130
    assert [settings.run.memory for settings in taken] == [16 * GIB, 3 * GIB, 5 * GIB]
