"""What a run can be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunSettings:
    """What a run can be told.

    Parameters
    ----------
    encoder
        ``static``, ``transformer``, or a sentence-transformers name or path.
    min_family
        Fewest requests of a family.
    seed
        Of samples, draws and the map.
    threads
        None takes all that are free.
    columns
        Pairs (name, path): where a column is, when its name is another.
    registry
        File of known-benign templates, beside the packaged ones; see ``clustering.registry``.
    max_rejected_share
        Share of bad records, in [0, 1], above which the logs are refused.
    force
        Replace a run directory that is there.

    Raises
    ------
    ValueError
        A number is out of its range.
    """

    encoder: str = "static"
    min_family: int = 20
    seed: int = 0
    threads: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    registry: str | None = None
    max_rejected_share: float = 0.5
    force: bool = False

    def __post_init__(self) -> None:
        if self.min_family < 2:
            raise ValueError(f"min_family={self.min_family}: a family has at least 2 requests")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: give 0 or more")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads={self.threads}: give at least 1, or None")
        if not 0 <= self.max_rejected_share <= 1:
            raise ValueError(f"max_rejected_share={self.max_rejected_share}: give a share from 0 to 1")
