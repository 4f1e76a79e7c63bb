"""A run's fingerprint changes with all that decides its tables, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from clustering import RunSettings, manifest
from clustering.run_tables import families_table
from clustering.stages import Clock
from embedder import Corpus, build_corpus

ENCODER: Any = SimpleNamespace(fingerprint="words-1", dim=2)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    frame = pl.DataFrame({"prompt": ["one", "two", "three"], "account_id": ["a", "b", "a"]})
    frame.write_parquet(tmp_path / "log.parquet")
    return build_corpus([tmp_path / "log.parquet"])


@pytest.mark.parametrize("name", ["covey", "faiss-cpu", "polars", "numpy", "umap-learn", "hdbscan"])
def test_another_version_is_another_run(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = manifest.fingerprint(corpus, RunSettings(), ENCODER)
    assert manifest.fingerprint(corpus, RunSettings(), ENCODER) == before
    real = manifest.version
    monkeypatch.setattr(manifest, "version", lambda asked: "99" if asked == name else real(asked))
    assert manifest.fingerprint(corpus, RunSettings(), ENCODER) != before
    written = manifest.manifest(corpus, RunSettings(), {}, Clock(None))
    assert written["versions"][name] == "99"


def test_another_recipe_is_another_run(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    before = manifest.fingerprint(corpus, RunSettings(), ENCODER)
    monkeypatch.setattr(manifest, "RECIPE", manifest.RECIPE + 1)
    assert manifest.fingerprint(corpus, RunSettings(), ENCODER) != before
    assert manifest.manifest(corpus, RunSettings(), {}, Clock(None))["recipe"] == manifest.RECIPE


def test_settings_and_encoder_decide_but_not_how_the_run_is_done(corpus: Corpus) -> None:
    settings = RunSettings()
    before = manifest.fingerprint(corpus, settings, ENCODER)
    for same in (replace(settings, threads=1), replace(settings, force=True)):
        assert manifest.fingerprint(corpus, same, ENCODER) == before
    assert manifest.fingerprint(corpus, replace(settings, seed=1), ENCODER) != before
    other: Any = SimpleNamespace(fingerprint="words-2", dim=2)
    assert manifest.fingerprint(corpus, settings, other) != before


def test_two_families_of_one_id_are_no_table(corpus: Corpus) -> None:
    families: Any = SimpleNamespace(ids=pl.Series(["f1", "f2", "f1"]))
    templates: Any = [SimpleNamespace(text=text) for text in ("Rate {slot_1}", "x", "Sum {slot_1}")]
    evidence: Any = None
    with pytest.raises(RuntimeError, match=r"id f1: 'Rate \{slot_1\}', 'Sum \{slot_1\}'"):
        families_table(corpus, families, templates, evidence)
