"""What a run does with the memory that it may take.

What grows with a log lies in files that are mapped: its texts, requests and vectors, and what stages hand on.
The system keeps of them in memory what is free, and takes it back when it is wanted. What is held is this:

- while logs are read, the rows that are sorted at a time: a sixteenth;
- two tables of shingles: an eighth together;
- the index of whole texts, for ``assign``: at most half, with 16 bits a value where that does, else 8;
- beside it, some numbers of each prompt and request: about 0.3 GiB for a million requests.
"""

from __future__ import annotations

from dataclasses import dataclass

from embedder import LogError

_OF_READING, _OF_TABLE, _OF_INDEX = 16, 16, 2  # parts of the memory: one of so many
_HALF, _BYTE = 16, 8  # bits of a value


@dataclass(frozen=True)
class MemoryPlan:
    """Bounds that follow from `memory`, all in bytes, and the bits of a value in the index of whole texts."""

    memory: int
    reading: int
    shingle_table: int
    index: int
    index_bits: int


def reading_bytes(memory: int) -> int:
    """Bytes for the rows that are sorted at a time."""
    return memory // _OF_READING


def table_bytes(memory: int) -> int:
    """Bytes for one table of shingles."""
    return memory // _OF_TABLE


def memory_plan(memory: int, *, n_prompts: int, dim: int) -> MemoryPlan:
    """The plan for so many distinct prompts, and vectors of `dim` values.

    Raises
    ------
    embedder.LogError
        Their index does not fit, even with the fewest bits.
    """
    index = memory // _OF_INDEX
    fitting = [bits for bits in (_HALF, _BYTE) if n_prompts * dim * bits // 8 <= index]
    if not fitting:
        least = -(-_OF_INDEX * n_prompts * dim * _BYTE // 8 >> 30)
        raise LogError(
            f"memory: {memory >> 20:,} MiB do not hold the index of {n_prompts:,} distinct prompts; give "
            f"--memory {least}G, or fewer requests by --since and --until"
        )
    return MemoryPlan(memory, reading_bytes(memory), table_bytes(memory), index, fitting[0])
