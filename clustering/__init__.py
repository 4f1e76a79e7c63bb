"""Families of prompts: found, weighed, ranked, mapped and reported.

``run`` does a whole log, ``load_run`` opens what it made, ``compare_runs`` says what changed between two.
"""

from __future__ import annotations

from clustering.comparison import Comparison, compare_runs
from clustering.pipeline import run
from clustering.results import Run, RunError, load_run
from clustering.run_settings import RunSettings
from clustering.stages import Stage

__all__ = ["Comparison", "Run", "RunError", "RunSettings", "Stage", "compare_runs", "load_run", "run"]
