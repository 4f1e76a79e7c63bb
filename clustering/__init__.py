"""Families of prompts: found, weighed, ranked, mapped and reported.

``run`` does a whole log, ``load_run`` opens what it made.
"""

from __future__ import annotations

from clustering.pipeline import run
from clustering.results import Run, RunError, load_run
from clustering.run_settings import RunSettings
from clustering.stages import Stage

__all__ = ["Run", "RunError", "RunSettings", "Stage", "load_run", "run"]
