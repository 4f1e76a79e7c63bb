"""What a run says of a family, in one sentence; and, where it is not flagged, what that would have taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.report.aspects import AspectFigure
from clustering.report.signals import format_count, format_p
from clustering.scores import FLAG_LEVEL, HIGHEST, POOL, STRUCTURE, bonferroni, sum_p_values
from clustering.tables import P_SUFFIX

KNOWN = "Known: "  # how ``clustering.reasons`` begins what the registry explains
COVER = "It may be a cover: "  # likewise what else a flagged campaign's pool sends
VERY_LIKELY = 0.001  # a q-value at or below
_SAME = 1.01  # the law of the sum is on a grid
_RAREST = 1e-6  # beyond it the aspects' independence would have to be exact
_CONTRARY = 0.5  # a condition whose p is above it speaks for people
_WANTED = {  # conditions of the score, as what a family would have to show
    "structure": "a swept space (here accounts repeat each other's prompts, or too few are there to tell)",
    "pool": "more than four accounts or organisations that send more than strays",
    "one hand": "signs of one hand",
}
_LEFT = "Not flagged: the hand behind a flagged campaign sends this, too, and what for is not known."
_LED_TO = (
    "Not flagged: a campaign's accounts led to it, but the campaign and what it shows are not sure enough "
    "together (q {q}, flagged up to {level})."
)
_LACKING = {
    "structure": "its accounts send what others send, and sweep nothing",
    "pool": "too much of it comes from four accounts or organisations, or fewer",
    "one hand": "its accounts act like people, each on its own",
}


@dataclass(frozen=True)
class Verdict:
    """What the run says of a family.

    Attributes
    ----------
    sentence : str
    benign : str
        The run's best benign explanation; "" where there is none, or the sentence says as much.
    remedy : str
        What it would take to flag it; "" for a flagged family and one that the registry explains.
    level : float or None
        Largest p-value of its own evidence at which it would be flagged, were all other families as they are;
        None where that is not what decides: it is flagged, or its campaign's accounts led to it.
    """

    sentence: str
    benign: str
    remedy: str
    level: float | None


def verdict(
    family: Mapping[str, object], aspects: tuple[AspectFigure, ...], p_values: NDArray[np.float64]
) -> Verdict:
    """The verdict on a row of FAMILIES.

    Parameters
    ----------
    family : row of FAMILIES
    aspects : AspectFigures of it
    p_values : (f,) float64
        Of the own evidence of all families of the run that have one, ascending.
    """
    p, own, benign = family["p_value"], family["own_p_value"], str(family["benign_explanation"] or "")
    if family["flagged"]:
        return Verdict(_flagged(family, aspects), benign, "", None)
    if not isinstance(p, float):
        return Verdict("Not flagged: nothing of it could be measured.", benign, "", None)
    if benign.startswith(COVER):
        return Verdict(_LEFT, benign, "", None)
    if not isinstance(own, float):
        led_to = _LED_TO.format(q=format_p(family["q_value"]), level=FLAG_LEVEL)
        return Verdict(led_to, benign, "", None)
    level = level_needed(p_values, own)
    at = f"p {format_p(p)}; this run flags up to p {format_p(level)}"
    met = _conditions(family, aspects)
    if benign.startswith(KNOWN):
        return Verdict("Not flagged: its text is in the registry of harmless ones.", benign, "", level)
    lacking = [name for name, value in met.items() if value * _SAME > level]
    remedy = _remedy(lacking, aspects, level, looks=_looks(p, met))
    if p <= FLAG_LEVEL:
        sentence = (
            f"Not flagged: there are signs of one hand behind its {_accounts(family)}, but of groups of "
            f"people {one_in(p)} shows as much, and there are {format_count(len(p_values))} families ({at})."
        )
        return Verdict(sentence, "", remedy, level)
    worst = max(met, key=lambda name: met[name])
    undecided = f"too little speaks for one hand behind its {_accounts(family)}"
    lack = _LACKING[worst] if met[worst] > _CONTRARY else undecided
    return Verdict(f"Not flagged: {lack} ({at}).", benign, remedy, level)


def level_needed(p_values: NDArray[np.float64], own: float) -> float:
    """Largest p at which a family of p-value `own` would be flagged, the others' unchanged.

    0.05 k / m for the largest k with k - 1 other p-values at or below it (Benjamini and Hochberg 1995, J. R.
    Statist. Soc. B 57(1)).

    Parameters
    ----------
    p_values : (m,) float64
        Of all families, ascending; `own` is one of them.
    own : float
    """
    m = len(p_values)
    others = np.delete(p_values, np.searchsorted(p_values, own))
    levels = FLAG_LEVEL * np.arange(1, m + 1) / m
    enough = np.searchsorted(others, levels, side="right") >= np.arange(m)
    return float(levels[enough].max())


def one_in(p: float) -> str:
    """A probability as "one in so many", in words."""
    if p < _RAREST:
        return "less than one in a million"
    times = float(f"{1 / p:.2g}")
    return "one in 1 million" if times >= 1 / _RAREST else f"one in {format_count(times)}"


def found_by_senders(family: Mapping[str, object], aspects: tuple[AspectFigure, ...]) -> bool:
    """Whether a family's p-value is its campaign's: what it shows itself would not give as small a one."""
    p = family["p_value"]
    return isinstance(p, float) and max(_conditions(family, aspects).values()) > p * _SAME


def likely(q: object) -> str:
    """How sure a q-value makes one."""
    return "very likely" if isinstance(q, float) and q <= VERY_LIKELY else "likely"


def _flagged(family: Mapping[str, object], aspects: tuple[AspectFigure, ...]) -> str:
    p, sure = family["p_value"], likely(family["q_value"])
    if found_by_senders(family, aspects):
        return f"Sent by the pool behind its campaign, {sure}: its senders stand out (p {format_p(p)})."
    rare = one_in(p) if isinstance(p, float) else "hardly one"
    return (
        f"One hand behind {_accounts(family)}, {sure}: of groups of people who act each on their own, {rare} "
        f"looks so much like one hand (p {format_p(p)})."
    )


def _conditions(family: Mapping[str, object], aspects: tuple[AspectFigure, ...]) -> dict[str, float]:
    """p of each of the three conditions of the score, before the second look at a group."""
    total = sum(figure.deviate for figure in aspects if figure.deviate is not None)
    structure = bonferroni([_p(family, name) for name in STRUCTURE], 1)
    return {
        "one hand": float(sum_p_values(np.array([total]), len(aspects))[0]),
        "structure": float(np.nan_to_num(structure, nan=1.0)[0]),
        "pool": float(np.nan_to_num(_p(family, POOL), nan=1.0)[0]),
    }


def _looks(p: float, met: Mapping[str, float]) -> int:
    """2 where the family was weighed alone and with its group."""
    return 2 if p > max(met.values()) * _SAME else 1


def _remedy(lacking: list[str], aspects: tuple[AspectFigure, ...], level: float, *, looks: int) -> str:
    """What it would take, as a sentence."""
    if lacking != ["one hand"] and lacking:
        return f"It would take {' and '.join(_WANTED[name] for name in lacking)}."
    rest = sorted(aspects, key=lambda figure: figure.deviate or 0.0)
    total = sum(figure.deviate for figure in aspects if figure.deviate is not None)

    def enough(more: float) -> bool:
        return looks * float(sum_p_values(np.array([total + more]), len(aspects))[0]) <= level

    gains = [HIGHEST - (figure.deviate or 0.0) for figure in rest]
    alone = [figure for figure, gain in zip(rest, gains, strict=True) if enough(gain)]
    if alone:
        return f"It would take one strong sign of one hand more: in its {_listed(alone)}."
    needed = [k for k in range(2, len(rest) + 1) if enough(sum(gains[:k]))]
    if not needed:
        return ""
    return f"It would take strong signs of one hand from {needed[0]} sides more."


def _listed(figures: list[AspectFigure]) -> str:
    """Names of aspects, those that were not measured marked."""
    names = [f.name if f.deviate is not None else f"{f.name} (not measured)" for f in figures]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _p(family: Mapping[str, object], name: str) -> NDArray[np.float64]:
    value = family.get(name + P_SUFFIX)
    return np.array([float(value) if isinstance(value, int | float) else np.nan])


def _accounts(family: Mapping[str, object]) -> str:
    return f"{format_count(family['n_accounts'])} accounts"
