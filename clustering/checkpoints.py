"""Stages of a run that are done once, whatever kills the run between them.

Contract: a stage is whole when its record is there and every file that the record names is as it was sealed.
The record comes last, by a rename, after all of them are on the disk. A process that opens the working folder
of the same command takes the whole stages as they are, up to the first that is not; what else lies there is
deleted before that stage begins. Hence a run that was killed at any moment ends with the bytes of one that
was not. Another command's stages go only when the first stage is made: one that is refused over its logs has
cost nothing. So the first stage writes nothing itself, but into ``scratch/``, which is nobody's: it is
deleted when a process opens the folder, and no part of a stage, whenever that ends.

Layout of the working folder: the files of the run directory to be, and ``stages/`` with the record of each
stage, ``NAME.json``, and beside it what later stages need of it, ``NAME/`` (``clustering.kept_values``).
``stages/command.json`` says whose stages they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from clustering.durable import Seal, files_below, is_whole, seal_all, sync_folder, write_json
from clustering.kept_values import read_value, write_value
from clustering.stages import Clock

FOLDER, SCRATCH = "stages", "scratch"
_COMMAND = "command.json"

T = TypeVar("T")


class Checkpoints:
    """The stages of one run, in the order in which they are asked for.

    Parameters
    ----------
    folder
        The working folder, which is there.
    command
        Fingerprint of the command that the stages are of; those of another go once the first stage is made.
    clock
    """

    def __init__(self, folder: Path, *, command: str, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._sealed: dict[str, Seal] = {}
        self._stages = folder / FOLDER
        self._command = command
        self._resuming = self._begun = _command_of(self._stages) == command
        self.scratch = folder / SCRATCH
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def outputs(self) -> dict[str, Seal]:
        """Seals of the files of the run directory that the stages so far have written, by their paths."""
        return {name: seal for name, seal in self._sealed.items() if not name.startswith(f"{FOLDER}/")}

    def stage(self, name: str, make: Callable[[], T], *, records: Sequence[type] = ()) -> T:
        """What `make` gives, made now or by an earlier process that had it whole; mapped from its files.

        Parameters
        ----------
        name
        make
            What it writes into the working folder is sealed with the stage.
        records
            The dataclasses that its value may hold; see ``clustering.kept_values``.
        """
        place = self._stages / name.replace(" ", "_")
        if self._resuming and self._taken(name, place):
            taken: T = read_value(place, records)
            return taken
        if self._resuming:
            self._resuming = False
            self._delete_all_but(self._known())
        with self._clock.stage(name):
            made = make()
            self._begin()
            write_value(made, place)
            del made
            sealed = seal_all(self._all_but(self._known()), below=self._folder)
            self._clock.wrote(sum(each.size for each in sealed.values()))
        record = {
            "clock": self._clock.stages[-1],
            "files": {file: asdict(seal) for file, seal in sealed.items()},
        }
        write_json(self._record(place), record)
        self._sealed |= sealed
        value: T = read_value(place, records)
        return value

    def discard(self) -> None:
        """Delete what lies there, if it is this command's; nobody will go on with it."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        if self._begun or not files_below(self._folder):
            shutil.rmtree(self._folder)

    def _begin(self) -> None:
        """Make the folder this command's."""
        if self._begun:
            return
        self._delete_all_but(set())
        self._stages.mkdir()
        write_json(self._stages / _COMMAND, {"command": self._command})
        sync_folder(self._folder)
        self._begun = True

    def _known(self) -> set[str]:
        """The files of the stages so far, their records, and the command's."""
        stages = {name.split("/")[1] for name in self._sealed if name.startswith(f"{FOLDER}/")}
        return {*self._sealed, f"{FOLDER}/{_COMMAND}", *(f"{FOLDER}/{stage}.json" for stage in stages)}

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    @staticmethod
    def _record(place: Path) -> Path:
        return place.with_name(place.name + ".json")

    def _taken(self, name: str, place: Path) -> bool:
        """Whether the stage is whole; its seals and times then count."""
        try:
            record = json.loads(self._record(place).read_text(encoding="utf-8"))
            sealed = {file: Seal(**seal) for file, seal in record["files"].items()}
            timed = record["clock"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        if not all(is_whole(self._folder / file, seal) for file, seal in sealed.items()):
            return False
        self._sealed |= sealed
        self._clock.resumed(name, timed)
        return True

    def _all_but(self, kept: set[str]) -> list[Path]:
        """The files that are there, but those and what is nobody's."""
        files = (path for path in files_below(self._folder) if self.scratch not in path.parents)
        return [path for path in files if self._name(path) not in kept]

    def _delete_all_but(self, kept: set[str]) -> None:
        for path in self._all_but(kept):
            path.unlink()
        for path in sorted(self._folder.rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _command_of(stages: Path) -> str | None:
    """Whose stages lie there; None where none do, or nobody can tell."""
    try:
        said: dict[str, Any] = json.loads((stages / _COMMAND).read_text(encoding="utf-8"))
        return str(said["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
