"""How a command ends: 0 done, 2 the user's mistake, 1 ours, 130 interrupted.

One line on stderr says why; a traceback only where it is asked for. A reader of standard output that has seen
enough (``| head``) is no error.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from scripts.terminal import ReaderGoneError, say

USER, OURS, INTERRUPTED = 2, 1, 130
OUR_PACKAGES = {"embedder", "index", "clustering", "scripts"}
FILE_MISTAKES = (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, IsADirectoryError)
PLACE_MISTAKES = {errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS}

_NEXT = {"run_command": " What is done is kept: the same command goes on after its last whole stage."}

P = ParamSpec("P")
R = TypeVar("R")


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command raises into an exit code and a line; its context says whether to show more."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except ReaderGoneError:
            _print_nowhere()
            raise typer.Exit from None
        except KeyboardInterrupt:
            # Not by `say`, which imports: what an interrupted import has left may not be importable.
            print(f"Interrupted.{_NEXT.get(command.__name__, '')}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            _report(error, debug=bool(getattr(kwargs.get("context"), "obj", False)))  # set by `covey --debug`
            raise typer.Exit(USER if is_user_mistake(error) else OURS) from None

    return wrapper


def is_user_mistake(error: BaseException) -> bool:
    """Whether the user can mend it: a file, a place to write to, or a ValueError that our packages raised.

    A ValueError from inside a dependency says that we called it wrongly.
    """
    if isinstance(error, FILE_MISTAKES) or (isinstance(error, OSError) and error.errno in PLACE_MISTAKES):
        return True
    if not isinstance(error, ValueError):
        return False
    last = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        last = frame
    return last is not None and str(last.f_globals.get("__name__", "")).split(".")[0] in OUR_PACKAGES


def _print_nowhere() -> None:
    """Let what is left of standard output go nowhere, or Python fails once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _report(error: Exception, *, debug: bool) -> None:
    if debug:
        say("".join(traceback.format_exception(error)), flat=False)
    if is_user_mistake(error):
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        name = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        say(f"Error: {name}{text}")
        return
    hint = "" if debug else " `covey --debug \u2026` shows where."
    say(f"Internal error, not your mistake: {type(error).__name__}: {error}.{hint}")
