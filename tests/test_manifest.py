"""A run's fingerprint changes with all that decides its tables, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from clustering import RunSettings, manifest
from clustering.coverage import read_library
from clustering.memory import memory_plan
from clustering.registry import Known, known_from_template
from clustering.run_tables import families_table
from clustering.stages import Clock
from embedder import Corpus, build_corpus

LIBRARY = read_library()
ENCODER: Any = SimpleNamespace(fingerprint="words-1", dim=2)
PLAN = memory_plan(RunSettings().memory, n_prompts=3, dim=2)
ROWS = {
    "prompt": ["one", "two", "three"],
    "account_id": ["a", "b", "a"],
    "model": ["m1", "m1", "m2"],
    "timestamp": ["2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", None],
}
DESK = known_from_template(
    "You answer questions of riders about lost property", name="desk", kind="product", source="a ticket"
)


def corpus_of(folder: Path, **columns: list[Any]) -> Corpus:
    folder.mkdir(exist_ok=True)
    pl.DataFrame(ROWS | {"request_id": ["x", "y", "z"]} | columns).write_parquet(folder / "log.parquet")
    return build_corpus([folder / "log.parquet"])


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return corpus_of(tmp_path)


def of(corpus: Corpus, settings: RunSettings | None = None, encoder: Any = ENCODER) -> str:
    return manifest.fingerprint(corpus, settings or RunSettings(), encoder, registry=(), library=LIBRARY)


@pytest.mark.parametrize("name", ["covey", "faiss-cpu", "polars", "numpy", "umap-learn", "hdbscan"])
def test_another_version_is_another_run(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = of(corpus)
    assert of(corpus) == before
    real = manifest.version
    monkeypatch.setattr(manifest, "version", lambda asked: "99" if asked == name else real(asked))
    assert of(corpus) != before
    written = manifest.manifest(corpus, RunSettings(), {}, Clock(None), inputs=(), plan=PLAN)
    assert written["versions"][name] == "99"


def test_another_recipe_is_another_run(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(corpus)
    monkeypatch.setattr(manifest, "RECIPE", manifest.RECIPE + 1)
    assert of(corpus) != before
    written = manifest.manifest(corpus, RunSettings(), {}, Clock(None), inputs=(), plan=PLAN)
    assert written["recipe"] == manifest.RECIPE
    assert written["memory_plan"]["index_bits"] == PLAN.index_bits


def test_settings_and_encoder_decide_but_not_how_the_run_is_done(corpus: Corpus) -> None:
    settings = RunSettings()
    before = of(corpus)
    for same in (replace(settings, threads=1), replace(settings, force=True)):
        assert of(corpus, same) == before
    # Memory decides how coarse tables and indexes of large logs are.
    for other in (
        replace(settings, seed=1),
        replace(settings, min_family=21),
        replace(settings, memory=2**33),
    ):
        assert of(corpus, other) != before
    assert of(corpus, encoder=SimpleNamespace(fingerprint="words-2", dim=2)) != before


def test_what_the_registry_holds_decides_not_where_it_lies(corpus: Corpus) -> None:
    settings = RunSettings()

    def known(*entries: Known, path: str | None = None) -> str:
        own = replace(settings, registry=path)
        return manifest.fingerprint(corpus, own, ENCODER, registry=entries, library=LIBRARY)

    assert known(DESK, path="here.toml") == known(DESK, path="there.toml") != known()
    assert known(replace(DESK, name="other")) != known(DESK)
    assert known(replace(DESK, shingles=frozenset({"0" * 16}))) != known(DESK)


def test_what_the_patterns_hold_decides_not_where_they_lie(corpus: Corpus, tmp_path: Path) -> None:
    own = '[[capability]]\nname = "chess"\nexamples = ["mate in two", "an opening", "rook endings"]\n'
    files = [tmp_path / name for name in ("here.toml", "there.toml", "other.toml")]
    for file, text in zip(files, (own, own, own.replace("rook", "pawn")), strict=True):
        file.write_text(text)

    def known(path: Path | None) -> str:
        settings = RunSettings(patterns=None if path is None else str(path))
        library = read_library(path)
        return manifest.fingerprint(corpus, settings, ENCODER, registry=(), library=library)

    here, there, other = map(known, files)
    assert here == there
    assert len({here, other, known(None)}) == 3


@pytest.mark.parametrize(
    "columns",
    [
        {"prompt": ["one", "two", "four"]},
        {"account_id": ["a", "b", "b"]},
        {"org_id": ["o", None, None]},
        {"timestamp": ["2026-03-01T10:00:01Z", "2026-03-01T11:00:00Z", None]},
        {"timestamp": [None, None, None]},
        {"model": ["m1", "m2", "m2"]},
        {"model": [None, None, None]},
        {"system_prompt": ["s", None, None]},
        {"request_id": ["x", "y", "w"]},
    ],
    ids=lambda columns: "-".join(columns),
)
def test_all_that_signals_read_decides(corpus: Corpus, tmp_path: Path, columns: dict[str, list[Any]]) -> None:
    assert of(corpus_of(tmp_path / "other", **columns)) != of(corpus)


@pytest.mark.parametrize("name", ["asked", "continues"])
def test_who_goes_on_with_whose_conversation_decides(corpus: Corpus, name: str) -> None:
    talks = pl.Series(name, [1, 2, 0], dtype=pl.UInt64)
    assert of(replace(corpus, requests=corpus.requests.with_columns(talks))) != of(corpus)


def test_two_families_of_one_id_are_no_table(corpus: Corpus) -> None:
    templates = [SimpleNamespace(text=text) for text in ("Rate {slot_1}", "x", "Sum {slot_1}")]
    families = SimpleNamespace(ids=pl.Series(["f1", "f2", "f1"]))
    observed = SimpleNamespace(families=families, templates=templates)
    found: Any = SimpleNamespace(observed=observed, flagged=np.zeros(3, bool))
    with pytest.raises(RuntimeError, match=r"id f1: 'Rate \{slot_1\}', 'Sum \{slot_1\}'"):
        families_table(corpus, found, pl.DataFrame())
