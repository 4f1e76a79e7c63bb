"""The worlds of a bench: which logs are simulated, at which seeds, and what is to be counted in each.

Every world is drawn from one seed and says nothing of another. Kinds of worlds:

- campaigns: the simulator's default, four to six campaigns and all look-alikes;
- quiet: the same without campaigns;
- alone: people and one look-alike, no campaign, at the first ``N_ALONE`` seeds;
- share: one public campaign at a share of the log, and all look-alikes;
- without: a campaigns world that lost columns of its log;
- log: a log with its truth from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from clustering.simulation import LOOKALIKES, PRESETS, SimulationSettings

SHARES = (0.05, 0.01, 0.005, 0.001)
COLUMNS = (("output_tokens",), ("model",), ("org_id",), ("timestamp",))
N_COMPARED = 2  # campaigns worlds in which other methods, lost columns and halves are tried: each costs runs
N_ALONE = 3  # seeds at which each look-alike is alone
_ALONE_SHARE = 0.05  # of the log that a look-alike alone takes: 300 of 6,000 requests, some families


@dataclass(frozen=True)
class BenchSettings:
    """Settings of a bench.

    Parameters
    ----------
    n_seeds : campaigns worlds, and as many quiet ones.
    n_requests : of a world; a look-alike alone has half of it.
    first_seed : worlds have the seeds from here on.
    sections : names from ``SECTIONS``.
    logs : folders with ``requests.parquet`` and ``truth.parquet``.
    threads : of a run; None takes all that are free.
    """

    n_seeds: int = 20
    n_requests: int = 40_000
    first_seed: int = 100
    sections: tuple[str, ...] = ()
    logs: tuple[Path, ...] = ()
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.n_seeds < 1:
            raise ValueError(f"n_seeds={self.n_seeds}: a bench has at least 1 seed")
        if self.first_seed < 0:
            raise ValueError(f"first_seed={self.first_seed}: give 0 or more")


@dataclass(frozen=True)
class World:
    """One world.

    Parameters
    ----------
    kind : see the module.
    name : unique in a bench; names its tables.
    seed : of the simulation.
    settings : what is simulated; None for a log from elsewhere.
    what : the look-alike, preset, or lost columns.
    lost : columns that its log does not have.
    folder : of a log from elsewhere.
    counted : what is counted in it, see ``counting``.
    """

    kind: str
    name: str
    seed: int = 0
    settings: SimulationSettings | None = None
    what: str = ""
    lost: tuple[str, ...] = ()
    folder: Path | None = None
    counted: frozenset[str] = field(default_factory=lambda: frozenset({"pieces"}))

    @property
    def share(self) -> float:
        """Of the requests that belong to campaigns, as asked for."""
        return (self.settings.campaign_share or 0.0) if self.settings else 0.0


def worlds_of(settings: BenchSettings, wanted: Iterable[tuple[str, str]]) -> list[World]:
    """The worlds that a bench needs, in the order in which they are made.

    Parameters
    ----------
    wanted : pairs of a kind of worlds and what is counted there. "campaigns*" stands for the first
        ``N_COMPARED`` campaigns worlds.
    """
    needs: dict[str, set[str]] = {}
    for kind, count in wanted:
        needs.setdefault(kind, set()).add(count)
    worlds = []
    for world in _all_worlds(settings):
        counted = set(needs.get(world.kind, ()))
        if world.kind == "campaigns" and world.seed < settings.first_seed + N_COMPARED:
            counted |= needs.get("campaigns*", set())
        if counted:
            worlds.append(replace(world, counted=frozenset(counted)))
    return worlds


def _all_worlds(settings: BenchSettings) -> Iterator[World]:
    base = SimulationSettings(n_requests=settings.n_requests)
    first, size = settings.first_seed, settings.n_requests
    quiet = replace(base, campaigns=(), campaign_share=None)
    for folder in settings.logs:
        yield World("log", f"log-{folder.resolve().name}", folder=folder)
    for seed in range(first, first + settings.n_seeds):
        yield World("campaigns", f"campaigns-{size}-{seed}", seed, base)
        yield World("quiet", f"quiet-{size}-{seed}", seed, quiet)
    for look in LOOKALIKES:
        alone = replace(quiet, n_requests=size // 2, lookalikes=(look,), lookalike_share=_ALONE_SHARE)
        for seed in range(first, first + min(N_ALONE, settings.n_seeds)):
            yield World("alone", f"alone-{look}-{size // 2}-{seed}", seed, alone, what=look)
    for preset in PRESETS:
        for share in SHARES:
            one = replace(base, campaigns=(preset,), campaign_share=share)
            yield World("share", f"share-{preset}-{share}-{size}-{first}", first, one, what=preset)
    every = tuple(column for columns in COLUMNS for column in columns)
    for seed in range(first, first + min(N_COMPARED, settings.n_seeds)):
        for lost in (*COLUMNS, every):
            what = "all four" if lost == every else ", ".join(lost)
            name = f"without-{what.replace(' ', '-')}-{size}-{seed}"
            yield World("without", name, seed, base, what=what, lost=lost)
