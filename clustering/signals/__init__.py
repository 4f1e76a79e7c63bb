"""Signals: one pure function each, over all groups at once: an effect, and a p-value under a stated null."""

from __future__ import annotations

from clustering.signals.clock import one_clock
from clustering.signals.comembership import LEAST_OVERLAP, comembership
from clustering.signals.devotion import devotion
from clustering.signals.efficiency import union_efficiency
from clustering.signals.evenness import slot_evenness
from clustering.signals.exchangeability import exchangeability
from clustering.signals.hours import hour_flatness
from clustering.signals.intraclass import paired_sample
from clustering.signals.loads import load_dispersion
from clustering.signals.principals import FEWEST, principals
from clustering.signals.repetition import repetition
from clustering.signals.traffic import Signal, Traffic, no_evidence

__all__ = [
    "FEWEST",
    "LEAST_OVERLAP",
    "Signal",
    "Traffic",
    "comembership",
    "devotion",
    "exchangeability",
    "hour_flatness",
    "load_dispersion",
    "no_evidence",
    "one_clock",
    "paired_sample",
    "principals",
    "repetition",
    "slot_evenness",
    "union_efficiency",
]
