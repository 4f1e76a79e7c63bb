"""Evidence in sentences: why a family is high in the queue, and what speaks against it."""

from __future__ import annotations

from clustering.findings import Findings
from clustering.scores import FLAG_LEVEL
from clustering.signals import SIGNALS

_CONTRARY = 0.5  # a p-value above it speaks for the null, as far as a null can be spoken for
_CHANCE = "Strong signs, but among {n_families} families not beyond what chance brings up now and then."
_COVER = "It may be a cover: ordinary prompts drawn at random, for the accounts to look alive."
_UNKNOWN = "Not distinguishable with what this log has: too few accounts, times or distinct prompts to tell."
_KNOWN = "Known: {kind} \u201c{name}\u201d of the registry ({source})."
_POOLED = "Weighed together with {others} its accounts: what follows of accounts is of all of them."


def family_reasons(found: Findings, family: int) -> list[str]:
    """Sentences for what speaks for one hand behind a family, most telling first."""
    followed = found.followed[family]
    if followed is not None:
        return [followed]
    p = {name: float(signal.p_value[family]) for name, signal in found.signals.items()}
    telling = [name for name, words in SIGNALS.items() if words.telling and p.get(name, 1.0) <= FLAG_LEVEL]
    telling.sort(key=lambda name: (SIGNALS[name].aspect == "", p[name]))
    sentences = [_sentence(SIGNALS[name].telling, found, name, family) for name in telling]
    n_others = int(found.n_pooled[family])
    if n_others:
        others = "1 other family that shares" if n_others == 1 else f"{n_others} other families that share"
        sentences.insert(0, _POOLED.format(others=others))
    return sentences


def benign_explanation(found: Findings, family: int) -> str:
    """The plainest story of a family that is not flagged.

    Its entry in the registry, or that it may be a pool's cover; else what speaks most for people among the
    aspects, and how much of it chance explains.
    """
    known = found.known[family]
    if known is not None:
        return _KNOWN.format(kind=known.kind, name=known.name, source=known.source)
    if found.followed[family] is not None and found.p_values[family] == 1:
        return _COVER
    if found.p_values[family] <= FLAG_LEVEL:
        return _CHANCE.format(n_families=len(found.p_values))
    told = [name for name, words in SIGNALS.items() if words.benign and name in found.signals]
    p = {name: float(found.signals[name].p_value[family]) for name in told}
    conditions = [n for n in told if SIGNALS[n].aspect == "" and p[n] > FLAG_LEVEL and n != "step_adoption"]
    if conditions:
        return _sentence(SIGNALS[conditions[0]].benign, found, conditions[0], family)
    people = [name for name in told if p[name] > _CONTRARY]
    if not people:
        return _UNKNOWN
    strongest = max(people, key=lambda name: p[name])
    return _sentence(SIGNALS[strongest].benign, found, strongest, family)


def _sentence(sentence: str, found: Findings, name: str, family: int) -> str:
    return sentence.format(effect=float(found.signals[name].effect[family]))
