"""The benign families that a family is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.benign_reference import (
    COLUMNS,
    N_NEAREST,
    REFERENCE,
    benign_reference,
    benign_standing,
    reference_text,
)
from clustering.report.descriptions import reference_sentence
from clustering.simulation import LOOKALIKES


def drawn(n: int, *, seed: int) -> pl.DataFrame:
    """Families of sizes that often tie."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "kind": ["people"] * n,
            "n_requests": rng.integers(1, 9, n),
            "n_accounts": rng.integers(1, 5, n),
            "p_value": rng.choice([0.001, 0.01, 0.2, 1.0], n),
        },
        schema=COLUMNS,
    )


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 400), m=st.integers(0, 6), seed=st.integers(0, 1_000))
def test_standing_is_the_count_among_the_nearest(n: int, m: int, seed: int) -> None:
    reference, asked = drawn(n, seed=seed), drawn(m, seed=seed + 1)
    columns = (asked[name].to_numpy() for name in ("p_value", "n_requests", "n_accounts"))
    found = benign_standing(*columns, reference=reference)
    for row, n_compared, k in zip(asked.iter_rows(named=True), *map(list, found), strict=True):
        alike = [
            x
            for x in reference.iter_rows(named=True)
            if all(1 / 3 - 1e-9 <= x[name] / row[name] <= 3 + 1e-9 for name in ("n_requests", "n_accounts"))
        ]
        if row["p_value"] == 1.0:
            alike = []
        assert n_compared == min(len(alike), N_NEAREST)
        away = [sum(np.log(x[name] / row[name]) ** 2 for name in ("n_requests", "n_accounts")) for x in alike]
        limit = sorted(away)[n_compared - 1] if n_compared else 0.0
        low = [x["p_value"] <= row["p_value"] for x in alike]
        surely = sum(is_low for is_low, d in zip(low, away, strict=True) if d < limit - 1e-9)
        maybe = sum(is_low for is_low, d in zip(low, away, strict=True) if d < limit + 1e-9)
        assert surely <= k <= maybe


def test_what_was_not_tested_is_not_compared() -> None:
    one = np.ones(2, dtype=np.int64)
    compared, as_low = benign_standing(np.array([np.nan, 1.0]), one, one, reference=drawn(50, seed=0))
    assert compared.tolist() == as_low.tolist() == [0, 0]


def test_the_packaged_families_are_of_many_kinds_and_sizes() -> None:
    reference = benign_reference()
    assert reference.null_count().sum_horizontal().item() == 0
    assert reference["p_value"].is_between(0, 1).all()
    assert reference.select(pl.min_horizontal("n_requests", "n_accounts").min()).item() >= 1
    assert reference.height >= 5 * N_NEAREST
    kinds = set(reference["kind"].unique())
    assert kinds <= {"people", *LOOKALIKES}
    assert len(kinds) > 0.8 * len(LOOKALIKES)
    assert (reference["p_value"] <= 0.05).mean() < 0.06


def test_the_file_is_sorted_and_read_as_it_was_written() -> None:
    reference = benign_reference()
    assert reference_text(reference.sample(fraction=1.0, shuffle=True, seed=0)) == reference_text(reference)
    packaged = Path(__file__).parents[1] / "clustering" / REFERENCE
    assert packaged.read_text(encoding="utf-8") == reference_text(reference)


@pytest.mark.parametrize(
    ("n", "k", "said"),
    [
        (0, 0, None),
        (7, 0, None),
        (
            200,
            0,
            "none of the 200 benign families of simulated traffic nearest to it in requests and accounts has",
        ),
        (
            200,
            1,
            "1 of the 200 benign families of simulated traffic nearest to it in requests and accounts has",
        ),
        (
            90,
            12,
            "12 of the 90 benign families of simulated traffic nearest to it in requests and accounts have",
        ),
    ],
)
def test_it_is_said_in_words(n: int, k: int, said: str | None) -> None:
    row = {"n_benign_compared": n, "n_benign_as_low": k, "n_pooled": 0}
    sentence = reference_sentence(row)
    assert sentence == (said and f"{said} a p-value as low")
    together = reference_sentence(row | {"n_pooled": 2})
    assert together == (
        sentence and sentence.replace("nearest to it", "nearest to the families weighed with it")
    )


@pytest.mark.slow
def test_a_small_reference_is_made_again_the_same(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from scripts.cli import app

    files = []
    for name in ("one", "two"):
        call = [
            "bench",
            "reference",
            "--out",
            str(tmp_path / name),
            "--seeds",
            "1",
            "--requests",
            "3000",
            "--requests",
            "1k",
        ]
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 0, result.output
        files.append((tmp_path / name / REFERENCE).read_bytes())
    assert files[0] == files[1]
    made = pl.read_csv(tmp_path / "one" / REFERENCE, schema=COLUMNS)
    assert made.height >= 10
    assert made["kind"].n_unique() >= 4
