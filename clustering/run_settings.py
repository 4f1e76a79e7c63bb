"""What a run can be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

_LAST_SEED = 2**32 - 1  # of numpy's old generators, which the map draws from
LEAST_MEMORY, _MOST_MEMORY = 2 << 30, 1 << 50
_MOST = 2**31 - 1  # a C int, in which OpenMP counts its threads and the trees their members


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
    memory
        Bytes that the run may take; 2 GiB at least; see ``clustering.memory``.
    since, until
        Requests from `since` on and before `until` only; times without a zone are UTC, and a request without
        a time is of no period.
    columns
        Pairs (name, path): where a column is, when its name is another.
    registry
        File of known-benign templates, beside the packaged ones; see ``clustering.registry``.
    patterns
        File of own patterns and examples, beside the packaged ones; see ``clustering.coverage.library``.
    redact
        Put placeholders for personal data and secrets before anything is compared or written.
    account_key
        File of a key that accounts, organisations and sessions are hashed with, likewise.
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
    memory: int = 16 << 30
    since: datetime | None = None
    until: datetime | None = None
    columns: tuple[tuple[str, str], ...] = ()
    registry: str | None = None
    patterns: str | None = None
    redact: bool = False
    account_key: str | None = None
    max_rejected_share: float = 0.5
    force: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.min_family <= _MOST:
            raise ValueError(f"min_family={self.min_family}: a family has 2 to {_MOST} requests")
        if not 0 <= self.seed <= _LAST_SEED:
            raise ValueError(f"seed={self.seed}: give 0 to {_LAST_SEED}")
        if self.threads is not None and not 1 <= self.threads <= _MOST:
            raise ValueError(f"threads={self.threads}: give 1 to {_MOST}, or None")
        if not LEAST_MEMORY <= self.memory <= _MOST_MEMORY:
            raise ValueError(
                f"memory={self.memory}: give bytes, {LEAST_MEMORY} (2G) to {_MOST_MEMORY} (1024T)"
            )
        if not 0 <= self.max_rejected_share <= 1:
            raise ValueError(f"max_rejected_share={self.max_rejected_share}: give a share from 0 to 1")
        if self.since is not None and self.until is not None and _utc(self.since) >= _utc(self.until):
            raise ValueError(f"since={self.since}: not before until={self.until}; nothing lies between them")

    def plain(self) -> dict[str, Any]:
        """Every setting as JSON has it: columns as an object, times as ISO 8601 in UTC."""
        times = {
            name: None if time is None else _utc(time).isoformat()
            for name, time in (("since", self.since), ("until", self.until))
        }
        return {**asdict(self), **times, "columns": dict(self.columns)}


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
