"""What Covey is worth and what it takes, measured on simulated worlds whose truth is known, beside others.

Each world is simulated, run and counted once; what is kept of it is a small table, from which every section
is derived. A bench that is killed goes on where it stopped.
"""

from __future__ import annotations

from .ablation import signals_of
from .quality import SECTIONS, measure_quality
from .reference import ReferenceSettings, measure_reference
from .section import Section, as_text, markdown
from .speed import SIZES, SpeedSettings, measure_speed
from .worlds import BenchSettings

__all__ = [
    "SECTIONS",
    "SIZES",
    "BenchSettings",
    "ReferenceSettings",
    "Section",
    "SpeedSettings",
    "as_text",
    "markdown",
    "measure_quality",
    "measure_reference",
    "measure_speed",
    "signals_of",
]
