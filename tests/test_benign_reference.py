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
    compared, as_low = benign_standing(*columns, reference=reference)
    assert compared.tolist() == [min(n, N_NEAREST)] * m
    for row, k in zip(asked.iter_rows(named=True), as_low.tolist(), strict=True):
        away = [
            (
                np.log(x["n_requests"] / row["n_requests"]) ** 2
                + np.log(x["n_accounts"] / row["n_accounts"]) ** 2
            )
            for x in reference.iter_rows(named=True)
        ]
        limit = sorted(away)[min(n, N_NEAREST) - 1] if n else 0.0
        low = (reference["p_value"] <= row["p_value"]).to_numpy()
        surely = sum(low[i] for i in range(n) if away[i] < limit - 1e-9)
        maybe = sum(low[i] for i in range(n) if away[i] < limit + 1e-9)
        assert surely <= k <= maybe


def test_the_packaged_families_are_of_many_kinds_and_sizes() -> None:
    reference = benign_reference()
    assert reference.schema == COLUMNS
    assert reference.null_count().sum_horizontal().item() == 0
    assert reference["p_value"].is_between(0, 1).all()
    assert reference.select(pl.min_horizontal("n_requests", "n_accounts").min()).item() >= 1
    assert reference.height >= 5 * N_NEAREST
    kinds = set(reference["kind"].unique())
    assert kinds <= {"people", *LOOKALIKES}
    assert len(kinds) > 0.8 * len(LOOKALIKES)
    # p-values that keep their word: of benign families no more are below a level than it says, give or take
    for level in (0.05, 0.01):
        assert (reference["p_value"] <= level).mean() < 1.5 * level


def test_the_file_is_sorted_and_read_as_it_was_written() -> None:
    reference = benign_reference()
    assert reference_text(reference.sample(fraction=1.0, shuffle=True, seed=0)) == reference_text(reference)
    packaged = Path(__file__).parents[1] / "clustering" / REFERENCE
    assert packaged.read_text(encoding="utf-8") == reference_text(reference)


@pytest.mark.parametrize(
    ("n", "k", "said"),
    [
        (0, 0, None),
        (200, 0, "none of the 200 benign families"),
        (200, 1, "1 of the 200 benign families"),
        (200, 12, "12 of the 200 benign families"),
    ],
)
def test_it_is_said_in_words(n: int, k: int, said: str | None) -> None:
    sentence = reference_sentence({"n_benign_compared": n, "n_benign_as_low": k})
    assert (sentence or "").startswith(said or "")
    assert (sentence is None) == (said is None)


@pytest.mark.slow
def test_a_small_reference_is_made_again_the_same(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from scripts.cli import app

    files = []
    for name in ("one", "two"):
        call = ["bench", "reference", "--out", str(tmp_path / name), "--seeds", "1", "--requests", "3000"]
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 0, result.output
        files.append((tmp_path / name / REFERENCE).read_bytes())
    assert files[0] == files[1]
    made = pl.read_csv(tmp_path / "one" / REFERENCE, schema=COLUMNS)
    assert made.height >= 10
    assert made["kind"].n_unique() >= 4
