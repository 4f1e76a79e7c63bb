"""Functions that tests call in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from clustering.own_process import call


def echo(value: object) -> tuple[int, str | None, object]:
    return os.getpid(), os.environ.get("COVEY_SAID"), value


def start_another_and_sleep(file: str) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    Path(file).write_text(str(other.pid))
    time.sleep(300)


def call_and_wait(file: str) -> None:
    """What a test kills while it waits."""
    call(start_another_and_sleep, file)


def fail() -> None:
    raise KeyError("why")


def exhaust() -> None:
    np.empty(1 << 48)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    sys.exit(3)
