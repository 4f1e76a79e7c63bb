"""The sections of a bench on worlds that were written down, with figures worked out by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from bench_cases import PEOPLE, campaign, lookalike, world
from scipy.stats import beta

from clustering.bench import as_text, markdown, signals_of
from clustering.bench.ablation import ablation_sections, column_sections, reweighed
from clustering.bench.discoveries import order, realised, recipes
from clustering.bench.intervals import mean_interval, share_interval
from clustering.bench.leave_out import by_reference, conformal_p_values, leave_out_sections
from clustering.bench.lookalikes import alone, false_flags, silence
from clustering.bench.patterns import expected_patterns, pattern_sections
from clustering.bench.rivals import ranking_section
from clustering.bench.section import Section, table_of
from clustering.bench.shares import share_sections
from clustering.coverage import read_library
from clustering.scores import combined_p_values
from clustering.signals import SIGNALS
from clustering.simulation import CAMPAIGNS, LOOKALIKES, PRESETS
from clustering.simulation.recipes import recipes_of


def campaigns(**more):
    """A campaign flagged and one not, a class flagged and one not, a cron job at q = 0.15."""
    found = [
        ("A", 0.001, {campaign("alpha"): 50}),
        ("B", 0.03, {lookalike("classroom"): 30, PEOPLE: 5}),
        ("C", 0.08, {campaign("beta"): 40, PEOPLE: 10}),
        ("D", 0.15, {lookalike("cron"): 30}),
        ("E", 0.9, {lookalike("classroom"): 25}),
        (None, None, {campaign("alpha"): 10, PEOPLE: 300}),
    ]
    return world("campaigns", found, name="c", **more)


def quiet(*q):
    found = [(f"Q{i}", value, {lookalike("cron"): 30}) for i, value in enumerate(q)]
    return world("quiet", [*found, (None, None, {PEOPLE: 100})], name=f"q{q}")


def rows(section):
    return {row[0]: row[1:] for row in section.table.iter_rows()}


def test_false_flags_are_counted_by_kind():
    table = rows(false_flags([campaigns(), quiet(0.01, 0.5), world("alone", [("Z", 0.0, {PEOPLE: 9})])]))
    assert table["classroom"][:4] == (1, 2, 1, 0.5)
    assert table["cron"][:4] == (2, 3, 1, 1 / 3)
    assert set(table) == {"classroom", "cron"}
    assert table["cron"][5] == 1


def test_silence_counts_worlds_not_families():
    section = silence([quiet(0.01, 0.02), quiet(0.4), quiet(0.06), campaigns()])
    assert section.table.row(0)[:3] == (3, 1, 2)


def test_a_lookalike_alone_says_why_it_is_flagged():
    loud = world("alone", [("Z", 0.01, {lookalike("cron"): 30})], what="cron")
    calm = world("alone", [("Y", 0.2, {lookalike("cron"): 10, PEOPLE: 5})], what="cron")
    table = rows(alone([calm, loud, world("alone", [("Y", 0.2, {PEOPLE: 30})], what="class")]))
    assert table == {"cron": (2, 20, 2, 1, 1, "because"), "class": (1, 0, 1, 0, 0, "")}


def test_realised_rate_at_each_level():
    table = rows(realised([campaigns()]))
    assert [table[q][0] for q in (0.01, 0.05, 0.1, 0.2)] == [0.0, 1 / 2, 1 / 3, 2 / 4]
    assert [table[q][2] for q in (0.05, 0.2)] == ["1 of 2", "2 of 4"]
    assert [table[q][3] for q in (0.05, 0.2)] == [0.5, 0.9]


def test_the_queue_and_the_recipes():
    table = rows(order([campaigns()]))
    assert table["precision at 10"][0] == 2 / 5
    assert table["average precision"][0] == pytest.approx((1 + 2 / 3) / 2)
    assert rows(recipes([campaigns()])) == {"alpha": (1, 50 / 60, 50 / 60, 1), "beta": (1, 1.0, 0.0, 0)}


def signal_columns(p_values):
    """Effects and p-values of every signal, all families alike but for the p-values given."""
    n = len(next(iter(p_values.values())))
    columns: dict[str, list[object]] = {}
    for name in SIGNALS:
        columns[name] = [1.0] * n
        columns[f"{name}_p"] = list(p_values.get(name, [None] * n))
    return columns


STRONG = {
    "principals": [1e-9, 1e-9], "union_efficiency": [1e-9, 1e-9], "devotion": [1e-9, 0.5],
    "load_dispersion": [1e-9, 0.5], "hour_flatness": [1e-9, 0.5], "exchangeability": [1e-9, 0.5],
    "comembership": [1e-9, 0.5],
}  # fmt: skip


def test_signals_of_reads_what_has_both_columns():
    families = pl.DataFrame(
        {"devotion": [0.5, None], "devotion_p": [0.1, None], "score": [1.0, 2.0], "b_p": [0, 0]}
    )
    signals = signals_of(families)
    assert set(signals) == {"devotion"}
    np.testing.assert_array_equal(signals["devotion"].p_value, [0.1, np.nan])
    np.testing.assert_array_equal(signals["devotion"].effect, [0.5, np.nan])


def test_reweighed_is_the_combination_of_what_is_left():
    found = [("A", 0.5, {campaign("alpha"): 50}), ("B", 0.5, {lookalike("cron"): 60})]
    families = world("campaigns", found, **signal_columns(STRONG)).families
    whole = reweighed(families)
    assert whole["flagged"].to_list() == [True, False]
    signals = signals_of(families)
    np.testing.assert_array_equal(whole.sort("family_id")["p_value"], combined_p_values(signals))
    left = {name: signal for name, signal in signals.items() if name != "devotion"}
    without = reweighed(families, ("devotion",)).sort("family_id")
    np.testing.assert_array_equal(without["p_value"], combined_p_values(left))
    assert without["p_value"][0] > whole.sort("family_id")["p_value"][0]
    led_to = families.with_columns(own_p_value=pl.lit(None, pl.Float64))
    assert reweighed(led_to)["p_value"].to_list() == [1.0, 1.0], "no evidence of their own"


def test_ablation_tells_what_hangs_on_a_condition():
    found = [("A", 0.5, {campaign("alpha"): 50}), ("B", 0.5, {lookalike("cron"): 60})]
    table = rows(ablation_sections([world("campaigns", found, **signal_columns(STRONG))])[0])
    assert table["nothing"][2:4] == (0.0, 1.0)
    assert table["principals"][3] == 0.0
    assert table["sweep order"] == table["nothing"]
    assert {"aspect: hours", "devotion"} <= set(table)


def test_lost_columns_stand_beside_the_same_worlds():
    lost = world("without", [("A", 0.9, {campaign("alpha"): 50})], seed=3, what="timestamp")
    table = rows(column_sections([campaigns(seed=3), campaigns(seed=4), lost])[0])
    assert table["nothing"][:2] == (1, pytest.approx((100 / 110 + 80 / 90) / 2))
    assert table["timestamp"] == (1, 1.0, 1.0, 1.0, 0.0, 0.0)


def test_conformal_p_values_against_their_definition():
    rng = np.random.default_rng(0)
    scores, reference = rng.integers(0, 9, 40).astype(float), rng.integers(0, 9, 25).astype(float)
    expected = [(1 + sum(r >= s for r in reference)) / 26 for s in scores]
    np.testing.assert_allclose(conformal_p_values(scores, reference), expected)


def test_a_reference_without_the_kind_does_not_know_it():
    """Cron jobs score high in every world: a reference that has seen them lets them pass, another not."""
    base = {"kind": ["organic"] * 200 + ["cron"] * 5, "score": [*np.linspace(0, 1, 200), *[5.0] * 5]}
    families = pl.concat(
        pl.DataFrame({"world": [name] * 205, **base, "flagged": [False] * 205}) for name in "abcdef"
    )
    known = by_reference(families, leave_kind_out=False).filter("by_reference")
    left = by_reference(families, leave_kind_out=True).filter("by_reference")
    assert known.is_empty()
    assert left["kind"].unique().to_list() == ["cron"]
    assert left.height == 30


def test_leave_out_tables_have_every_kind():
    (section,) = leave_out_sections([campaigns(), quiet(0.5)])
    assert section.table["Kind"].to_list() == ["all campaigns", "classroom", "cron"]
    assert rows(section)["all campaigns"][:2] == (2, 1)
    assert rows(section)["classroom"][:2] == (2, 1)


def test_shares_tell_the_first_rank_and_what_stands_before():
    found = [
        ("A", 0.2, {lookalike("cron"): 30}),
        ("B", 0.3, {campaign("qwen"): 20, PEOPLE: 15}),
        (None, None, {campaign("qwen"): 20, PEOPLE: 900}),
    ]
    nothing = [("A", 0.2, {PEOPLE: 30}), (None, None, {campaign("qwen"): 4})]
    worlds = [
        world("share", part, what="qwen", share=share) for part, share in ((found, 0.05), (nothing, 0.001))
    ]
    table = share_sections(worlds)[0].table
    assert table.row(0) == ("qwen", "5.0%", 40, 0.5, 0.0, 2, 1)
    assert table.row(1) == ("qwen", "0.1%", 4, 0.0, 0.0, None, None)


def test_other_rankings_of_the_same_families():
    made = campaigns(n_accounts=[1, 9, 1, 1, 1])
    rates = pl.DataFrame({"family_id": list("ABCDE"), "pair_rate": [0.0, 0.0, 9.0, 0.0, 0.0]})
    rates = rates.with_columns(account_precision=0.25, account_recall=0.5)
    made = type(made)(made.world, {**made.tables, "pairs": rates})
    section = ranking_section([made, campaigns()])
    table = rows(section)
    # By size: A 50 and C 50 before the others; by size x accounts B 315 is first; by pairs C, then A.
    assert table["cluster size"][0] == 1.0
    assert table["size \u00d7 accounts"][0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert table["pair counting (SEAT)"][0] == 1.0
    assert "precision 0.25, recall 0.50" in section.note


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (20, 20)])
def test_share_interval_is_clopper_and_pearsons(hits, n):
    low = beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    assert share_interval(hits, n) == pytest.approx((low, high))
    assert share_interval(0, 0) == (0.0, 1.0)


def test_mean_interval_holds_the_mean_of_a_normal_law():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(200):
        low, high = mean_interval(rng.normal(size=20).tolist())
        held.append(low <= 0.0 <= high)
    assert 0.87 <= np.mean(held) <= 0.98
    assert mean_interval([0.25]) == (0.25, 0.25)
    assert np.isnan(mean_interval([])).all()


def test_markdown_can_be_read_back():
    table = table_of([("a|b", 1, 0.5, None), ("c\nd", 1234, 0.25, None)], ("Kind", "n", "Share", "Rest"))
    text = markdown([Section("x", "Title", "Note.", table), Section("y", "Empty", "", table.clear())])
    assert text.startswith("### Title\n\nNote.\n\n| Kind | n | Share | Rest |\n| --- | ---: | ---: | --- |\n")
    assert "| a\\|b | 1 | 0.500 | \u2013 |\n| c d | 1,234 | 0.250 | \u2013 |\n\n### Empty\n\n| Kind" in text
    assert as_text(True) == "True"


def test_sections_without_worlds_are_empty_not_broken():
    for section in (false_flags([]), silence([]), alone([]), realised([]), order([]), recipes([])):
        markdown([section])
    for sections in (share_sections([]), column_sections([]), leave_out_sections([]), ablation_sections([])):
        markdown(sections)
    markdown([ranking_section([])])


def test_patterns_are_right_wrong_or_none_clearly():
    """Two of the three flagged campaign families are told something, one of them rightly."""
    found = [
        ("A", 0.001, {campaign("trace"): 50}),
        ("B", 0.002, {campaign("trace", "t#2"): 30, PEOPLE: 30}),
        ("C", 0.003, {campaign("operators"): 40, PEOPLE: 10}),
        ("D", 0.3, {campaign("personas"): 40}),
        ("E", 0.4, {lookalike("classroom"): 30}),
        ("F", 0.5, {lookalike("reseller"): 30}),
        ("G", 0.6, {PEOPLE: 30}),
        (None, None, {campaign("trace"): 10, PEOPLE: 300}),
    ]
    shown = [
        "trace elicitation",
        "persona sweep",
        None,
        "shared template",
        "common questions",
        "retries",
        None,
    ]
    accuracy, confusion = pattern_sections([world("campaigns", found, pattern=shown)])
    rows = [row[:5] for row in accuracy.table.iter_rows()]
    flagged, missed, benign = accuracy.table["Of"]
    assert rows == [(flagged, 3, 2, 1, 0.5), (missed, 1, 1, 0, 0.0), (benign, 1, 1, 1, 1.0)]
    assert confusion.table.rows() == [
        (flagged, "operators/t", "none clearly", 1, "\u2013"),
        (flagged, "trace/t", "persona sweep", 1, "no"),
        (flagged, "trace/t", "trace elicitation", 1, "yes"),
        (missed, "personas/t", "shared template", 1, "no"),
        (benign, "classroom", "common questions", 1, "yes"),
    ]


def test_patterns_of_no_world():
    accuracy, confusion = pattern_sections([])
    assert accuracy.table["Share right"].to_list() == [None] * 3
    assert confusion.table.height == 0


def test_every_campaign_has_a_pattern_of_the_library_and_every_name_is_one():
    patterns = {pattern.name: pattern.hostile for pattern in read_library().patterns}
    for name in (*CAMPAIGNS, *PRESETS):
        for recipe in recipes_of(name):
            said = expected_patterns(f"{name}/{recipe.template}#2", campaign=True)
            assert said, recipe.template
            assert all(patterns[pattern] for pattern in said)
    named = {look: expected_patterns(look, campaign=False) for look in LOOKALIKES}
    assert sum(map(bool, named.values())) > len(LOOKALIKES) / 2
    assert not any(patterns[pattern] for said in named.values() for pattern in said)
    assert expected_patterns("organic", campaign=False) == ()
