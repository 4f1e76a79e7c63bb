"""How much a file may grow when it is read: a small file that holds gigabytes is refused early.

A file is refused once it has given more than ``LEAST_BYTES`` and more than ``MOST_TIMES`` its size on disk,
or more than ``LEAST_RECORDS`` and more than ``RECORDS_PER_BYTE`` of its size: a line break that is repeated a
billion times is as much of a bomb as a letter.

Lines of nothing but one prompt and an account compress 100 times, to a byte and a half each. An agent's log,
the same system prompt of 60 kB in every line, was compressed 700 times by zstd (twice by gzip, which looks
back 32 kB): hence two limits.
"""

from __future__ import annotations

import io

from embedder.reading.records import LogError

LEAST_BYTES = 512 << 20
MOST_TIMES = {"gzip": 500, "zstd": 5_000, "parquet": 5_000}
LEAST_RECORDS = 5_000_000
RECORDS_PER_BYTE = 4


def refuse_inflated(path: str, size: int, packing: str, *, n_bytes: int, n_records: int) -> None:
    """Refuse a file that grows too much.

    Parameters
    ----------
    path
        The file, for the message.
    size
        Its bytes on disk.
    packing
        One of ``MOST_TIMES``.
    n_bytes, n_records
        What it has given so far, or says that it will give.

    Raises
    ------
    LogError
        It gives too much for its size.
    """
    holds = ""
    if n_bytes > LEAST_BYTES and n_bytes > MOST_TIMES[packing] * size:
        holds = f"over {n_bytes >> 20:,} MiB of text"
    elif n_records > LEAST_RECORDS and n_records > RECORDS_PER_BYTE * size:
        holds = f"over {n_records:,} records"
    if holds:
        raise LogError(
            f"{path}: refused as a decompression bomb, for its {size:,} bytes hold {holds}; "
            f"if that is meant, write it as plain JSON lines"
        )


class Inflated(io.RawIOBase):
    """The bytes of a decompressing stream, counted; too many are refused.

    Parameters
    ----------
    stream
        Has ``readinto``.
    path, size, packing
        The compressed file, its bytes on disk and its compression.
    """

    def __init__(
        self, stream: io.RawIOBase | io.BufferedIOBase, *, path: str, size: int, packing: str
    ) -> None:
        self._stream = stream
        self._path = path
        self._size = size
        self._packing = packing
        self._n_bytes = 0
        self._n_lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        n = self._stream.readinto(buffer) or 0
        self._n_bytes += n
        self._n_lines += bytes(buffer[:n]).count(b"\n")
        refuse_inflated(self._path, self._size, self._packing, n_bytes=self._n_bytes, n_records=self._n_lines)
        return n
