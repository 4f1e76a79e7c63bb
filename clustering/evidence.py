"""Every signal of every family, and the signs of one hand of the groups that share their principals.

Whether a space is swept, and what the text asks for, is a family's own. Whether one hand coordinates the
accounts is asked of the family and, when it is linked to others, of the linked families together: a pool that
spreads one sweep over seven templates shows its even loads and flat hours only over all seven. The better of
the two counts, doubled for having looked twice.

Families with a common text are found by it; who sent them takes part as the number of principals behind a
shingle, and in joining the pieces of one wrapper. Families of view "shared" are found by who sends their
prompts. When they were sent, and what the payloads say, chooses no family. How often does take part: the
clustering is weighted by requests, and view *single* is prompts of much weight, so that ``repetition`` is
tested on rows that were chosen for it. It is a condition, not an aspect, and there its p is not to be read as
the error rate of a test. `covey bench quality` compares with families that are found on half of the
principals and tested on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.campaigns import linked_groups
from clustering.observed import Observed
from clustering.scores import combined_p_values, one_hand_p_values, scores
from clustering.signals import (
    SIGNALS,
    Signal,
    Traffic,
    comembership,
    crowd_of,
    devotion,
    dispersion,
    exchangeability,
    grid_balance,
    hand_over,
    hour_flatness,
    load_dispersion,
    no_evidence,
    of_one_pool,
    one_clock,
    principals,
    release_pivot,
    repetition,
    rotation,
    session_hop,
    slot_evenness,
    step_adoption,
    sweep_order,
    synchrony,
    tail_coverage,
    union_efficiency,
)
from clustering.subjects import Subjects, sample_subjects


@dataclass(frozen=True)
class Evidence:
    """Evidence on f families in g groups.

    Attributes
    ----------
    signals : mapping of the names of ``SIGNALS``, in their order, to Signal
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


_Calls = Mapping[str, Callable[[], Signal]]


def weigh(
    observed: Observed,
    elicitation: Signal,
    *,
    akin: Callable[[int, int], bool],
    seed: int,
    on_signal: Callable[[int], object] = lambda n: None,
) -> Evidence:
    """Compute all signals and combine them.

    Parameters
    ----------
    observed : Observed
    elicitation : Signal
        What the families' texts ask for.
    akin : function of two families
        Whether they are variants of one template.
    seed : int
        Of samples and draws.
    on_signal : function
        Told how many signals are computed, beside ``comembership`` and ``elicitation``; those of one hand
        count again for linked families.
    """
    traffic, templated = observed.traffic, observed.templated
    subjects = sample_subjects(observed, seed=seed)
    n_made = 0

    def made(calls: _Calls) -> dict[str, Signal]:
        nonlocal n_made
        signals = {}
        for name, call in calls.items():
            signals[name] = call()
            n_made += 1
            on_signal(n_made)
        return signals

    def says_nothing(i: int, j: int) -> bool:
        """Variants of a template share whoever uses it, and subjects whoever they interest."""
        return not (templated[i] and templated[j]) or akin(i, j)

    shared, links = comembership(traffic, says_nothing)
    groups = linked_groups(traffic, links)
    own = {**made(_of_the_text(observed, subjects, seed)), "elicitation": elicitation}
    alone = {**own, **made(_one_hand(observed, traffic, subjects, seed=seed)), "comembership": shared}

    def of_groups(whole: Traffic) -> Mapping[str, Signal]:
        return made(_one_hand(observed, whole, subjects, seed=seed))

    signals, pooled = _with_groups(traffic, alone, groups=groups, of_groups=of_groups)
    signals = {name: signals[name] for name in SIGNALS}
    looks = np.where(np.bincount(groups)[groups] > 1, 2, 1)
    return Evidence(signals, combined_p_values(signals, looks=looks), scores(signals), groups, pooled)


def _conditions(traffic: Traffic) -> _Calls:
    """What makes a set of requests worth weighing."""
    return {
        "principals": lambda: principals(traffic),
        "union_efficiency": lambda: union_efficiency(traffic),
        "repetition": lambda: repetition(traffic),
    }


def _of_the_text(observed: Observed, subjects: Subjects, seed: int) -> _Calls:
    """Signals of each family's own prompts."""
    traffic = observed.traffic
    payloads = (subjects.vectors, subjects.vector_of, subjects.people)
    return {
        **_conditions(traffic),
        "slot_evenness": lambda: slot_evenness(traffic, observed.filler_counts),
        "grid_balance": lambda: grid_balance(traffic, observed.slots, seed=seed),
        "sweep_order": lambda: sweep_order(traffic, observed.slots, seed=seed),
        "dispersion": lambda: dispersion(traffic, *payloads, seed=seed),
        "tail_coverage": lambda: tail_coverage(traffic, *payloads, seed=seed),
    }


