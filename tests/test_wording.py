"""Wording: columns of what the families say, null where nothing was measured, else in range."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from coverage_cases import encode
from observed_cases import observed_of
from traffic_cases import nothing, traffic_of

from clustering.coverage import N_BACKGROUND, read_library
from clustering.signals import SIGNALS, Signal, no_evidence
from clustering.tables import FAMILIES
from clustering.templates import Template
from clustering.wording import coverage_columns, read_examples, read_wording, slots_that_vary

LIBRARY = read_library()
COLUMNS = [
    "capability",
    "pattern",
    "pattern_summary",
    "pattern_match",
    "pattern_hostile",
    *(name for name in FAMILIES if name.startswith("coverage_")),
]
WRAPPER = "Write down every step of your reasoning between tags and then the final answer. Problem: "
SUBJECTS = ["integral", "contract", "poem", "kernel", "diagnosis", "recipe", "train", "garden"]


def log(*, n_prompts=40, n_times=2, n_noise=600, views=None):
    """A grid of words under a wrapper, a family of a single prompt, and what people ask."""
    random = np.random.default_rng(0)
    grid = [f"solve the {SUBJECTS[k % 8]} number {k // 8}" for k in range(n_prompts)]
    noise = [" ".join(random.choice(SUBJECTS, 4)) + f" question {k}" for k in range(n_noise)]
    prompts = np.concatenate(
        [np.repeat(np.arange(n_prompts), n_times), np.full(30, n_prompts), n_prompts + 1 + np.arange(n_noise)]
    )
    groups = np.concatenate([np.zeros(n_prompts * n_times), np.ones(30), np.full(n_noise, -1)]).astype(int)
    traffic = traffic_of(np.arange(len(prompts)), prompts=prompts, groups=groups, n_groups=2)
    texts = [*grid, "say it again", *noise]
    return observed_of(traffic, texts, encode, views=views, wrappers=[WRAPPER, "Please: "])


def unmeasured(n):
    return {name: no_evidence(n) for name in SIGNALS}


def wording_of(observed):
    return read_wording(observed, read_examples(LIBRARY, observed.encode))


def columns_of(observed, *, signals=None, groups=None, flagged=False, library=LIBRARY):
    n = observed.n_families
    return coverage_columns(
        observed,
        read_wording(observed, read_examples(library, observed.encode)),
        signals or unmeasured(n),
        patterns=library.patterns,
        flagged=np.full(n, flagged),
        groups=np.arange(n) if groups is None else np.array(groups),
        seed=0,
    )


@pytest.fixture(scope="module")
def described():
    return columns_of(log())


def test_they_are_columns_of_the_families_table(described):
    assert described.columns == COLUMNS
    assert described.height == 2
    for name, dtype in described.schema.items():
        assert dtype == FAMILIES[name], name


def test_what_is_measured_is_in_range_and_nothing_is_not_a_number(described):
    for name in described.columns:
        if described[name].dtype.is_float():
            assert not described[name].is_nan().any(), name
    for name in ("pattern_match", "coverage_depth", "coverage_evenness", "coverage_efficiency"):
        assert described[name].drop_nulls().is_between(0, 1).all(), name
    for name in ("coverage_breadth", "coverage_full_size"):
        assert (described[name].drop_nulls() >= 1).all(), name
    assert described["coverage_full_size"][0] >= 40
    assert described["coverage_depth"][0] == pytest.approx(40 / described["coverage_full_size"][0])


def test_patterns_and_capabilities_are_those_of_the_library(described):
    observed = log()
    wording = wording_of(observed)
    assert described["capability"].drop_nulls().is_in(wording.profile.names).all()
    known = {pattern.name: pattern for pattern in LIBRARY.patterns}
    present = dict.fromkeys(SIGNALS, Signal(np.ones(2), np.zeros(2)))
    told = columns_of(log(), signals=present, flagged=True).filter(pl.col("pattern").is_not_null())
    assert told.height > 0
    for row in told.iter_rows(named=True):
        assert row["pattern_hostile"] == known[row["pattern"]].hostile
        assert row["pattern_summary"] == known[row["pattern"]].summary
    for row in described.filter(pl.col("pattern").is_null()).iter_rows(named=True):
        assert row["pattern_match"] is row["pattern_hostile"] is row["pattern_summary"] is None


def test_an_own_pattern_wins_where_it_fits_better(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[pattern]]\nname = "subject drill"\nsummary = "Solves the same subjects again."\nhostile = true\n'
        'elicitations = ["drill"]\nsignals = { devotion = "present" }\nweights = { elicitations = 9 }\n'
        f'[[elicitation]]\nname = "drill"\nexamples = {json.dumps([f"{WRAPPER} {k}" for k in SUBJECTS])}\n'
    )
    library = read_library(own)
    bundled, mine = (columns_of(log(), flagged=True, library=each) for each in (LIBRARY, library))
    assert "subject drill" not in bundled["pattern"].to_list()
    row = mine.row(0, named=True)
    assert (row["pattern"], row["pattern_summary"]) == ("subject drill", "Solves the same subjects again.")


def test_a_nonce_is_no_axis_of_a_sweep_and_a_lone_number_is():
    words = [f"word{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(40)]
    nonces = [f"id={k * 7919:x}f3" for k in range(40)]
    few = [SUBJECTS[k % 4] for k in range(40)]
    rows = np.arange(40)
    counted = [len(slot) for slot in slots_that_vary(Template("", [nonces, few], rows))]
    assert counted == [4]
    assert [len(slot) for slot in slots_that_vary(Template("", [words, few], rows))] == [40, 4]
    assert [len(slot) for slot in slots_that_vary(Template("", [nonces], rows))] == [40]
    years = [str(2000 + k % 5) for k in range(40)]
    assert [len(slot) for slot in slots_that_vary(Template("", [years, few], rows))] == [5, 4]
    twice = Template("", [["", *words[:39]]], rows)
    assert slots_that_vary(twice)[0].sum() == 39, "an empty gap holds no value"


def test_a_grid_that_was_sent_whole_is_deep_even_and_over(described):
    twice = described.row(0, named=True)
    assert twice["coverage_depth"] > 0.9
    assert twice["coverage_evenness"] == pytest.approx(1)
    assert described["coverage_efficiency"][1] == 0, "one prompt brings nothing new"


def test_where_no_prompt_came_twice_the_size_of_the_sweep_is_null():
    once = columns_of(log(n_times=1))
    assert once["coverage_full_size"][0] is None
    assert once["coverage_depth"][0] is None
    assert once["coverage_efficiency"][0] == pytest.approx(1)


def test_without_ordinary_prompts_breadth_and_what_is_ordinary_are_not_known():
    bare = log(n_noise=0)
    table = columns_of(bare)
    assert table["coverage_breadth"].null_count() == 2
    assert np.isnan(wording_of(bare).elicited.signal.p_value).all()
    assert wording_of(bare).background.shape[0] == 0


def test_families_found_by_their_meaning_are_read_whole():
    seen = []

    def listening(texts):
        seen.extend(texts)
        return encode(texts)

    observed = replace(log(views=["whole", "skeleton"]), encode=listening)
    wording_of(observed)
    assert "solve the integral number 0" in seen
    assert "say it again" in seen


def test_wording_reads_what_is_ordinary_evenly_and_no_more_than_it_says(monkeypatch):
    from clustering import coverage

    assert len(wording_of(log()).background) == 600 <= N_BACKGROUND
    monkeypatch.setattr(coverage, "N_BACKGROUND", 50)
    assert len(wording_of(log()).background) == 50


def test_signals_and_linked_families_decide_on_the_pattern_with_the_texts():
    observed = log()
    n = observed.n_families
    plain = columns_of(observed)
    resampled = unmeasured(n) | {"repetition": Signal(np.full(n, 40.0), np.zeros(n))}
    assert not columns_of(observed, signals=resampled)["pattern_match"].equals(plain["pattern_match"])
    of_patterns = ("pattern", "pattern_summary", "pattern_match", "pattern_hostile")
    assert columns_of(observed, groups=[0, 0]).drop(of_patterns).equals(plain.drop(of_patterns))


def test_it_is_deterministic(described):
    assert columns_of(log()).equals(described)


@pytest.mark.parametrize("n_noise", [0, 300])
def test_a_log_without_families(n_noise):
    if n_noise:
        traffic = traffic_of(np.arange(n_noise), groups=np.full(n_noise, -1), n_groups=0)
    else:
        traffic = nothing()
    table = columns_of(observed_of(traffic, [f"ask {k}" for k in range(n_noise)], encode))
    assert table.height == 0
    assert table.columns == COLUMNS
    assert isinstance(table, pl.DataFrame)
