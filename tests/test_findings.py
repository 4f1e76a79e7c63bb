"""Findings: known templates are explained away, pools are followed, all arrays stay of the same families."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from observed_cases import observed_of
from traffic_cases import traffic_of

from clustering.campaigns import campaign_ids
from clustering.families import VIEW_NAMES
from clustering.findings import first_findings, follow_pools
from clustering.reasons import benign_explanation, family_reasons
from clustering.registry import known_from_template
from clustering.relays import relay_pools
from clustering.report.verdict import COVER
from clustering.run_settings import RunSettings
from clustering.signals import Signal, no_evidence
from clustering.signals.session_hop import SHARED

POOL = np.arange(40)
N_PEOPLE, N_SUBJECTS, D = 900, 30, 16
DESK = "You answer questions of riders about lost property and never promise that a thing was found: "
SENT, ROBBED, TOOL, KNOWN, JOINS = (0, 1), 2, 3, 4, 5
P = np.array([1e-6, 1e-5, 0.5, 0.6, 1e-9, 0.4])  # of the families as they were weighed
MIN_FAMILY = 20
NOBODY = np.zeros(0, np.int64)


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def log(seed=0, *, hidden=120, others=0, relay=NOBODY):
    """An observed log, the vectors of its prompts, and which requests are of the hidden set.

    People ask about subjects of their own; the pool does so, too. It sends two families with a text in common
    and most of a third, and a hidden set about a subject that nobody else has: some of the latter were put
    into a family by what they say, with ``others`` of people. One family is a tool, one a product with a
    known template. Principals of ``relay`` hand two hundred conversations to each other.
    """
    random = np.random.default_rng(seed)
    people = np.arange(40, N_PEOPLE)
    parts = [(-1, np.repeat(np.arange(N_PEOPLE), 5), None)]
    parts += [(family, random.permutation(np.tile(POOL, 4)), 0) for family in SENT]
    parts += [(family, np.repeat(random.choice(people, 60, replace=False), 2), 0) for family in (TOOL, KNOWN)]
    parts.append((JOINS, np.append(np.repeat(POOL[:20], 2), random.choice(people, 4)), 0))
    parts.append((ROBBED, random.choice(POOL, 22), N_SUBJECTS))
    parts.append((ROBBED, random.choice(people, others), None))
    parts.append((-1, random.choice(POOL, hidden), N_SUBJECTS))
    first, second = (random.choice(relay, 200) for _ in "ab") if len(relay) else (NOBODY, NOBODY)
    parts += [(-1, first, 0), (-1, second, 0)]
    groups = np.concatenate([np.full(len(who), family) for family, who, _ in parts])
    who = np.concatenate([who for _, who, _ in parts])
    own = random.integers(0, N_SUBJECTS, (N_PEOPLE, 2))
    about = [own[w, random.integers(0, 2, len(w))] if s is None else np.full(len(w), s) for _, w, s in parts]
    about = np.concatenate(about)
    centres = random.normal(size=(N_SUBJECTS + 1, D))
    vectors = unit(1.5 * centres[about] + random.normal(size=(len(about), D)))
    talks = np.arange(1, len(first) + 1, dtype=np.uint64)
    before = np.zeros(len(who) - 2 * len(first), np.uint64)
    observed = observed_of(
        traffic_of(who, hours=np.arange(len(who), dtype=np.float64), groups=groups, n_groups=6),
        [f"text {row}" for row in range(len(who))],
        lambda texts: np.zeros((len(texts), D), np.float32),
        views=["whole" if k == ROBBED else "skeleton" for k in range(6)],
        wrappers=[DESK if k == KNOWN else f"Wrapper number {k} of nobody in particular: " for k in range(6)],
        asked=np.concatenate([before, talks, 0 * talks]),
        continues=np.concatenate([before, 0 * talks, talks]),
    )
    return observed, vectors, about == N_SUBJECTS


def evidence_of(p_values=P, *, groups=(0, 0, 1, 2, 3, 4)):
    """What the families' evidence came to."""
    p = np.asarray(p_values, np.float64)
    return SimpleNamespace(
        signals={
            "devotion": Signal(np.arange(6) / 10, p),
            "sweep_order": Signal(np.full(6, np.nan), p),
            "session_hop": no_evidence(6),
        },
        p_values=p,
        scores=-np.log10(p),
        groups=np.array(groups),
        pooled=np.array(groups) == 0,
    )


def first(observed, evidence=None, *, akin=lambda i, j: False):
    registry = [known_from_template(DESK, name="desk", kind="product", source="a ticket")]
    return first_findings(observed, evidence or evidence_of(), registry, akin=akin)


def prompts_of(observed):
    ids = [f"{k:06d}" for k in range(len(observed.texts))]
    return pl.DataFrame({"prompt_id": ids, "n_requests": observed.n_requests})


