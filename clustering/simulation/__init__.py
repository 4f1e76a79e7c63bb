"""Simulated request logs with their truth, for tests, demonstrations and calibration.

All text is made here, from phrase lists; nothing is copied from anybody's logs. ``simulate(seed=0)`` makes a
small, complete log; ``SimulationSettings`` and ``CampaignPlan`` say what is in it.
"""

from __future__ import annotations

from .settings import CAMPAIGNS, LOOKALIKES, CampaignPlan, SimulationSettings
from .simulator import Simulation, check_folder, simulate, write_simulation

__all__ = [
    "CAMPAIGNS",
    "LOOKALIKES",
    "CampaignPlan",
    "Simulation",
    "SimulationSettings",
    "check_folder",
    "simulate",
    "write_simulation",
]
