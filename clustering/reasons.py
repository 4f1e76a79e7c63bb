"""Evidence in sentences: why a family is high in the queue, or what plain story explains it."""

from __future__ import annotations

from collections.abc import Mapping

from clustering.evidence import Evidence
from clustering.scores import COORDINATION, FLAG_LEVEL, POOL, STRUCTURE

_TELLING = {
    "exchangeability": "Any account could have sent any request: the accounts' subjects differ as little "
    "as a dispatcher's would (intraclass correlation {effect:.2f}).",
    "load_dispersion": "The accounts carry even loads, as a work queue deals them "
    "(variance over mean {effect:.2f}).",
    "one_clock": "All accounts run by one clock: their hours differ as little as a dispatcher's would "
    "(intraclass correlation {effect:.2f}).",
    "hour_flatness": "Requests keep no one's waking hours "
    "(resultant of the hours {effect:.2f}; 0 is round the clock).",
    "comembership": "Its accounts come back in another family: {effect:.0%} of them, far beyond chance.",
    "devotion": "Its accounts do little else: {effect:.0%} of what they send belongs to it.",
    "union_efficiency": "Each account breaks new ground instead of sending what others sent "
    "(union efficiency {effect:.2f}).",
    "slot_evenness": "Values are used equally often, not as people pick favourites "
    "(dispersion {effect:.2f}; chance is 1).",
    "repetition": "The same prompt is sampled again and again: {effect:.1f} times by an account in the mean.",
    "principals": "The load is on many shoulders: {effect:.0f} accounts or organisations in effect.",
}
_BENIGN = {
    "principals": "Few customers: nearly all requests come from four accounts or organisations, or fewer.",
    "union_efficiency": "Everyone sends the same prompts, "
    "as a benchmark, a class or a popular question makes them do.",
    "exchangeability": "A shared tool: each account keeps to its own subjects "
    "(intraclass correlation {effect:.2f}).",
    "load_dispersion": "People's uneven use: a few accounts send most of it "
    "(variance over mean {effect:.1f}).",
    "one_clock": "Each account keeps hours of its own, as people and scheduled jobs do "
    "(intraclass correlation {effect:.2f}).",
    "devotion": "Used now and then: it is {effect:.0%} of what its accounts send.",
    "hour_flatness": "It keeps people's waking hours.",
}
_CONTRARY = 0.5  # a p-value above it speaks for the null, as far as a null can be spoken for
_CHANCE = "Strong signs, but among {n_families} families not beyond what chance brings up now and then."
_UNKNOWN = "Not distinguishable with what this log has: too few accounts, times or distinct prompts to tell."


def family_reasons(evidence: Evidence, family: int) -> list[str]:
    """Sentences for what speaks for one hand behind a family, most telling first."""
    order = [POOL, *COORDINATION, *STRUCTURE]
    telling = [name for name in order if evidence.signals[name].p_value[family] <= FLAG_LEVEL]
    telling.sort(key=lambda name: (name == POOL, evidence.signals[name].p_value[family]))
    sentences = [_sentence(_TELLING, evidence, name, family) for name in telling]
    n_linked = int((evidence.groups == evidence.groups[family]).sum())
    if evidence.pooled[family]:
        sentences.insert(0, f"Weighed together with {n_linked - 1} other families that share its accounts.")
    return sentences


def benign_explanation(evidence: Evidence, family: int) -> str:
    """The plainest story of a family that is not flagged: the first sign of people that its signals show."""
    if evidence.p_values[family] <= FLAG_LEVEL:
        return _CHANCE.format(n_families=len(evidence.p_values))
    for name in _BENIGN:
        p = evidence.signals[name].p_value[family]
        if p > (FLAG_LEVEL if name == POOL else _CONTRARY):
            return _sentence(_BENIGN, evidence, name, family)
    return _UNKNOWN


def _sentence(sentences: Mapping[str, str], evidence: Evidence, name: str, family: int) -> str:
    return sentences[name].format(effect=float(evidence.signals[name].effect[family]))