def followed(observed, vectors, evidence=None):
    settings = RunSettings(min_family=MIN_FAMILY, threads=1)
    before = first(observed, evidence)
    return follow_pools(before, prompts_of(observed), lambda rows: vectors[rows], settings=settings)


@pytest.fixture(scope="module")
def planted():
    """Findings once the pool was followed, and which requests are hidden."""
    observed, vectors, hidden = log()
    return followed(observed, vectors), hidden


def by_id(found):
    return {name: row for row, name in enumerate(found.observed.families.ids.to_list())}


def check_findings(found):
    """All that is known is of the same families."""
    n = found.observed.n_families
    assert n == len(found.observed.templates) == found.observed.traffic.n_groups
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, np.ndarray | list):
            assert len(value) == n, field.name
    for signal in found.signals.values():
        assert signal.p_value.shape == signal.effect.shape == (n,)
    assert ((found.p_values >= 0) & (found.p_values <= found.q_values) & (found.q_values <= 1)).all()
    assert np.isfinite(found.scores).all()
    assert (found.scores >= 0).all()
    assert found.observed.families.ids.is_unique().all()
    labels = found.observed.families.labels
    np.testing.assert_array_equal(labels[found.observed.traffic.prompts], found.observed.traffic.groups)
    for family, template in enumerate(found.observed.templates):
        assert (labels[template.rows] == family).all(), "a template is filled by members alone"
        assert all(len(slot) == len(template.rows) for slot in template.fillers)
        assert len(template.rows)


def test_a_known_template_is_explained_away_and_named():
    found = first(log()[0])
    check_findings(found)
    assert found.p_values[KNOWN] == 1
    assert found.scores[KNOWN] > 0, "what it shows stays to be seen"
    assert not found.flagged[KNOWN]
    assert "desk" in benign_explanation(found, KNOWN)
    assert [entry is None for entry in found.known] == [k != KNOWN for k in range(6)]
    others = np.arange(6) != KNOWN
    np.testing.assert_array_equal(found.p_values[others], P[others])


def test_without_an_entry_it_would_be_flagged():
    found = first_findings(log()[0], evidence_of(), [], akin=lambda i, j: False)
    assert found.flagged[KNOWN]


def test_a_known_template_joins_no_campaign_though_its_pool_sends_it():
    observed, vectors, _ = log()
    texts = list(observed.templates)
    texts[JOINS] = replace(texts[JOINS], text=texts[KNOWN].text)
    found = followed(replace(observed, templates=texts), vectors)
    row = by_id(found)[f"f{JOINS:02d}"]
    assert found.known[row] is not None
    assert found.p_values[row] == 1
    assert found.followed[row] is None
    assert not found.flagged[row]


def test_the_hidden_set_becomes_a_family_of_the_campaign(planted):
    found, hidden = planted
    check_findings(found)
    (row,) = np.flatnonzero(found.observed.families.views == VIEW_NAMES.index("pool"))
    members = found.observed.traffic.members(row)
    assert hidden[members].mean() > 0.9
    assert len(members) > 0.8 * hidden.sum()
    assert found.flagged[row]
    assert found.groups[row] == found.groups[0]
    assert found.p_values[row] >= P[:2].min(), "no more certain than the campaign that led to it"
    assert np.isnan(found.own_p_values[row])
    assert np.isnan(found.signals["sweep_order"].p_value[row]), "it has no slots"
    assert found.signals["devotion"].effect[row] > 0, "what its senders show is there to be seen"
    (reason,) = family_reasons(found, row)
    assert "senders" in reason
    assert "100%" in reason


@pytest.mark.parametrize("dealt", [True, False])
def test_what_else_the_pool_sends_is_shown_and_not_flagged_if_it_is_dealt_to_the_accounts(dealt):
    observed, vectors, _ = log(hidden=0)
    vectors = vectors.copy()
    left = (observed.traffic.groups < 0) & (observed.traffic.principals < len(POOL))
    if dealt:
        vectors[left] = unit(np.random.default_rng(0).normal(size=(left.sum(), D)))
    observed = replace(observed, encode=lambda texts: vectors[[int(text.split()[1]) for text in texts]])
    found = followed(observed, vectors)
    check_findings(found)
    rows = np.flatnonzero(found.observed.families.views == VIEW_NAMES.index("pool"))
    assert len(rows) == dealt
    for row in rows:
        assert found.observed.traffic.members(row).tolist() == np.flatnonzero(left).tolist()
        assert (found.flagged[row], found.p_values[row]) == (False, 1.0)
        assert found.scores[row] > 2
        assert found.groups[row] == found.groups[0]
        assert "no subject" in family_reasons(found, row)[0]
        assert benign_explanation(found, row).startswith(COVER)


