"""A finished drill, written to and read from its directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clustering.drill.findings import Baseline, CampaignFinding, Planting
from clustering.durable import write_json
from clustering.results import RunError
from clustering.simulation import CampaignPlan

RESULT = "drill.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Drill:
    """A finished drill.

    Parameters
    ----------
    path : its directory.
    created : when it ended, ISO 8601.
    baseline : the log alone.
    plantings : a run each, largest share first.
    plans : the campaigns with the habits that they had; their sizes differ by share.
    notes : sentences about what the log or the shares did not allow.
    n_rejected : rows of the log that could not be used.
    was_complete : it was there already, and nothing was done.
    """

    path: Path
    created: str
    baseline: Baseline
    plantings: tuple[Planting, ...]
    plans: tuple[CampaignPlan, ...]
    notes: tuple[str, ...]
    n_rejected: int
    was_complete: bool = False


def load_drill(path: str | Path) -> Drill:
    """Open a finished drill.

    Raises
    ------
    RunError
        There is none, or it is of another version.
    """
    said, path = _said(Path(path)), Path(path)
    return Drill(
        path,
        said["created"],
        Baseline(**said["baseline"]),
        tuple(map(_planting, said["plantings"])),
        tuple(CampaignPlan(**{**each, "disguises": tuple(each["disguises"])}) for each in said["plans"]),
        tuple(said["notes"]),
        said["n_rejected"],
    )


def mark_of(path: Path) -> str:
    """The hash of all that decided a finished drill."""
    return str(_said(path)["mark"])


def _said(path: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads((path / RESULT).read_text(encoding="utf-8"))
        version = said["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: no finished drill ({error}); make one with: covey drill LOGS --out {path}"
        ) from None
    if version != SCHEMA_VERSION:
        raise RunError(f"{path}: a drill of schema version {version}, not {SCHEMA_VERSION}; use --force")
    return said


def drill_json(drill: Drill) -> dict[str, Any]:
    """All of a drill but where it lies, as plain numbers, texts, lists and dicts."""
    return {key: value for key, value in asdict(drill).items() if key not in ("path", "was_complete")}


def write_drill(drill: Drill, mark: str) -> None:
    """Write ``drill.json`` into the drill's directory."""
    write_json(drill.path / RESULT, {"schema_version": SCHEMA_VERSION, "mark": mark, **drill_json(drill)})


def write_planting(folder: Path, name: str, mark: str, planting: Planting) -> None:
    """Keep a planting's findings for the case that the drill is killed."""
    write_json(folder / f"{name}.json", {"mark": mark, **asdict(planting)})


def kept_planting(folder: Path, name: str, mark: str) -> Planting | None:
    """What a killed drill found already; None when it is to be found (again)."""
    try:
        said = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return _planting(said) if said.pop("mark") == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _planting(said: dict[str, Any]) -> Planting:
    return Planting(**{**said, "findings": tuple(CampaignFinding(**each) for each in said["findings"])})
