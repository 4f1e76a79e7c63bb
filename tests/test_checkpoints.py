"""Stages are done once: whole ones are taken, the first that is not and all after it are done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustering.checkpoints import FOLDER, Checkpoints
from clustering.durable import Seal, is_whole, seal
from clustering.stages import Clock, Stage

NAMES = ("read logs", "views", "map")


class Work:
    """Three stages that build on the one before and note that they were done; the later two write a file."""

    def __init__(self, folder: Path, *, command: str = "c1", fail_in: str | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.done: list[str] = []
        self.told: list[Stage] = []
        self.clock = Clock(self.told.append)
        self.folder, self.fail_in = folder, fail_in
        self.checkpoints = Checkpoints(folder, command=command, clock=self.clock)

    def run(self) -> list[str]:
        last: list[str] = []
        for name in NAMES:
            last = self.checkpoints.stage(name, self._stage(name, last))
        return last

    def _stage(self, name: str, before: list[str]):  # type: ignore[no-untyped-def]
        def make() -> list[str]:
            self.done.append(name)
            if before:
                (self.folder / "index").mkdir(exist_ok=True)
                (self.folder / "index" / f"{name}.txt").write_text(f"{name} after {before}")
            if name == self.fail_in:
                raise OSError(28, "No space left on device")
            return [*before, name]

        return make


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def scribble(scratch: Path) -> None:
    """What a stage leaves there that is killed."""
    (scratch / "deep").mkdir(parents=True)
    for place in (scratch, scratch / "deep"):
        (place / "part.npy").write_bytes(b"half")


def test_whole_stages_are_taken_as_they_are(tmp_path: Path) -> None:
    first = Work(tmp_path / "w")
    assert first.run() == list(NAMES)
    before = files(first.folder)
    again = Work(tmp_path / "w")
    assert again.run() == list(NAMES)
    assert (first.done, again.done) == (list(NAMES), [])
    assert files(again.folder) == before
    assert again.checkpoints.outputs == first.checkpoints.outputs
    assert [stage["stage"] for stage in again.clock.stages] == list(NAMES)
    assert again.clock.seconds >= sum(stage["seconds"] for stage in first.clock.stages)
    assert all(stage.ended for stage in again.told)


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_that_failed_is_done_again_and_those_before_it_are_not(tmp_path: Path, name: str) -> None:
    broken = Work(tmp_path / "w", fail_in=name)
    with pytest.raises(OSError, match="No space"):
        broken.run()
    (tmp_path / "w" / "left.partial").write_text("half")
    again = Work(tmp_path / "w")
    assert again.run() == list(NAMES)
    assert again.done == list(NAMES[NAMES.index(name) :])
    whole = Work(tmp_path / "other")
    whole.run()
    assert files(again.folder) == files(whole.folder)
    assert again.checkpoints.outputs == whole.checkpoints.outputs


@pytest.mark.parametrize(
    ("name", "which"),
    [(name, which) for name in NAMES for which in ("output", "value", "record")][1:],
)
@pytest.mark.parametrize("harm", ["cut", "zeros", "gone"])
def test_a_damaged_stage_and_all_after_it_are_done_again(
    tmp_path: Path, name: str, which: str, harm: str
) -> None:
    whole = Work(tmp_path / "w")
    whole.run()
    slug = name.replace(" ", "_")
    path = {
        "output": whole.folder / "index" / f"{name}.txt",
        "value": whole.folder / FOLDER / slug / "value.json",
        "record": whole.folder / FOLDER / f"{slug}.json",
    }[which]
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "cut" else bytes(len(data)))
    again = Work(tmp_path / "w")
    assert again.run() == list(NAMES)
    assert again.done == list(NAMES[NAMES.index(name) :])
    assert again.checkpoints.outputs == whole.checkpoints.outputs


def test_stages_of_another_command_are_not_taken(tmp_path: Path) -> None:
    Work(tmp_path / "w", command="c1").run()
    (tmp_path / "w" / "families.parquet").write_text("of the other")
    other = Work(tmp_path / "w", command="c2")
    other.run()
    assert other.done == list(NAMES)
    assert not (tmp_path / "w" / "families.parquet").exists()


def test_stages_of_another_command_stay_until_the_first_stage_is_made(tmp_path: Path) -> None:
    kept = Work(tmp_path / "w", command="c1", fail_in="map")
    with pytest.raises(OSError, match="No space"):
        kept.run()
    before = files(kept.folder)
    refused = Work(tmp_path / "w", command="c2", fail_in=NAMES[0])
    with pytest.raises(OSError, match="No space"):
        refused.run()
    refused.checkpoints.discard()
    assert files(kept.folder) == before
    again = Work(tmp_path / "w", command="c1")
    assert (again.run(), again.done) == (list(NAMES), ["map"])


def test_what_nobody_goes_on_with_is_discarded(tmp_path: Path) -> None:
    for command in ("c1", "c1"):  # an empty folder; then stages of its own, of which the first is damaged
        work = Work(tmp_path / "w", command=command, fail_in=NAMES[0])
        with pytest.raises(OSError, match="No space"):
            work.run()
        work.checkpoints.discard()
        assert not work.folder.exists()
        Work(tmp_path / "w").run()
        (tmp_path / "w" / FOLDER / "read_logs.json").write_text("{")


@pytest.mark.parametrize("command", ["c1", "c2"])
def test_what_a_killed_process_left_in_scratch_goes_when_the_folder_is_opened(
    tmp_path: Path, command: str
) -> None:
    killed = Work(tmp_path / "w", command="c1", fail_in="map")
    with pytest.raises(OSError, match="No space"):
        killed.run()
    before = files(killed.folder)
    scribble(killed.checkpoints.scratch)
    assert len(files(killed.folder)) == len(before) + 2
    opened = Work(tmp_path / "w", command=command)
    assert not opened.checkpoints.scratch.exists()
    assert files(opened.folder) == before


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_in_scratch_is_no_part_of_a_stage_and_stays_while_the_process_works(
    tmp_path: Path, name: str
) -> None:
    work, plain = Work(tmp_path / "w"), Work(tmp_path / "plain")
    make = work._stage

    def scribbling(asked: str, before: list[str]):  # type: ignore[no-untyped-def]
        def made() -> list[str]:
            if asked == name:
                scribble(work.checkpoints.scratch)
            return make(asked, before)()

        return made

    work._stage = scribbling  # type: ignore[method-assign]
    assert work.run() == plain.run() == list(NAMES)
    assert files(work.folder) - files(plain.folder) == {"scratch/part.npy", "scratch/deep/part.npy"}
    assert work.checkpoints.outputs == plain.checkpoints.outputs
    assert "scratch" not in (work.folder / FOLDER / f"{name.replace(' ', '_')}.json").read_text()
    again = Work(tmp_path / "w")
    assert (again.run(), again.done) == (list(NAMES), [])
    assert files(again.folder) == files(plain.folder)


def test_scratch_goes_with_what_nobody_goes_on_with(tmp_path: Path) -> None:
    work = Work(tmp_path / "w", fail_in=NAMES[0])
    scribble(work.checkpoints.scratch)
    with pytest.raises(OSError, match="No space"):
        work.run()
    work.checkpoints.discard()
    assert not work.folder.exists()


def test_only_what_belongs_into_the_run_directory_is_an_output(tmp_path: Path) -> None:
    work = Work(tmp_path / "w")
    work.run()
    assert set(work.checkpoints.outputs) == {f"index/{name}.txt" for name in NAMES[1:]}


def test_a_seal_knows_every_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"some bytes")
    sealed = seal(path)
    assert sealed == Seal(10, sealed.blake2b)
    assert is_whole(path, sealed)
    for other in (b"some byte", b"some bytes ", b"some bytez", b""):
        path.write_bytes(other)
        assert not is_whole(path, sealed)
    path.unlink()
    assert not is_whole(path, sealed)
