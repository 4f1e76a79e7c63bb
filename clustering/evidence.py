"""Every signal of every family, and of the groups of families that share their principals.

A family is weighed alone and, when it is linked to others, together with them: a pool that spreads one sweep over
seven templates shows its even loads and flat hours only over all seven. The better of the two counts, doubled
for having looked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.campaigns import linked_groups
from clustering.scores import combined_p_values
from clustering.signals import (
    FEWEST,
    Signal,
    Traffic,
    comembership,
    devotion,
    exchangeability,
    hour_flatness,
    load_dispersion,
    paired_sample,
    principals,
    slot_evenness,
    union_efficiency,
)


@dataclass(frozen=True)
class Payloads:
    """What each prompt says outside its skeleton.

    Attributes
    ----------
    n_words : (n_prompts,) int64
    embed_rows : function
        Unit (or zero) payload vectors of prompt rows.
    """

    n_words: NDArray[np.int64]
    embed_rows: Callable[[NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True)
class Evidence:
    """Evidence on f families in g groups.

    Attributes
    ----------
    signals : mapping of name to Signal
        Per family; where the family's group is the better evidence, the group's.
    p_values : (f,) float64
    groups : (f,) int64
        Group of each family, 0..g-1.
    pooled : (f,) bool
        Whether signals and p-value are the group's.
    """

    signals: Mapping[str, Signal]
    p_values: NDArray[np.float64]
    groups: NDArray[np.int64]
    pooled: NDArray[np.bool_]


def weigh(
    traffic: Traffic,
    payloads: Payloads,
    fillers: Sequence[Sequence[NDArray[np.int64]]],
    *,
    templated: NDArray[np.bool_],
    seed: int,
) -> Evidence:
    """Compute all signals and combine them.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    payloads : Payloads
    fillers : per family, per slot, (V,) int64
        Distinct prompts per value.
    templated : (f,) bool
        Families found by their skeleton: their requests say nothing about people's own subjects.
    seed : int
        Of samples and draws.
    """
    together, links = comembership(traffic)
    groups = linked_groups(traffic, links)
    people = np.flatnonzero((traffic.groups < 0) | ~templated[traffic.groups])
    vectors, vector_of, people = _payload_vectors(traffic, payloads, people, seed)

    def signals(of: Traffic, of_fillers: Sequence[Sequence[NDArray[np.int64]]]) -> dict[str, Signal]:
        return {
            "principals": principals(of),
            "union_efficiency": union_efficiency(of, payloads.n_words),
            "exchangeability": exchangeability(of, vectors, vector_of, people),
            "load_dispersion": load_dispersion(of, seed=seed),
            "hour_flatness": hour_flatness(of, seed=seed),
            "slot_evenness": slot_evenness(of, of_fillers),
            "devotion": devotion(of),
        }

    alone = {**signals(traffic, fillers), "comembership": together}
    sizes = np.bincount(groups)
    several = np.flatnonzero(sizes > 1)
    if len(several) == 0:
        return Evidence(alone, combined_p_values(alone), groups, np.zeros(len(groups), bool))
    number = np.full(len(sizes), -1)
    number[several] = np.arange(len(several))
    pooled_traffic = traffic.regrouped(number[groups], len(several))
    pooled_fillers = [[v for f in np.flatnonzero(groups == g) for v in fillers[f]] for g in several]
    pooled = {
        **signals(pooled_traffic, pooled_fillers),
        "comembership": _strongest(together, number[groups], len(several)),
    }
    return _better(alone, pooled, groups, number[groups])


def _payload_vectors(
    traffic: Traffic, payloads: Payloads, people: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Vectors of the payloads that exchangeability needs, where each prompt's is, and the people's rows."""
    people = paired_sample(traffic, people, seed=seed, n_requests=20_000)
    rows = [people]
    for _, members in traffic.each_group():
        if len(np.unique(traffic.principals[members])) >= FEWEST:
            rows.append(paired_sample(traffic, members, seed=seed))
    wanted = np.unique(traffic.prompts[np.concatenate(rows)])
    wanted = wanted[payloads.n_words[wanted] > 0]
    vectors = payloads.embed_rows(wanted)
    known = np.flatnonzero(np.einsum("ij,ij->i", vectors, vectors) > 0)
    vector_of = np.full(len(payloads.n_words), -1, np.int64)
    vector_of[wanted[known]] = known
    return vectors, vector_of, people


def _strongest(signal: Signal, group_of: NDArray[np.int64], n_groups: int) -> Signal:
    """Per group the largest effect and the smallest p of its families."""
    out = Signal(np.zeros(n_groups), np.ones(n_groups))
    inside = group_of >= 0
    np.fmax.at(out.effect, group_of[inside], signal.effect[inside])
    np.fmin.at(out.p_value, group_of[inside], signal.p_value[inside])
    return out


def _better(
    alone: Mapping[str, Signal],
    pooled: Mapping[str, Signal],
    groups: NDArray[np.int64],
    number: NDArray[np.int64],
) -> Evidence:
    """Per family its own evidence or its group's, whichever is stronger, at twice its p."""
    linked = number >= 0
    own, theirs = combined_p_values(alone), combined_p_values(pooled)[number]
    use = linked & (theirs <= own)
    p = np.where(linked, np.minimum(1.0, 2 * np.minimum(own, theirs)), own)
    signals = {
        name: Signal(
            np.where(use, pooled[name].effect[number], alone[name].effect),
            np.where(use, pooled[name].p_value[number], alone[name].p_value),
        )
        for name in alone
    }
    return Evidence(signals, p, groups, use)
