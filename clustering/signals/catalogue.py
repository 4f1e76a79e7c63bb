"""Every signal in words: its name, what its effect says, the aspect it belongs to, and its sentences.

An *aspect* is a side from which one hand behind many accounts can show. Signals of one aspect share what they
look at, so that they count once: a weekend's hackathon keeps one clock, flat hours and a common start, and
that is one oddity, not three. Signals without an aspect are conditions of the score (a pool, a swept space)
or inform the analyst alone: the docstrings of their functions say why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SignalWords:
    """A signal for a person.

    Attributes
    ----------
    title : str
    meaning : str
        What the effect says.
    aspect : str
        "" for signals that are no part of the sum.
    telling, benign : str
        A sentence for a small p-value, and for a large one; "" where that says nothing. ``{effect}`` is
        filled in.
    """

    title: str
    meaning: str
    aspect: str
    telling: str
    benign: str = ""


SIGNALS: Mapping[str, SignalWords] = {
    "principals": SignalWords(
        "Principals",
        "effective number of organisations or accounts behind it",
        "",
        "The load is on many shoulders: {effect:.0f} accounts or organisations in effect.",
        "Few customers: nearly all requests come from four accounts or organisations, or fewer.",
    ),
    "union_efficiency": SignalWords(
        "Union efficiency",
        "1: no account repeats another's prompt, as from a work queue; near 0: everyone sends the same",
        "",
        "Each account breaks new ground instead of sending what others sent (union efficiency "
        "{effect:z.2f}).",
        "Everyone sends the same prompts, as a benchmark, a class or a popular question makes them do.",
    ),
    "repetition": SignalWords(
        "Repetition",
        "times that an account sends the same prompt, in the mean",
        "",
        "The same prompt is sampled again and again: {effect:.1f} times by an account in the mean.",
    ),
    "exchangeability": SignalWords(
        "Exchangeability",
        "intraclass correlation of payloads within accounts; 0: any account could have sent any prompt",
        "subjects",
        "Any account could have sent any request: the accounts' subjects differ as little as a dispatcher's "
        "would (intraclass correlation {effect:z.2f}).",
        "A shared tool: each account keeps to its own subjects (intraclass correlation {effect:z.2f}).",
    ),
    "load_dispersion": SignalWords(
        "Load dispersion",
        "variance over mean of requests per account; low: an even load",
        "loads",
        "The accounts carry even loads, as a work queue deals them (variance over mean {effect:z.2f}).",
        "People's uneven use: a few accounts send most of it (variance over mean {effect:.1f}).",
    ),
    "rotation": SignalWords(
        "Rotation",
        "neighbouring turns of one account over chance; 0: they take turns, above 1: they come in sittings",
        "loads",
        "The accounts take turns: one follows itself {effect:.0%} as often as chance would have it.",
    ),
    "one_clock": SignalWords(
        "One clock",
        "intraclass correlation of the hour within accounts; 0: all keep the same hours, 1: each its own",
        "hours",
        "All accounts run by one clock: their hours differ as little as a dispatcher's would (intraclass "
        "correlation {effect:z.2f}).",
        "Each account keeps hours of its own, as people and scheduled jobs do.",
    ),
    "hour_flatness": SignalWords(
        "Hour flatness",
        "resultant of the hours of the day; 0: round the clock, while people sleep",
        "hours",
        "Requests keep no one's waking hours (resultant of the hours {effect:z.2f}; 0 is round the clock).",
        "It keeps people's waking hours.",
    ),
    "synchrony": SignalWords(
        "Synchrony",
        "accounts active in the same hour, over what their own days and hours make of it",
        "hours",
        "The accounts move in lockstep: active in the same hour {effect:.1f} times as often as their own "
        "days and hours explain.",
    ),
    "hand_over": SignalWords(
        "Hand-over",
        "largest loss of accounts at one moment that others make good; 1: all are replaced",
        "hours",
        "At one moment {effect:.0%} of its accounts stop and others go on in their place.",
    ),
    "step_adoption": SignalWords(
        "Step adoption",
        "share of its accounts that are there from its first tenth on",
        "",
        "The pool was there at once: {effect:.0%} of its accounts came in the first tenth of its life.",
        "It spread from one to the next, as things that people pass on do.",
    ),
    "comembership": SignalWords(
        "Co-membership",
        "share of its accounts that another family has, too, where that is beyond chance",
        "company",
        "Its accounts come back in another family: {effect:.0%} of them, far beyond chance.",
    ),
    "session_hop": SignalWords(
        "Session hop",
        "share of the conversations it continues that another account began",
        "company",
        "Conversations change hands: {effect:.0%} of those it continues were begun by another account.",
    ),
    "devotion": SignalWords(
        "Devotion",
        "share of its accounts' traffic that the family takes",
        "devotion",
        "Its accounts do little else: {effect:.0%} of what they send belongs to it.",
        "Used now and then: it is {effect:.0%} of what its accounts send.",
    ),
    "slot_evenness": SignalWords(
        "Slot evenness",
        "how equally often the values of a slot are used; 1 is chance, organic use is above",
        "sweep",
        "Values are used equally often, not as people pick favourites (dispersion {effect:z.2f}; chance "
        "is 1).",
    ),
    "grid_balance": SignalWords(
        "Grid balance",
        "how often accounts meet on a pair of values, over chance; 0: a grid that is worked off",
        "sweep",
        "Its accounts fill a grid: they meet on a pair of values {effect:.0%} as often as chance has them.",
        "Accounts meet on the same combinations {effect:.1f} times as often as chance, as people with common "
        "wishes do.",
    ),
    "sweep_order": SignalWords(
        "Sweep order",
        "newcomers that change one slot of the one before, over a shuffled order",
        "",
        "One after the other, new accounts change a single slot, as a loop does: {effect:.1f} times as often "
        "as in a shuffled order.",
    ),
    "dispersion": SignalWords(
        "Dispersion",
        "how much payloads of different accounts differ, over one person's own requests",
        "",
        "Whatever comes to hand under one wrapper: the payloads differ {effect:.1f} times as much as one "
        "person's requests.",
    ),
    "tail_coverage": SignalWords(
        "Tail coverage",
        "how often it reaches rare subjects, over as many ordinary requests in its fields",
        "",
        "It reaches rare subjects {effect:.1f} times as often as as many ordinary requests in its fields.",
    ),
    "elicitation": SignalWords(
        "Elicitation",
        "how surely its text asks for training material",
        "intent",
        "Its text asks for training material ({effect:.0%} sure), more plainly than nearly all ordinary "
        "prompts of this log do.",
        "Its text asks for nothing that is worth training on ({effect:.0%}).",
    ),
    "release_pivot": SignalWords(
        "Release pivot",
        "share of its accounts that use a new model within a day of its release",
        "",
        "Within a day of a new model's release {effect:.0%} of its accounts had moved to it.",
    ),
}


def aspects() -> dict[str, tuple[str, ...]]:
    """Signals of each aspect, in the order of ``SIGNALS``."""
    found: dict[str, tuple[str, ...]] = {}
    for name, words in SIGNALS.items():
        if words.aspect:
            found[words.aspect] = (*found.get(words.aspect, ()), name)
    return found
