"""What kind of traffic a family is and how much of its space it covers, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from clustering.report.signals import format_count, format_figure, format_p
from clustering.scores import FLAG_LEVEL

FOUND_BY = {
    "skeleton": "the wording its prompts share",
    "whole": "what its prompts say",
    "single": "one prompt that is sent again and again",
    "shared": "rare prompts that the same accounts send; they share no text",
    "pool": "who sends it; its prompts share no text",
}
_NEARLY_ALL = 0.995
_FEWEST_COMPARED = 20  # benign families: fewer say little


def pattern_sentence(family: Mapping[str, object]) -> str:
    """The family's closest pattern, what it is, and how close; that it is none clearly.

    A flagged family is compared with patterns of extraction only; one that is not flagged with all, and what
    it is like then says nothing for or against the flag.
    """
    pattern, match, summary = (family[name] for name in ("pattern", "pattern_match", "pattern_summary"))
    if pattern is None:
        of = "of extraction" if family["flagged"] else "of extraction or of ordinary use"
        return f"none clearly: several patterns {of} are about as close, or too little was measured."
    use = "extraction" if family["pattern_hostile"] else "ordinary use"
    near = f"match {match:.2f} of 1" if isinstance(match, float) else "match unknown"
    said = f"{pattern}, a pattern of {use} ({near})"
    said = f"{said}: {summary[0].lower()}{summary[1:]}" if isinstance(summary, str) else f"{said}."
    return said if family["flagged"] else f"most like {said}"


def coverage_sentence(family: Mapping[str, object]) -> str | None:
    """How much of the estimated whole was sent, and whether it still grows; None where nothing is known."""
    depth, size, breadth = (family[f"coverage_{name}"] for name in ("depth", "full_size", "breadth"))
    n_prompts = family["n_prompts"]
    if n_prompts == 1:
        return "One prompt."
    parts = []
    if isinstance(depth, float) and isinstance(size, float):
        parts.append(f"{_about(depth)} of an estimated {_rounded(size)} prompts{_growth(family)}")
    elif n_prompts == family["n_requests"]:
        parts.append("no prompt came twice, so the size of the whole cannot be estimated")
    if isinstance(breadth, float):
        areas = max(1, round(breadth))
        parts.append(f"reaches into {format_count(areas)} area{'' if areas == 1 else 's'} of ordinary use")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}." if said else None


def reference_sentence(family: Mapping[str, object]) -> str | None:
    """How many benign families about as large have a p-value as low; None where too few are known."""
    n, k = family["n_benign_compared"], family["n_benign_as_low"]
    if not isinstance(n, int) or n < _FEWEST_COMPARED:
        return None
    some, have = (f"{format_count(k)} of", "has" if k == 1 else "have") if k else ("none of", "has")
    together = "the families weighed with it" if family["n_pooled"] else "it"
    return (
        f"{some} the {format_count(n)} benign families of simulated traffic nearest to {together} in "
        f"requests and accounts {have} a p-value as low"
    )


def figures_sentence(family: Mapping[str, object]) -> str:
    """Score and q-value, and what the latter says."""
    return (
        f"score {format_figure(family['score'])}; q {format_p(family['q_value'])}, the share of ordinary "
        f"families to expect among all down to this one: flagged up to {FLAG_LEVEL}"
    )


def found_by(family: Mapping[str, object]) -> str:
    """By what the family was found, in words."""
    return FOUND_BY.get(str(family["view"]), "\u2013")


def sizes(family: Mapping[str, object]) -> str:
    """Counts of a row of FAMILIES: requests, distinct prompts, accounts."""
    n_requests, n_prompts = family["n_requests"], family["n_prompts"]
    prompts = f"{format_count(n_prompts)} distinct prompts"
    if n_prompts == n_requests:
        prompts = "all different"
    if n_prompts == 1:
        prompts = "one prompt"
    return f"{format_count(n_requests)} requests, {prompts}, {senders(family)}"


def senders(family: Mapping[str, object]) -> str:
    """Accounts of a row of FAMILIES, and how many they are with an organisation's counted once."""
    n_accounts, n_principals = family["n_accounts"], family["n_principals"]
    said = f"{format_count(n_accounts)} account{'' if n_accounts == 1 else 's'}"
    if n_principals == n_accounts:
        return said
    return f"{said} ({format_count(n_principals)} where an organisation's count once)"


def _growth(family: Mapping[str, object]) -> str:
    share = family["coverage_efficiency"]
    if not isinstance(share, float):
        return ""
    return f", and {share:.0%} of its later requests brought a new one"


def _about(share: float) -> str:
    if share < 0.01:
        return "less than 1%"
    return "nearly all" if share >= _NEARLY_ALL else f"about {share:.0%}"


def _rounded(size: float) -> str:
    """Two digits: an estimate knows no more."""
    return format_count(round(float(f"{size:.2g}")))
