"""What can be said of a family, as memberships in [0, 1]: the vocabulary that patterns are written in.

Geometry (how a family's prompts differ), from the slots of its template and how often prompts recur:

- ``T1`` one prompt again and again: how often a prompt was sent in the mean; ten times is half of it.
- ``T2`` a constant wrapper around whole texts; ``T4`` one slot filled by phrases: the most open slot (one
  minus the chance that its next value was seen before), divided between the two by the length of its fillers.
- ``T3`` a grid: the least closed of at least two slots, so that all of them draw on short lists.

  Values are counted over distinct prompts, so that a prompt sent twice closes no slot; and a slot of
  identifiers (a nonce, a ticket's number) is no axis unless it is the only one.
- ``T5`` a chain of operators: other templates of its group that take in the same kind of text; needs groups.
- ``T6`` no common text: where the family was not found by its skeleton, as far as it is not ``T1``.

Signals are *present* as far as -log10 p reaches 2, one in a hundred; *absent* is one minus that; so is the
elicitation ``output contract``. The others, and payloads, are how much of each class the fixed text, and what
fills its slots, is. Coverage is breadth relative to ordinary use, depth, evenness and efficiency as they are.
Missing evidence is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.coverage.capabilities import Profile
from clustering.coverage.coverage import Coverage
from clustering.coverage.elicitation import Elicitation
from clustering.coverage.growth import sample_coverage
from clustering.signals.traffic import Signal

GEOMETRIES = ("T1", "T2", "T3", "T4", "T5", "T6")
MEASURES = ("breadth", "depth", "evenness", "efficiency")
_PRESENT = 2.0  # -log10 p of a sign that is there
CONTRACT = "output contract"  # the one elicitation that is told by form, not by examples
_OFTEN = 9.0  # more times that a prompt came: half of being one prompt again and again
_PHRASE_BYTES = 100.0  # a filler of this length is half a phrase, half a text


@dataclass(frozen=True, eq=False)
class FamilyFeatures:
    """Memberships of f families, each (f,) float64 in [0, 1] or NaN.

    Attributes
    ----------
    geometry, signals, elicitations, payloads, capabilities, coverage : mapping of name to (f,) float64
        Of signals: how far each is present.
    """

    geometry: Mapping[str, NDArray[np.float64]]
    signals: Mapping[str, NDArray[np.float64]]
    elicitations: Mapping[str, NDArray[np.float64]]
    payloads: Mapping[str, NDArray[np.float64]]
    capabilities: Mapping[str, NDArray[np.float64]]
    coverage: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Shapes:
    """What the geometry of f families follows from.

    Attributes
    ----------
    prompt_counts : per family, (V,) int64
        Requests of each distinct prompt.
    slot_counts : per family, per slot that is an axis, (V,) int64
        Distinct prompts per value.
    filler_bytes : (f,) float64
        Median UTF-8 length of what its prompts say beyond the fixed text; NaN where they say nothing.
    templated : (f,) bool
        Found by a skeleton.
    n_akin : (f,) int64
        Other families of its group that have a template; 0 where there are no groups.
    """

    prompt_counts: Sequence[NDArray[np.int64]]
    slot_counts: Sequence[Sequence[NDArray[np.int64]]]
    filler_bytes: NDArray[np.float64]
    templated: NDArray[np.bool_]
    n_akin: NDArray[np.int64]


def family_features(
    shapes: Shapes,
    signals: Mapping[str, Signal],
    elicited: Elicitation,
    *,
    filled: Profile,
    profile: Profile,
    covered: Coverage,
) -> FamilyFeatures:
    """Gather the memberships of every family; `filled`: what fills its slots, `profile`: its capabilities."""
    measures = (covered.breadth_share, covered.depth, covered.evenness, covered.efficiency)
    return FamilyFeatures(
        geometry(shapes),
        {name: presence(signal.p_value) for name, signal in signals.items()},
        {name: elicited.shares[:, k] for k, name in enumerate(elicited.kinds)}
        | {CONTRACT: presence(elicited.contract_p)},
        {name: filled.shares[:, k] for k, name in enumerate(filled.names)},
        {name: profile.shares[:, c] for c, name in enumerate(profile.names)},
        dict(zip(MEASURES, measures, strict=True)),
    )


def presence(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far signs are present, in [0, 1]: -log10 p over two, at most 1; NaN stays NaN."""
    return np.asarray(np.clip(-np.log10(np.maximum(p_values, 1e-300)) / _PRESENT, 0.0, 1.0))


def geometry(shapes: Shapes) -> dict[str, NDArray[np.float64]]:
    """Memberships of the six geometries; see the module."""
    n = len(shapes.templated)
    times = np.array([c.sum() / max(1, len(c)) for c in shapes.prompt_counts], np.float64)
    repeated = np.maximum(times - 1, 0.0) / (np.maximum(times - 1, 0.0) + _OFTEN)
    opened, gridded = np.zeros(n), np.zeros(n)
    for family, slots in enumerate(shapes.slot_counts):
        closed = sorted(_closedness(slot) for slot in slots)
        opened[family] = 1 - closed[0] if closed else 0.0
        gridded[family] = closed[0] if len(closed) > 1 else 0.0
    templated = shapes.templated.astype(np.float64)
    length = np.nan_to_num(shapes.filler_bytes)
    long = length / (length + _PHRASE_BYTES)
    chained = 1 - 1 / (1 + shapes.n_akin)
    return {
        "T1": repeated,
        "T2": templated * opened * long,
        "T3": templated * gridded,
        "T4": templated * opened * (1 - long),
        "T5": templated * chained,
        "T6": (1 - templated) * (1 - repeated),
    }


def _closedness(slot: NDArray[np.int64]) -> float:
    """Chance that the next value of a slot was seen before; 0 for one with a single value: it is no axis."""
    return sample_coverage(slot) if len(slot) > 1 else 0.0