@pytest.mark.parametrize(("hidden", "others"), [(0, 0), (0, 60), (120, 60)])
def test_what_a_campaign_leads_to_changes_nobody_s_q(hidden, others):
    """Two families barely flagged, and sets that come in with p-values of all sizes."""
    observed, vectors, _ = log(hidden=hidden, others=others)
    vectors = vectors.copy()
    left = (observed.traffic.groups < 0) & (observed.traffic.principals < len(POOL))
    dealt = left & (np.cumsum(left) <= 200)  # the hidden set comes last
    vectors[dealt] = unit(np.random.default_rng(0).normal(size=(dealt.sum(), D)))
    observed = replace(observed, encode=lambda texts: vectors[[int(text.split()[1]) for text in texts]])
    evidence = evidence_of([0.016, 0.016, 0.9, 0.9, 0.9, 0.9])
    before, found = first(observed, evidence), followed(observed, vectors, evidence)
    check_findings(found)
    assert before.q_values[0] == pytest.approx(0.048)
    came = np.isnan(found.own_p_values)
    assert came.any()
    old = by_id(before)
    for name, row in by_id(found).items():
        if found.followed[row] is None:
            assert found.q_values[row] == before.q_values[old[name]]
            assert found.own_p_values[row] == before.own_p_values[old[name]]
        else:
            assert found.q_values[row] >= before.q_values[0]
    assert len(set(found.accounts.campaigns)) == 1


@pytest.mark.parametrize(("own", "campaign"), [(0.4, 1e-3), (0.03, 1e-3), (0.03, 0.016)])
def test_a_family_that_joins_pays_for_the_second_look_on_both_sides(own, campaign):
    """Twice the smaller of its own p and that of the pool, Bonferroni over the two families of its group."""
    observed, vectors, _ = log(hidden=0)
    p = np.where(np.arange(6) < 2, campaign, np.where(np.arange(6) == JOINS, own, 0.9))
    found = followed(observed, vectors, evidence_of(p))
    row = by_id(found)[f"f{JOINS:02d}"]
    assert found.followed[row] is not None
    assert found.p_values[row] == pytest.approx(2 * min(own, 2 * campaign))
    assert found.q_values[row] == max(found.q_values[0], found.p_values[row])
    assert found.own_p_values[row] == own


def test_a_family_that_the_pool_took_over_is_gone_and_what_is_known_of_the_others_is_theirs(planted):
    found, _ = planted
    names = by_id(found)
    assert f"f{ROBBED:02d}" not in names
    for family in (*SENT, TOOL, KNOWN, JOINS):
        row = names[f"f{family:02d}"]
        assert found.signals["devotion"].effect[row] == family / 10
        if family not in (KNOWN, JOINS):
            assert found.p_values[row] == P[family]
        assert f"number {family} " in found.observed.templates[row].text or family == KNOWN


def test_a_family_that_loses_some_of_its_prompts_keeps_what_the_others_fill():
    observed, vectors, hidden = log(others=60)
    found = followed(observed, vectors)
    check_findings(found)
    row = by_id(found)[f"f{ROBBED:02d}"]
    assert (
        found.observed.traffic.members(row).tolist()
        == np.flatnonzero((observed.traffic.groups == ROBBED) & ~hidden).tolist()
    )
    assert found.p_values[row] == P[ROBBED]
    assert found.observed.templates[row].fillers[0] == [f"text {k}" for k in found.observed.members(row)]


def test_a_family_that_the_pool_sends_joins_its_campaign(planted):
    found, _ = planted
    row, tool = by_id(found)[f"f{JOINS:02d}"], by_id(found)[f"f{TOOL:02d}"]
    assert found.flagged[row]
    assert found.groups[row] == found.groups[0]
    assert P[:2].min() <= found.p_values[row] < P[JOINS]
    assert found.scores[row] > -np.log10(P[JOINS])
    assert "senders" in family_reasons(found, row)[0]
    assert not found.flagged[tool]
    assert found.followed[tool] is None
    assert found.groups[tool] != found.groups[0]


def test_the_accounts_are_scored_over_all_that_the_campaign_sends(planted):
    found, _ = planted
    assert set(found.accounts.pool(0)) == set(POOL)
    before = first(log()[0]).accounts
    assert found.accounts.n_requests.sum() > before.n_requests.sum()


def test_ids_of_campaigns_and_families_stay_when_pools_are_followed(planted):
    found, _ = planted
    before = first(log()[0])
    old = campaign_ids(before.observed.families.ids, before.groups, before.flagged)
    new = campaign_ids(found.observed.families.ids, found.groups, found.flagged)
    assert new[0] == new[1] == old[0]
    assert {name for name in new if name} == {old[0]}
    kept = [f"f{family:02d}" for family in (*SENT, TOOL, KNOWN, JOINS)]
    assert found.observed.families.ids.to_list()[: len(kept)] == kept


