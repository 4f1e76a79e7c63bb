"""A function in a process of its own: its memory is its own, it can be stopped, and it can fall alone.

Peak memory belongs to a process, and so do processor time, threads and what a library keeps: whatever is
measured runs here. The function is named, its arguments and its answer are plain JSON. The process ends with
the one that waits for it, also where that is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

_BEGIN = "import sys; from clustering.own_process import answer; answer(*sys.argv[1:])"
_WATCHED = 0.5  # seconds between two looks at who waits
_MOST_SAID = 200  # characters of an error's last line


class OwnProcessError(RuntimeError):
    """The process was stopped, ran out of memory or failed; the message says which, without a full stop."""


class OutOfMemoryError(OwnProcessError):
    """It ran out of memory, or the system killed it, as it does then."""


def call(
    function: Callable[..., Any],
    *arguments: object,
    limit: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Call a function of a module in a fresh process and wait for its answer.

    Parameters
    ----------
    function
        Of a module that can be imported by its name.
    arguments
        As JSON can hold them.
    limit
        Seconds after which the process and all that it started are killed; None waits for ever.
    environment
        Variables beside those that are set.

    Returns
    -------
    What the function returned, as JSON holds it.

    Raises
    ------
    OwnProcessError
        It did not answer. An interruption kills the process, too.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    paths = os.pathsep.join(filter(None, sys.path))
    with tempfile.TemporaryDirectory(prefix="covey-process-") as made:
        place, errors = Path(made) / "answer.json", Path(made) / "errors.txt"
        with errors.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, name, json.dumps(arguments), str(place), str(os.getpid())],
                env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
                stdout=subprocess.DEVNULL,
                stderr=sink,
                start_new_session=True,
            )
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                raise OwnProcessError(f"stopped after {limit:g} s") from None
            finally:
                _end(process)
        if code:
            raise _reason(code, errors.read_text(encoding="utf-8", errors="replace"))
        return json.loads(place.read_text(encoding="utf-8"))


def answer(name: str, arguments: str, place: str, waiting: str) -> None:
    """In the fresh process: call the function and write what it returns; `waiting` is who waits for it."""
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(int(waiting),), daemon=True).start()
    module, _, function = name.partition(":")
    found = getattr(import_module(module), function)(*json.loads(arguments))
    Path(place).write_text(json.dumps(found), encoding="utf-8")


def _end_with(waiting: int) -> None:
    """Kill this process and what it started once another one is its parent than `waiting`."""
    while os.getppid() == waiting:
        time.sleep(_WATCHED)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that still runs, and what it started where the system has groups of processes."""
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _reason(code: int, errors: str) -> OwnProcessError:
    last = (errors.strip().splitlines() or [""])[-1][:_MOST_SAID]
    killed = os.name == "posix" and code == -signal.SIGKILL
    if killed or "MemoryError" in last or "bad_alloc" in errors:
        return OutOfMemoryError("out of memory")
    return OwnProcessError(f"failed: {last or f'exit status {code}'}")
