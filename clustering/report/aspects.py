"""The aspects of a family in words: what speaks for one hand, what for people, what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from clustering.report.signals import format_figure
from clustering.scores import FLAG_LEVEL
from clustering.signals import SIGNALS
from clustering.signals.catalogue import aspects
from clustering.tables import ASPECT_PREFIX, P_SUFFIX

TELLING = NormalDist().inv_cdf(1 - FLAG_LEVEL)  # at or above it an aspect speaks for one hand
PEOPLE = 0.0  # at or below it, for people: what they show is more likely than not as extreme

_UNMEASURED: Mapping[str, str] = {
    "subjects": "too few of its accounts sent several prompts with a part of their own",
    "loads": "too few accounts, or nearly all of them sent one request",
    "hours": "no times, or too few accounts with several requests",
    "company": "no other family has its accounts, and no conversation changes hands",
    "devotion": "too few of its accounts sent three requests or more",
    "sweep": "no values that come back often enough",
    "intent": "no text that could be read",
}


@dataclass(frozen=True)
class AspectFigure:
    """One aspect of one family, ready to print.

    Attributes
    ----------
    name, title : str
    deviate : float or None
        In [-1, 3.5], positive for one hand; None where the log cannot tell.
    sentence : str
        Of its strongest signal, or why there is none.
    """

    name: str
    title: str
    deviate: float | None
    sentence: str

    @property
    def leaning(self) -> str:
        """What it speaks for: "hand", "people", "undecided" or "unmeasured"."""
        if self.deviate is None:
            return "unmeasured"
        if self.deviate >= TELLING:
            return "hand"
        return "people" if self.deviate <= PEOPLE else "undecided"


def aspect_figures(family: Mapping[str, object]) -> tuple[AspectFigure, ...]:
    """Every aspect of a row of FAMILIES, in the order of the catalogue."""
    return tuple(
        AspectFigure(name, name.capitalize(), deviate, _sentence(family, name, signals, deviate))
        for name, signals in aspects().items()
        for deviate in [_number(family.get(ASPECT_PREFIX + name))]
    )


def other_reasons(family: Mapping[str, object], figures: tuple[AspectFigure, ...]) -> tuple[str, ...]:
    """The family's reasons that stand beside no aspect, most telling first."""
    reasons = family.get("reasons")
    shown = {figure.sentence for figure in figures}
    listed = [str(reason) for reason in reasons] if isinstance(reasons, list) else []
    return tuple(reason for reason in listed if reason not in shown)


def _sentence(
    family: Mapping[str, object], aspect: str, signals: tuple[str, ...], deviate: float | None
) -> str:
    p = {name: value for name in signals if (value := _number(family.get(name + P_SUFFIX))) is not None}
    if deviate is None or not p:
        return f"Not measured: {_UNMEASURED.get(aspect, 'the log has too little for it')}."
    strongest = min(p, key=lambda name: p[name])
    if deviate >= TELLING:
        return _filled(SIGNALS[strongest].telling, family, strongest)
    benign = [name for name in p if SIGNALS[name].benign]
    if deviate <= PEOPLE and benign:
        plainest = max(benign, key=lambda name: p[name])
        return _filled(SIGNALS[plainest].benign, family, plainest)
    words = SIGNALS[strongest]
    verdict = "No sign of one hand" if deviate <= PEOPLE else "Undecided"
    effect = format_figure(family.get(strongest))
    return f"{verdict}: {words.title.lower()} {effect} ({words.meaning})."


def _filled(sentence: str, family: Mapping[str, object], name: str) -> str:
    effect = _number(family.get(name))
    return sentence.format(effect=float("nan") if effect is None else effect)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None
