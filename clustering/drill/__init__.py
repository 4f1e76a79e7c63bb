"""Drills: known campaigns planted into a user's own log, to see what a run finds of them, and at which share.

``drill`` leaves the log as it is: what is planted lies in files of its own that are read together with it.
"""

from __future__ import annotations

from clustering.drill.findings import Baseline, CampaignFinding, Planting
from clustering.drill.pipeline import drill
from clustering.drill.results import Drill, load_drill
from clustering.drill.settings import SHARES, DrillSettings

__all__ = [
    "SHARES",
    "Baseline",
    "CampaignFinding",
    "Drill",
    "DrillSettings",
    "Planting",
    "drill",
    "load_drill",
]