def test_nothing_flagged_and_nobody_who_relays_changes_nothing():
    observed = log()[0]
    calm = evidence_of(np.full(6, 0.7))
    before = first(observed, calm)

    def refuse(rows):
        raise AssertionError("nothing is to be embedded")

    after = follow_pools(before, prompts_of(observed), refuse, settings=RunSettings())
    assert after is before


def test_a_campaign_that_sends_nothing_else_keeps_its_families():
    observed, vectors, _ = log(hidden=0)
    calm = evidence_of(np.where(np.arange(6) < 2, P, 0.7))
    random = np.random.default_rng(1)
    found = followed(observed, unit(random.normal(size=vectors.shape)), calm)
    check_findings(found)
    assert set(by_id(found)) >= {f"f{family:02d}" for family in (*SENT, TOOL, KNOWN)}


def relayed_rows(found):
    """Families of conversations that changed hands: the last four hundred requests."""
    n = len(found.observed.traffic.prompts)
    rows = [found.observed.traffic.members(k) for k in range(found.observed.n_families)]
    return [k for k, members in enumerate(rows) if (members >= n - 400).mean() > 0.9]


@pytest.mark.parametrize("shared", [1.0, 0.6])
def test_a_pool_that_relays_and_shares_half_with_a_campaign_is_the_campaign_s(shared):
    n = int(shared * 30)
    observed, vectors, _ = log(relay=np.append(POOL[:n], np.arange(500, 530 - n)))
    found = followed(observed, vectors)
    check_findings(found)
    rows = relayed_rows(found)
    assert rows
    assert all(found.flagged[row] and found.groups[row] == found.groups[0] for row in rows)
    relays = relay_pools(observed.traffic, observed.hops)
    assert max(found.p_values[row] for row in rows) >= relays.p_values[0]


def test_a_pool_that_relays_alone_is_a_campaign_of_its_own():
    observed, vectors, _ = log(relay=np.arange(500, 530))
    found = followed(observed, vectors)
    check_findings(found)
    rows = relayed_rows(found)
    assert rows
    assert len({int(found.groups[row]) for row in rows}) == 1
    assert found.groups[rows[0]] != found.groups[0]
    assert found.flagged[rows].all()
    (reason,) = family_reasons(found, rows[0])
    relays = relay_pools(observed.traffic, observed.hops)
    changed, going_on = int(relays.n_changed[0]), int(relays.n_going_on[0])
    assert f"{changed:,} of the {going_on:,} that go on" in reason
    assert f"{SHARED * going_on:,.0f} at most" in reason
    assert found.p_values[rows[0]] == found.q_values[rows[0]] == relays.p_values[0]
    assert found.signals["session_hop"].p_value[rows[0]] < 1e-6
    calm = followed(observed, vectors, evidence_of(np.full(6, 0.7)))
    assert calm.flagged[relayed_rows(calm)].all(), "also where nothing else was flagged"


def test_families_of_pools_that_took_over_from_each_other_are_one_campaign():
    observed, _, _ = log()
    traffic, hours = observed.traffic, observed.traffic.hours.copy()
    who = traffic.principals.copy()
    one, other = (traffic.members(family) for family in SENT)
    hours[one], hours[other] = np.linspace(0, 100, len(one)), np.linspace(110, 210, len(other))
    who[other] += 500
    observed = replace(observed, traffic=replace(traffic, principals=who, hours=hours))
    apart = evidence_of(groups=range(6))
    assert len(set(first(observed, apart).groups[:2])) == 2
    joined = first(observed, apart, akin=lambda i, j: {i, j} == set(SENT))
    assert joined.groups[0] == joined.groups[1]
    assert len(set(joined.accounts.campaigns)) == 1


def test_the_order_of_requests_does_not_matter(planted):
    found, _ = planted
    observed, vectors, _ = log()
    order = np.random.default_rng(2).permutation(len(observed.traffic.prompts))
    traffic = observed.traffic
    shuffled = replace(
        observed,
        traffic=replace(
            traffic,
            prompts=traffic.prompts[order],
            principals=traffic.principals[order],
            hours=traffic.hours[order],
            groups=traffic.groups[order],
        ),
        models=observed.models[order],
        asked=observed.asked[order],
        continues=observed.continues[order],
    )
    again = followed(shuffled, vectors)
    np.testing.assert_array_equal(again.observed.families.labels, found.observed.families.labels)
    np.testing.assert_array_equal(again.p_values, found.p_values)
    np.testing.assert_array_equal(again.groups, found.groups)
    np.testing.assert_array_equal(again.accounts.scores, found.accounts.scores)
