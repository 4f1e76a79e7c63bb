"""What a run has observed: the columns that signals need, payloads, and other families of the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from observed_cases import families_of, observed_of, prompt_labels, templates_of
from text_cases import buffer_of
from traffic_cases import nothing, traffic_of

from clustering.families import Families
from clustering.observed import Observed, observe
from clustering.templates import Template
from embedder import Corpus, build_corpus

ROWS = [
    ("Say one.", "a", "acme", "2026-03-01T10:00:00Z", "m-2"),
    ("Say two.", "b", "acme", "2026-03-01T11:30:00Z", "m-1"),
    ("Say one.", "c", None, None, None),
    ("Nobody's.", "c", None, "2026-03-02T00:00:00Z", "m-1"),
]


def encode(texts):
    return np.zeros((len(texts), 4), np.float32)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    frame = pl.DataFrame(
        ROWS, schema=["prompt", "account_id", "org_id", "timestamp", "model"], orient="row"
    ).with_columns(request_id=pl.format("r{}", pl.int_range(pl.len())))
    frame.write_ndjson(tmp_path / "log.jsonl")
    return build_corpus([tmp_path / "log.jsonl"])


def observed_corpus(corpus: Corpus) -> tuple[Observed, Families]:
    labels = np.where(corpus.prompts["prompt"].str.starts_with("Say").to_numpy(), 0, -1)
    families = families_of(labels)
    texts = corpus.prompts["prompt"].to_list()
    made = observe(corpus, families, templates=templates_of(families, texts), encode=encode)
    return made, families


def test_requests_are_grouped_by_the_family_of_their_prompt(corpus: Corpus) -> None:
    observed, families = observed_corpus(corpus)
    traffic = observed.traffic
    sent = corpus.prompts["prompt"].gather(pl.Series(traffic.prompts)).to_list()
    assert [group == 0 for group in traffic.groups] == [text.startswith("Say") for text in sent]
    assert traffic.n_groups == len(families.ids) == observed.n_families == 1
    assert observed.n_requests.tolist() == corpus.prompts["n_requests"].to_list()
    assert len(set(traffic.principals[np.array(sent) == "Say two."])) == 1


def test_accounts_of_one_organisation_are_one_principal(corpus: Corpus) -> None:
    observed, _ = observed_corpus(corpus)
    order = corpus.requests["request_id"].to_list()
    who = dict(zip(order, observed.traffic.principals.tolist(), strict=True))
    assert who["r0"] == who["r1"]
    assert len(set(who.values())) == 2


def test_times_are_hours_and_unknown_ones_are_not_numbers(corpus: Corpus) -> None:
    observed, _ = observed_corpus(corpus)
    hours = dict(zip(corpus.requests["request_id"].to_list(), observed.traffic.hours.tolist(), strict=True))
    assert hours["r1"] - hours["r0"] == pytest.approx(1.5)
    assert hours["r3"] - hours["r0"] == pytest.approx(14)
    assert np.isnan(hours["r2"])


def test_models_are_numbers_and_unknown_ones_are_minus_one(corpus: Corpus) -> None:
    observed, _ = observed_corpus(corpus)
    models = dict(zip(corpus.requests["request_id"].to_list(), observed.models.tolist(), strict=True))
    assert models == {"r0": 1, "r1": 0, "r2": -1, "r3": 0}


def made(*, views=None):
    """Five prompts: two families of two, sent 3, 1, 1 and 2 times, and one that is noise."""
    prompts = np.array([0, 0, 0, 1, 2, 3, 3, 4])
    traffic = traffic_of(np.arange(8), prompts=prompts, groups=[0, 0, 0, 0, 1, 1, 1, -1], n_groups=2)
    return observed_of(traffic, ["red", "blue", "red", "", "noise"], encode, views=views)


def test_fillers_are_counted_by_requests_and_empty_ones_are_none():
    observed = made()
    assert [[sorted(slot.tolist()) for slot in family] for family in observed.filler_counts] == [
        [[1, 3]],
        [[1]],
    ]


def payloads_of(observed):
    """Payloads of all prompts; checked: those of any rows, and whether there is one, are as these."""
    n = len(observed.texts)
    payloads = observed.payloads(np.arange(n)).to_list()
    assert observed.says.tolist() == [bool(payload) for payload in payloads]
    for rows in ([], [*range(n)][::-2], [*range(n), *range(n)]):
        some = observed.payloads(np.array(rows, np.int64))
        assert some.dtype == pl.String
        assert some.to_list() == [payloads[row] for row in rows]
    for row in range(n):
        assert observed.payloads(np.array([row])).to_list() == [payloads[row]]
    return payloads


def test_payloads_are_what_a_prompt_says_beyond_its_template():
    assert payloads_of(made()) == ["red", "blue", "red", "", "noise"]
    observed = made()
    templates = list(observed.templates)
    templates[0] = Template("a {slot_1} b {slot_2}", [["red"], ["x"]], np.array([0]))
    read_less = observed.regrouped(observed.families, templates)
    assert payloads_of(read_less) == ["red\nx", None, "red", "", "noise"], "null where it was not read"
    meant = made(views=["skeleton", "whole"])
    templates = [meant.templates[0], Template("{slot_1} of none", [["red", ""]], np.array([2, 3]))]
    said = replace(meant, texts=buffer_of(["w0", "w1", "w2", "w3", "w4"]))
    assert payloads_of(said.regrouped(said.families, templates)) == ["red", "blue", "w2", "w3", "w4"]


def test_members_and_templated_families():
    observed = made(views=["skeleton", "whole"])
    assert observed.members(0).tolist() == [0, 1]
    assert observed.members(1).tolist() == [2, 3]
    assert observed.templated.tolist() == [True, False]


def test_other_families_of_the_same_log():
    observed = made()
    labels = np.array([0, 0, 0, 0, -1])
    families = families_of(labels)
    texts = observed.texts.to_list()
    again = observed.regrouped(families, templates_of(families, texts))
    assert again.traffic.groups.tolist() == [0] * 7 + [-1]
    assert again.traffic.n_groups == again.n_families == 1
    assert again.members(0).tolist() == [0, 1, 2, 3]
    assert sorted(again.filler_counts[0][0].tolist()) == [1, 4]
    assert observed.traffic.n_groups == 2, "the first is as it was"
    none = observed.regrouped(families_of(np.full(5, -1)), [])
    assert none.n_families == 0
    assert payloads_of(none) == texts
    assert (none.traffic.groups == -1).all()


def test_conversations_that_change_hands_are_found_from_the_hashes():
    traffic = traffic_of([0, 1, 1], hours=[0.0, 1.0, 2.0], groups=[-1, -1, -1], n_groups=0)
    talk = np.array([7, 0, 0], np.uint64)
    observed = observed_of(traffic, list("abc"), encode, asked=talk, continues=talk[[1, 0, 1]])
    assert observed.hops.from_request.tolist() == [0]
    assert observed.hops.to_request.tolist() == [1]


def test_a_log_without_requests():
    observed = observed_of(nothing(), [], encode)
    assert observed.n_families == 0
    assert payloads_of(observed) == []
    assert observed.says.tolist() == []
    assert observed.filler_counts == observed.slots == []
    assert len(observed.hops.to_request) == 0
    assert prompt_labels(nothing(), 2).tolist() == [-1, -1]
