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
    redact
        Put placeholders for personal data and secrets before anything is compared or written.
    account_key
        File of a key that accounts, organisations and sessions are hashed with, likewise.
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
    redact: bool = False
    account_key: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.min_family < 2:
            raise ValueError(f"min_family={self.min_family}: a family has at least 2 requests")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: give 0 or more")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads={self.threads}: give at least 1, or None")
