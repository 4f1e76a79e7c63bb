"""Every signal of every family, and the signs of one hand of the groups that share their principals.

Whether a space is swept is asked of each family alone. Whether one hand coordinates the accounts is asked of
the family and, when it is linked to others, of the linked families together: a pool that spreads one sweep
over seven templates shows its even loads and flat hours only over all seven. The better of the two counts,
doubled for having looked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clustering.campaigns import linked_groups
from clustering.scores import combined_p_values, coordination_p_values, scores
from clustering.signals import (
    FEWEST,
    Signal,
    Traffic,
    comembership,
    devotion,
    exchangeability,
    hour_flatness,
    load_dispersion,
    no_evidence,
    one_clock,
    paired_sample,
    principals,
    repetition,
    slot_evenness,
    union_efficiency,
)

_N_PEOPLE = 20_000  # requests that show how far people keep to their own subjects


@dataclass(frozen=True)
class Evidence:
    """Evidence on f families in g groups.

    Attributes
    ----------
    signals : mapping of name to Signal
        Per family; the signs of one hand are the group's where those are the better evidence.
    p_values, scores : (f,) float64
        See ``clustering.scores``.
    groups : (f,) int64
        Group of each family, 0..g-1.
    pooled : (f,) bool
        Whether they are.
    """

    signals: Mapping[str, Signal]
    p_values: NDArray[np.float64]
    scores: NDArray[np.float64]
    groups: NDArray[np.int64]
    pooled: NDArray[np.bool_]


def weigh(
    traffic: Traffic,
    fillers: Sequence[Sequence[NDArray[np.int64]]],
    payloads: tuple[pl.Series, Callable[[pl.Series], NDArray[np.float32]]],
    *,
    akin: Callable[[int, int], bool],
    templated: NDArray[np.bool_],
    seed: int,
) -> Evidence:
    """Compute all signals and combine them.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    fillers : per family, per slot, (V,) int64
        Requests per value.
    payloads : (n_prompts,) String series, and a function
        What each prompt says beyond its family's template, null where that was not read; and its encoder, m
        texts to (m, d) unit vectors.
    akin : function of two families
        Whether they are variants of one template.
    templated : (f,) bool
        Families found by their skeleton: their requests say nothing about people's own subjects.
    seed : int
        Of samples and draws.
    """
    subjects = _subjects(traffic, payloads, templated, seed)
    shared, links = comembership(traffic, akin)
    groups = linked_groups(traffic, links)
    alone = _one_hand(traffic, subjects, shared, seed)
    one_hand, pooled = _with_groups(traffic, subjects, alone, groups, seed)
    signals = {
        "principals": principals(traffic),
        "union_efficiency": union_efficiency(traffic),
        "slot_evenness": slot_evenness(traffic, fillers),
        "repetition": repetition(traffic),
        **one_hand,
    }
    looks = np.where(np.bincount(groups)[groups] > 1, 2, 1)
    return Evidence(signals, combined_p_values(signals, looks=looks), scores(signals), groups, pooled)


@dataclass(frozen=True, eq=False)
class _Subjects:
    """What exchangeability needs: payload vectors and where each prompt's is, and the rows of people.

    ``in_template`` tells the requests of families found by their skeleton. A family found by what it says
    holds one subject: its accounts cannot differ in theirs.
    """

    vectors: NDArray[np.float32]
    vector_of: NDArray[np.int64]
    people: NDArray[np.int64]
    in_template: NDArray[np.bool_]


def _one_hand(traffic: Traffic, subjects: _Subjects, shared: Signal, seed: int) -> dict[str, Signal]:
    """The signs of one hand of every group."""
    skeletal = traffic.only(subjects.in_template)
    return {
        "exchangeability": exchangeability(skeletal, subjects.vectors, subjects.vector_of, subjects.people),
        "load_dispersion": load_dispersion(traffic, seed=seed),
        "hour_flatness": hour_flatness(traffic, seed=seed),
        "one_clock": one_clock(traffic, subjects.people, seed=seed),
        "comembership": shared,
        "devotion": devotion(traffic),
    }


def _with_groups(
    traffic: Traffic,
    subjects: _Subjects,
    alone: Mapping[str, Signal],
    groups: NDArray[np.int64],
    seed: int,
) -> tuple[Mapping[str, Signal], NDArray[np.bool_]]:
    """Per family its own signs or its group's, whichever show one hand better; and whose they are."""
    several = np.flatnonzero(np.bincount(groups) > 1)
    if len(several) == 0:
        return alone, np.zeros(len(groups), bool)
    number = np.full(int(groups.max()) + 1, -1)
    number[several] = np.arange(len(several))
    group_of = number[groups]
    together = traffic.regrouped(group_of, len(several))
    shared = _strongest(alone["comembership"], group_of, len(several))
    pooled = _one_hand(together, subjects, shared, seed)
    better = coordination_p_values(pooled)[group_of] <= coordination_p_values(alone)
    use = (group_of >= 0) & better
    signals = {
        name: Signal(
            np.where(use, pooled[name].effect[group_of], signal.effect),
            np.where(use, pooled[name].p_value[group_of], signal.p_value),
        )
        for name, signal in alone.items()
    }
    return signals, use


def _subjects(
    traffic: Traffic,
    payloads: tuple[pl.Series, Callable[[pl.Series], NDArray[np.float32]]],
    templated: NDArray[np.bool_],
    seed: int,
) -> _Subjects:
    """Payload vectors of a sample of every pool and of people."""
    in_template = np.append(templated, False)[traffic.groups]  # -1, no family, takes the last
    texts, encode = payloads
    said = (texts.fill_null("") != "").to_numpy()
    people = paired_sample(traffic, np.flatnonzero(~in_template), seed=seed, n_requests=_N_PEOPLE)
    rows = [people]
    for _, members in traffic.each_group():
        if len(np.unique(traffic.principals[members])) >= FEWEST:
            rows.append(paired_sample(traffic, members[said[traffic.prompts[members]]], seed=seed))
    wanted = np.unique(traffic.prompts[np.concatenate(rows)])
    wanted = wanted[said[wanted]]
    vectors = encode(texts[wanted])
    known = np.flatnonzero(np.einsum("ij,ij->i", vectors, vectors) > 0)
    vector_of = np.full(len(texts), -1, np.int64)
    vector_of[wanted[known]] = known
    return _Subjects(vectors, vector_of, people, in_template)


def _strongest(signal: Signal, group_of: NDArray[np.int64], n_groups: int) -> Signal:
    """Per group the largest effect and the smallest p of its families."""
    out = no_evidence(n_groups)
    inside = group_of >= 0
    np.fmax.at(out.effect, group_of[inside], signal.effect[inside])
    np.fmin.at(out.p_value, group_of[inside], signal.p_value[inside])
    return out
