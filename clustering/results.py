"""A finished run, read from its directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from clustering.durable import Seal, is_whole, read_parquet
from clustering.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from clustering.assign import Assigner
    from embedder import Encoder

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
MANIFEST = "manifest.json"
TABLES = ("families", "campaigns", "accounts", "assignments", "prompts", "slots", "map", "rejected")


class RunError(ValueError):
    """A run directory that is not there, not whole, or in the way; one line with the remedy."""


@dataclass(frozen=True)
class Run:
    """A complete run directory. Tables are read when first asked for, and kept.

    Every table is a Polars frame: ``run.families.to_arrow()`` and ``.to_pandas()`` give the others.

    Parameters
    ----------
    path
        The directory.
    encoder
        What ``assign`` encodes with; None loads the one that the manifest names.
    was_complete
        True where ``run`` found it complete and did nothing.
    """

    path: Path
    encoder: Encoder | None = None
    was_complete: bool = False

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Versions, settings, inputs, counts, and seconds and memory per stage."""
        manifest: dict[str, Any] = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        return manifest

    @cached_property
    def seals(self) -> dict[str, Seal]:
        """Size and checksum of each file of the directory but the manifest, by its path in it.

        Raises
        ------
        RunError
            The manifest says nothing of them.
        """
        try:
            return {name: Seal(**said) for name, said in self.manifest["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self.path / MANIFEST}: not readable ({error}); run again with --force"
            ) from None

    @cached_property
    def families(self) -> pl.DataFrame:
        """A row per family, in rank order."""
        return self._table("families")

    @cached_property
    def campaigns(self) -> pl.DataFrame:
        """A row per campaign: flagged families that share their principals."""
        return self._table("campaigns")

    @cached_property
    def accounts(self) -> pl.DataFrame:
        """A row per account with a request in a flagged family."""
        return self._table("accounts")

    @cached_property
    def assignments(self) -> pl.DataFrame:
        """A row per request."""
        return self._table("assignments")

    @cached_property
    def prompts(self) -> pl.DataFrame:
        """A row per distinct prompt."""
        return self._table("prompts")

    @cached_property
    def slots(self) -> pl.DataFrame:
        """A row per family, slot and filler."""
        return self._table("slots")

    @cached_property
    def map(self) -> pl.DataFrame:
        """A row per mapped prompt."""
        return self._table("map")

    @cached_property
    def rejected(self) -> pl.DataFrame:
        """A row per rejected input row."""
        return self._table("rejected")

    def assign(
        self, prompts: Sequence[str], *, system_prompts: Sequence[str | None] | None = None
    ) -> pl.DataFrame:
        """Families of prompts that came later.

        Parameters
        ----------
        prompts, system_prompts : n texts

        Returns
        -------
        DataFrame of n rows
            ``family_id`` (null where no family takes the prompt), ``strength`` in [0, 1], ``view``. A row
            depends on its prompt and this run alone, not on the rest of the batch.
        """
        return self._assigner.assign(prompts, system_prompts)

    @cached_property
    def _assigner(self) -> Assigner:
        from clustering.assign import load_assigner

        return load_assigner(self.path, self.manifest, self.encoder)

    def lazy(self, name: str) -> pl.LazyFrame:
        """A table by its file's name, to be read by parts: the way to the two that grow with the log."""
        return self._read(name, lambda path: pl.scan_parquet(path.absolute(), glob=False))

    def _table(self, name: str) -> pl.DataFrame:
        return self._read(name, read_parquet)

    def _read(self, name: str, read: Callable[[Path], Frame]) -> Frame:
        path = self.path / f"{name}.parquet"
        try:
            if name not in self._whole and not is_whole(path, self.seals[path.name]):
                raise OSError("missing or damaged")
            self._whole.add(name)
            return read(path)
        except (pl.exceptions.PolarsError, OSError, KeyError) as error:
            raise RunError(f"{path}: not readable ({error}); run again with --force") from None

    @cached_property
    def _whole(self) -> set[str]:
        """Tables whose checksums were found right."""
        return set()


def load_run(path: str | Path, *, encoder: Encoder | None = None) -> Run:
    """Open a run directory.

    Parameters
    ----------
    path
    encoder
        The object that the run was made with, where ``run`` was given one; only ``assign`` needs it.

    Raises
    ------
    RunError
        When it is missing, is not a complete run, or its tables have another schema version.
    """
    run = Run(Path(path), encoder)
    if not (run.path / MANIFEST).is_file():
        seen = "there is no such directory" if not run.path.is_dir() else f"it holds no {MANIFEST}"
        raise RunError(
            f"{run.path}: not a complete run ({seen}); make one with: covey run LOGS --out {run.path}"
        )
    try:
        version = run.manifest.get("schema_version")
    except (ValueError, AttributeError) as error:
        raise RunError(f"{run.path / MANIFEST}: not readable ({error}); run again with --force") from None
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{run.path}: tables of schema version {version}, this Covey reads {SCHEMA_VERSION}; "
            "run again with --force"
        )
    return run
