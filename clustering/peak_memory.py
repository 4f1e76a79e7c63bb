"""Peak memory of a piece of work: of its own, whatever was before it.

Memory is what the process alone holds and nobody can take back: its anonymous pages (``RssAnon`` of
``/proc/self/status``). Pages of mapped files count for nothing, for the system takes them back when it wants
them. A thread looks at it some times a second. While a compiled loop holds the interpreter it cannot look:
it does so at once when the loop ends, so what a loop fills is seen, and what it also gives back is not.

Where the system does not tell, as outside Linux, the largest resident size of the process so far stands in
for it: mapped files and all that was before count, too. ``MEASURED`` says which of the two it is.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_FIELD = b"RssAnon:"
_EVERY = 0.1  # seconds between two looks, of about 30 microseconds each
_KIB_OF_MIB = 1 << 10


def anonymous_memory_mib() -> int | None:
    """Anonymous pages of the process, in MiB, rounded; None where the system does not tell."""
    try:
        told = _STATUS.read_bytes().partition(_FIELD)[2]
    except OSError:
        return None
    return round(int(told.split(maxsplit=1)[0]) / _KIB_OF_MIB) if told else None


#: What peak memory is here: "anonymous", or "resident so far".
MEASURED = "resident so far" if anonymous_memory_mib() is None else "anonymous"


class PeakMemory:
    """The peak memory of what is done inside the ``with``; see the module.

    Attributes
    ----------
    mib
        In MiB so far; None where the system tells nothing at all.
    """

    def __init__(self) -> None:
        self.mib: int | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> PeakMemory:
        self._look()
        if MEASURED == "anonymous":
            self._thread = threading.Thread(target=self._watch, name="peak memory", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        seen = anonymous_memory_mib() if MEASURED == "anonymous" else _resident_peak_mib()
        if seen is not None:
            self.mib = max(self.mib or 0, seen)


def _resident_peak_mib() -> int | None:
    """Largest resident size of the process so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // unit
