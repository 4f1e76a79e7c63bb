"""Evaluation on small cases whose figures were worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from run_files import seal_run

from clustering.evaluation import evaluate, evaluate_run, pairwise_f1
from clustering.judgement import Match, average_precision, best_matches, pieces_of
from clustering.results import RunError

# (kind, group, family, found family, account, how many); accounts are numbered within a row of the table.
Part = tuple[str, str | None, str | None, str | None, str, int]

CASE: list[Part] = [
    ("campaign", "alpha", "alpha/one", "A", "a", 40),
    ("campaign", "alpha", "alpha/one", "B", "a", 8),
    ("campaign", "alpha", "alpha/one", None, "a", 2),
    ("campaign", "alpha", "alpha/two", "C", "a", 30),  # under 40: not asked for
    ("campaign", "beta", "beta/plain:words", "D", "b", 20),
    ("campaign", "beta", "beta/plain:words", None, "b", 20),
    ("benign:classroom", "class", None, "A", "p", 10),
    ("benign:viral", "v1", None, "E", "q", 12),
    ("organic", None, None, "D", "q", 21),
    ("organic", None, None, None, "r", 100),
]


def frames(parts: list[Part], *, per_account: int = 10) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    rows = [
        (kind, group, family, found, f"{account}{i // per_account}")
        for kind, group, family, found, account, n in parts
        for i in range(n)
    ]
    names = ["kind", "group", "family", "family_id", "account_id"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    frame = frame.with_row_index("row").with_columns(request_id=pl.format("r{}", "row"))
    return (
        frame.select("request_id", "family_id"),
        frame.select("request_id", "kind", "group", "family"),
        frame.select("request_id", "account_id"),
    )


def found(**columns: list[object]) -> pl.DataFrame:
    base: dict[str, list[object]] = {"family_id": ["A", "E", "B", "D", "C"], "rank": [1, 2, 3, 4, 5]}
    return pl.DataFrame(base | columns)


def test_worked_example() -> None:
    assignments, truth, requests = frames(CASE)
    families = found(q_value=[0.01, 0.02, 0.03, 0.04, 0.5], campaign_id=["x", None, "x", None, "y"])
    figures = evaluate(assignments, families, truth, requests=requests)
    # alpha/one: A has 40 of its 50, 50 rows in all: F1 = 80/100; B has 8: 16/58. Only alpha/one is asked for.
    assert figures.per_family["alpha/one"] == Match(0.8, 0.8, 0.8)
    # beta/plain:words: D has 20 of its 40 and 41 rows.
    assert figures.per_family["beta/plain:words"] == Match(40 / 81, 20 / 41, 0.5)
    assert figures.mean_f1 == 0.8
    assert figures.plain_f1 == 40 / 81
    assert (figures.n_families, figures.n_true_families, figures.n_f1_80) == (5, 1, 1)
    # The list that counts: A right, E wrong, (B: second piece of alpha/one), D wrong (20 of 41), C right.
    assert figures.precision_at_10 == 0.5
    # alpha/two, which C holds, is not asked for: A is right, E and D are wrong, beta/plain:words is missed.
    assert figures.average_precision == pytest.approx(1 / 2)
    # Flagged and counted: A, E, D; wrong: E, D.
    assert (figures.n_flagged, figures.n_flagged_counted, figures.n_flagged_wrong) == (4, 3, 2)
    assert figures.realised_fdr == pytest.approx(2 / 3)
    assert figures.wrong_kinds == {"benign:viral": 1, "organic": 1}
    # Flagged: 48 of alpha's 80 requests, 20 of beta's 40.
    assert figures.campaign_requests_flagged == 68 / 120
    assert figures.per_campaign == {"alpha": 0.6, "beta": 0.5}
    # Accounts: caught are a0..a3 and b0, b1 of a0..a3, b0, b1; named besides: p0, q0..q2.
    assert figures.account_recall == 1.0
    assert figures.account_precision == 6 / 10
    # Pairs: x holds 48 of alpha and 10 others, y 30 of alpha; alpha has 80 requests, beta 40.
    both, true, said = 1128 + 435, 3160 + 780, 58 * 57 / 2 + 435
    assert figures.campaign_pairwise_f1 == pytest.approx(2 * both / (true + said))
    json.dumps(figures.to_dict())


def test_order_of_rows_does_not_matter() -> None:
    assignments, truth, requests = frames(CASE)
    families = found(flagged=[True, True, False, True, False])
    expected = evaluate(assignments, families, truth, requests=requests)
    shuffled = [frame.sample(fraction=1.0, shuffle=True, seed=3) for frame in (assignments, families, truth)]
    assert evaluate(*shuffled, requests=requests.reverse()) == expected
    assert expected.campaign_pairwise_f1 is None


def test_ties_are_settled_by_content() -> None:
    # Two found families match equally well; "B" is the larger id. Half campaign, half not is right.
    parts: list[Part] = [
        ("campaign", "g", "g/t", "A", "a", 20),
        ("campaign", "g", "g/t", "B", "a", 20),
        ("organic", None, None, "A", "o", 20),
        ("benign:cron", "c", None, "B", "o", 10),
        ("benign:bot", "c", None, "B", "o", 10),
    ]
    assignments, truth, requests = frames(parts)
    rows = requests.join(truth, on="request_id").join(assignments, on="request_id")
    assert best_matches(pieces_of(rows)) == {"g/t": Match(0.5, 0.5, 0.5)}
    families = pl.DataFrame({"family_id": ["A", "B"], "rank": [2, 1], "q_value": [0.0, 0.0]})
    figures = evaluate(assignments, families, truth, requests=requests)
    assert figures.average_precision == 1.0
    assert (figures.n_flagged_counted, figures.n_flagged_wrong) == (1, 0)
    # One campaign request fewer in B: 19 of 39 is wrong; of two equally frequent kinds the first counts.
    fewer = truth.filter(pl.col("request_id") != "r20")
    figures = evaluate(assignments, families, fewer, requests=requests)
    assert figures.wrong_kinds == {"benign:bot": 1}
    assert figures.average_precision is None  # 39 requests: not asked for


def test_perfect_and_empty_runs() -> None:
    parts: list[Part] = [
        ("campaign", "g", "g/t", "A", "a", 50),
        ("campaign", "h", "h/t", "B", "b", 60),
        ("organic", None, None, None, "o", 300),
    ]
    assignments, truth, requests = frames(parts)
    families = pl.DataFrame(
        {"family_id": ["A", "B"], "rank": [1, 2], "q_value": [0.0, 0.0], "campaign_id": ["1", "2"]}
    )
    best = evaluate(assignments, families, truth, requests=requests)
    assert best.mean_f1 == best.average_precision == best.campaign_pairwise_f1 == 1.0
    assert best.account_precision == best.account_recall == best.campaign_requests_flagged == 1.0
    assert best.realised_fdr == 0.0
    nothing = assignments.with_columns(family_id=pl.lit(None))
    none = evaluate(nothing, families.clear(), truth, requests=requests)
    assert none.mean_f1 == none.average_precision == none.campaign_requests_flagged == 0.0
    assert none.account_precision == none.realised_fdr == none.precision_at_10 == 0.0


def test_no_campaign_in_the_truth() -> None:
    assignments, truth, requests = frames([("organic", None, None, "A", "o", 50)])
    families = pl.DataFrame({"family_id": ["A"], "rank": [1], "q_value": [0.01]})
    figures = evaluate(assignments, families, truth, requests=requests)
    assert figures.mean_f1 is figures.average_precision is figures.account_recall is None
    assert figures.realised_fdr == 1.0
    assert figures.wrong_kinds == {"organic": 1}


def test_pairwise_f1_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    truth = [None if v == 4 else str(v) for v in rng.integers(0, 5, 60)]
    other = [None if v == 3 else str(v) for v in rng.integers(0, 4, 60)]
    pairs = [(i, j) for i in range(60) for j in range(i)]
    true = {p for p in pairs if truth[p[0]] is not None and truth[p[0]] == truth[p[1]]}
    said = {p for p in pairs if other[p[0]] is not None and other[p[0]] == other[p[1]]}
    expected = 2 * len(true & said) / (len(true) + len(said))
    assert pairwise_f1(pl.Series(truth), pl.Series(other)) == pytest.approx(expected)
    assert pairwise_f1(pl.Series([None, "a"]), pl.Series(["a", "a"])) == 0.0


def test_average_precision() -> None:
    assert average_precision(np.array([1.0, 0.0, 1.0]), 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(0), 3) == 0.0
    assert average_precision(np.ones(2), 0) is None


def test_small_true_families_do_not_stand_in_for_missed_ones() -> None:
    """Two asked for, one of them missed; three found that are too small to be asked for, one wrong."""
    parts: list[Part] = [
        ("campaign", "g", "g/small", "A", "a", 30),
        ("campaign", "g", "g/small too", "B", "a", 20),
        ("benign:cron", "c", None, "C", "o", 30),
        ("campaign", "g", "g/asked", "D", "a", 50),
        ("campaign", "g", "g/tiny", "E", "a", 39),
        ("campaign", "g", "g/missed", None, "a", 60),
    ]
    assignments, truth, requests = frames(parts)
    families = pl.DataFrame({"family_id": list("ABCDE"), "rank": range(1, 6), "q_value": [0.0] * 5})
    figures = evaluate(assignments, families, truth, requests=requests)
    assert figures.average_precision == pytest.approx((1 / 2) / 2), "of C and D, D is right; of two asked"
    assert figures.precision_at_10 == 4 / 5
    assert figures.realised_fdr == 1 / 5


def test_evaluate_run_reads_folders(tmp_path: Path) -> None:
    assignments, truth, requests = frames(CASE)
    families = found(q_value=[0.01, 0.02, 0.03, 0.04, 0.5])
    run, log = tmp_path / "run", tmp_path / "log"
    run.mkdir()
    log.mkdir()
    with pytest.raises(RunError, match="not a complete run"):
        evaluate_run(run, log)
    assignments.join(requests, on="request_id").write_parquet(run / "assignments.parquet")
    families.write_parquet(run / "families.parquet")
    seal_run(run)
    with pytest.raises(ValueError, match=r"truth\.parquet is not there"):
        evaluate_run(run, log)
    truth.write_parquet(log / "truth.parquet")
    expected = evaluate(assignments, families, truth, requests=requests)
    assert evaluate_run(run, log) == evaluate_run(run, log / "truth.parquet") == expected
    requests.write_parquet(log / "requests.parquet")
    assert evaluate_run(run, log) == expected
    (log / "truth.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="cannot be read"):
        evaluate_run(run, log)
    truth.write_parquet(log / "truth.parquet")
    (run / "families.parquet").write_bytes((run / "families.parquet").read_bytes()[:-1])
    with pytest.raises(RunError, match="damaged"):
        evaluate_run(run, log)


def test_wrong_frames_are_named() -> None:
    assignments, truth, requests = frames(CASE)
    families = found(q_value=[0.01, 0.02, 0.03, 0.04, 0.5])
    with pytest.raises(ValueError, match="truth has no column family"):
        evaluate(assignments, families, truth.drop("family"), requests=requests)
    with pytest.raises(ValueError, match="assignments: request_id repeats in 1 "):
        evaluate(pl.concat([assignments, assignments.head(1)]), families, truth, requests=requests)
    with pytest.raises(ValueError, match="rank repeats"):
        evaluate(assignments, families.with_columns(rank=1), truth, requests=requests)
    with pytest.raises(ValueError, match="flagged differs"):
        evaluate(assignments, families.with_columns(flagged=False), truth, requests=requests)
    with pytest.raises(ValueError, match="q_value"):
        evaluate(assignments, families.drop("q_value"), truth, requests=requests)
