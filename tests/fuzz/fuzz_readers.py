"""Fuzz the readers: ``python tests/fuzz/fuzz_readers.py CORPUS -max_total_time=3600 -timeout=20 …``.

An input's first byte says as which kind of log the rest is read; see ``fuzzed_input``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["embedder"]):
    from fuzzed_input import check_input


def main() -> None:
    """Run until the time is up or an input breaks a rule; files lie in memory where there is such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        place = Path(folder)
        atheris.Setup(sys.argv, lambda data: check_input(data, place))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
