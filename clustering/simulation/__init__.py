"""Simulated request logs with their truth, for tests, demonstrations and calibration.

All text is made here, from phrase lists; nothing is copied from anybody's logs. ``simulate(seed=0)`` makes a
small, complete log in memory, ``write_simulation`` one of any size on the disk; ``SimulationSettings`` and
``CampaignPlan`` say what is in it.
"""

from __future__ import annotations

from .habits import drawn_plans
from .plans import CampaignPlan
from .presets import CAMPAIGNS, PRESETS, preset_in
from .settings import LOOKALIKES, SimulationSettings
from .simulator import Simulation, simulate, simulated_parts
from .writing import check_folder, write_simulation

__all__ = [
    "CAMPAIGNS",
    "LOOKALIKES",
    "PRESETS",
    "CampaignPlan",
    "Simulation",
    "SimulationSettings",
    "check_folder",
    "drawn_plans",
    "preset_in",
    "simulate",
    "simulated_parts",
    "write_simulation",
]
