"""The folder of a bench, and by whom its measurements were made: those of others are never mixed in."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from clustering.manifest import RECIPE
from clustering.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Raise it when simulated worlds or what is measured of them are others: old measurements are then not kept.
MEASURES = 2


def take_place(
    out: Path,
    name: str,
    settings: DataclassInstance,
    *,
    about: str,
    kept: tuple[str, ...],
    force: bool,
    made_with: dict[str, object] | None = None,
) -> Path:
    """The folder `name` in `out`, made when it is not there.

    Parameters
    ----------
    settings : written into `about`, to be read by people.
    about : file in `out` that says who made what is there.
    kept : patterns of what is kept in the folder, which `force` removes.
    made_with : what, beside the version of Covey, the measurements depend on.

    Raises
    ------
    ValueError
        What is there was made by another version, or with something else, and not `force`.
    """
    made_by = {
        "covey": version("covey"),
        "schema_version": SCHEMA_VERSION,
        "recipe": RECIPE,
        "measures": MEASURES,
    }
    made_by |= made_with or {}
    folder, file = out / name, out / about
    folder.mkdir(parents=True, exist_ok=True)
    if force:
        for table in [path for pattern in kept for path in folder.glob(pattern)]:
            table.unlink()
    elif file.is_file() and (seen := json.loads(file.read_text(encoding="utf-8"))["made_by"]) != made_by:
        raise ValueError(f"{out}: holds {name} of {seen}, this is {made_by}; give another --out, or --force")
    listed = {key: str(value) for key, value in asdict(settings).items()}
    file.write_text(json.dumps({"made_by": made_by, "settings": listed}, indent=2) + "\n", encoding="utf-8")
    return folder
