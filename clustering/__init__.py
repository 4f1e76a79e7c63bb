"""Families of prompts: found, weighed, ranked, mapped and reported.

``run`` does a whole log, ``load_run`` opens what it made.
"""

from __future__ import annotations

from clustering.pipeline import RunSettings, Stage, run
from clustering.results import Run, RunError, load_run

__all__ = ["Run", "RunError", "RunSettings", "Stage", "load_run", "run"]
