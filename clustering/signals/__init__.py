"""Signals: one pure function each, over all groups at once: an effect, and a p-value under a stated null."""

from __future__ import annotations

from clustering.signals.catalogue import SIGNALS, SignalWords
from clustering.signals.clock import one_clock
from clustering.signals.comembership import (
    LEAST_OVERLAP,
    LINK_LEVEL,
    Crowd,
    comembership,
    crowd_of,
    of_one_pool,
)
from clustering.signals.devotion import devotion
from clustering.signals.dispersion import dispersion
from clustering.signals.efficiency import union_efficiency
from clustering.signals.evenness import slot_evenness
from clustering.signals.exchangeability import exchangeability, payload_icc
from clustering.signals.grid import grid_balance
from clustering.signals.hours import hour_flatness
from clustering.signals.intraclass import N_PEOPLE, paired_sample
from clustering.signals.loads import load_dispersion
from clustering.signals.pivot import release_pivot
from clustering.signals.principals import FEWEST, principals
from clustering.signals.repetition import repetition
from clustering.signals.rotation import rotation
from clustering.signals.session_hop import Hops, session_hop, session_hops
from clustering.signals.sweep_order import sweep_order
from clustering.signals.synchrony import synchrony
from clustering.signals.tail_coverage import tail_coverage
from clustering.signals.traffic import MOST_MET, Signal, Traffic, no_evidence
from clustering.signals.turnover import hand_over, step_adoption

__all__ = [
    "FEWEST",
    "LEAST_OVERLAP",
    "LINK_LEVEL",
    "MOST_MET",
    "N_PEOPLE",
    "SIGNALS",
    "Crowd",
    "Hops",
    "Signal",
    "SignalWords",
    "Traffic",
    "comembership",
    "crowd_of",
    "devotion",
    "dispersion",
    "exchangeability",
    "grid_balance",
    "hand_over",
    "hour_flatness",
    "load_dispersion",
    "no_evidence",
    "of_one_pool",
    "one_clock",
    "paired_sample",
    "payload_icc",
    "principals",
    "release_pivot",
    "repetition",
    "rotation",
    "session_hop",
    "session_hops",
    "slot_evenness",
    "step_adoption",
    "sweep_order",
    "synchrony",
    "tail_coverage",
    "union_efficiency",
]