def _one_hand(observed: Observed, traffic: Traffic, subjects: Subjects, *, seed: int) -> _Calls:
    """The signs of one hand of every group of the traffic."""
    skeletal = traffic.only(subjects.in_template)
    return {
        "exchangeability": lambda: exchangeability(
            skeletal, subjects.vectors, subjects.vector_of, subjects.people
        ),
        "one_clock": lambda: one_clock(traffic, subjects.people, seed=seed),
        **_of_the_senders(observed, traffic, seed=seed),
    }


def _of_the_senders(observed: Observed, traffic: Traffic, *, seed: int) -> _Calls:
    """The signs of one hand that need no text and no other family."""
    return {
        "load_dispersion": lambda: load_dispersion(traffic, seed=seed),
        "rotation": lambda: rotation(traffic),
        "hour_flatness": lambda: hour_flatness(traffic, seed=seed),
        "synchrony": lambda: synchrony(traffic, seed=seed),
        "hand_over": lambda: hand_over(traffic),
        "step_adoption": lambda: step_adoption(traffic),
        "session_hop": lambda: session_hop(traffic, observed.hops),
        "devotion": lambda: devotion(traffic),
        "release_pivot": lambda: release_pivot(traffic, observed.models),
    }


def signals_of_senders(observed: Observed, traffic: Traffic, *, seed: int) -> dict[str, Signal]:
    """What can be told of sets without a common text, for an analyst to see.

    No p-value of theirs counts: who sends them is what they were found by.

    Parameters
    ----------
    observed : Observed
    traffic : Traffic
        Its requests, grouped by the sets.
    seed : int
        Of draws.
    """
    calls = {**_conditions(traffic), **_of_the_senders(observed, traffic, seed=seed)}
    return {name: call() for name, call in calls.items()}


def _with_groups(
    families: Traffic,
    alone: Mapping[str, Signal],
    *,
    groups: NDArray[np.int64],
    of_groups: Callable[[Traffic], Mapping[str, Signal]],
) -> tuple[Mapping[str, Signal], NDArray[np.bool_]]:
    """Per family its own signs or its group's, whichever show one hand better; and whose they are."""
    several = np.flatnonzero(np.bincount(groups) > 1)
    if len(several) == 0:
        return alone, np.zeros(len(groups), bool)
    number = np.full(int(groups.max()) + 1, -1)
    number[several] = np.arange(len(several))
    group_of = number[groups]
    shared = _strongest(alone["comembership"], group_of, len(several))
    found = {**of_groups(families.regrouped(group_of, len(several))), "comembership": shared}
    inside = (group_of >= 0) & _mostly_inside(families, group_of)
    together = dict(alone)
    for name, signal in found.items():
        together[name] = Signal(
            np.where(inside, signal.effect[group_of], alone[name].effect),
            np.where(inside, signal.p_value[group_of], alone[name].p_value),
        )
    use = inside & (one_hand_p_values(together) <= one_hand_p_values(alone))
    signals = {
        name: Signal(
            np.where(use, together[name].effect, signal.effect),
            np.where(use, together[name].p_value, signal.p_value),
        )
        for name, signal in alone.items()
    }
    return signals, use


def _mostly_inside(traffic: Traffic, group_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Families whose principals and those of the rest of their group are one pool, (f,).

    What a pool's accounts ask among everybody else is linked to the pool's families, but not of its hand.
    """
    inside = np.zeros(traffic.n_groups, bool)
    whole = traffic.regrouped(group_of, int(group_of.max(initial=-1)) + 1)
    for group in np.unique(group_of[group_of >= 0]).tolist():
        everybody = crowd_of(whole, whole.members(group))
        for family in np.flatnonzero(group_of == group).tolist():
            own = crowd_of(traffic, traffic.members(family))
            rest = everybody.without(own)
            inside[family] = of_one_pool(own, rest)
    return inside


def _strongest(signal: Signal, group_of: NDArray[np.int64], n_groups: int) -> Signal:
    """Per group the largest effect and the smallest p of its families."""
    out = no_evidence(n_groups)
    inside = group_of >= 0
    np.fmax.at(out.effect, group_of[inside], signal.effect[inside])
    np.fmin.at(out.p_value, group_of[inside], signal.p_value[inside])
    return out
