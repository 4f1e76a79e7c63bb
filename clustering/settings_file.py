"""Settings of a run from a TOML file: what can be said of each is in ``clustering.run_settings``.

The keys are the names of ``RunSettings``, ``columns`` is a table of names and paths, and times are TOML's own
or ISO 8601 in quotes. Paths count from the file's folder. ``force`` is about one call and stands in none::

    min_family = 30
    since = 2026-04-01T00:00:00Z
    registry = "known.toml"

    [columns]
    prompt = "body.text"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from clustering.run_settings import RunSettings

_POWERS = {"M": 20, "G": 30, "T": 40}  # of two
NAMES = tuple(field.name for field in fields(RunSettings) if field.name != "force")


def parse_time(said: str, *, name: str) -> datetime:
    """A time of ISO 8601, in UTC; without a zone it is UTC, and a day begins at midnight.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        time = datetime.fromisoformat(said)
        return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in UTC it is before the first year, or after the last
        raise ValueError(
            f"{name}: {said!r} is no time; write it as 2026-04-01 or 2026-04-01T12:00:00Z"
        ) from None


def parse_bytes(said: str, *, name: str) -> int:
    """A number of bytes, as 16G or 512M: thousands of 1,024.

    Raises
    ------
    ValueError
        It is none.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?) ?([MGT])(?:i?B)?", said.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{name}: {said!r} is no size; write it as 16G or 512M")
    return int(float(found[1]) * (1 << _POWERS[found[2].upper()]))


def parse_text(name: str, said: str) -> datetime | int:
    """A setting that a command line gives as text."""
    return (parse_bytes if name == "memory" else parse_time)(said, name=f"--{name}")


def read_settings(file: str | Path) -> dict[str, Any]:
    """What a file says of a run, by the names of ``RunSettings``.

    Raises
    ------
    ValueError
        The file is not there or no TOML, a name is no setting, or a value is of another kind.
    """
    path = Path(file)
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path}: is no file; give a TOML file")
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors put a mark before it
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML ({error})") from None
    except RecursionError:
        raise ValueError(f"{path}: no settings, nested too deep to be read") from None
    for name in said:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            meant = f"did you mean {near[0]}?" if near else f"choose from {', '.join(NAMES)}"
            raise ValueError(f"{path}: there is no setting {name!r}; {meant}")
    return {name: _read(path, name, value) for name, value in said.items()}


def _read(path: Path, name: str, value: Any) -> Any:
    kind, read = _KINDS[name]
    try:
        return read(path, name, value)
    except TypeError:
        raise ValueError(f"{path}: {name} = {value!r} is not {kind}") from None


def _whole(_path: Path, _name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _number(_path: Path, _name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _flag(_path: Path, _name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(_path: Path, _name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _file(path: Path, name: str, value: Any) -> str:
    return str(path.parent / _text(path, name, value))


def _time(path: Path, name: str, value: Any) -> datetime:
    if isinstance(value, date):  # a day, or a day and a time
        value = value.isoformat()
    return parse_time(_text(path, name, value), name=f"{path}: {name}")


def _bytes(path: Path, name: str, value: Any) -> int:
    return parse_bytes(_text(path, name, value), name=f"{path}: {name}")


def _columns(_path: Path, _name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(where, str) for where in value.values()):
        raise TypeError
    return tuple(value.items())


_KINDS: dict[str, tuple[str, Callable[[Path, str, Any], Any]]] = {
    "encoder": ("a text in quotes", _text),
    "min_family": ("a whole number", _whole),
    "seed": ("a whole number", _whole),
    "threads": ("a whole number", _whole),
    "memory": ("a size in quotes", _bytes),
    "since": ("a time", _time),
    "until": ("a time", _time),
    "columns": ("a table of texts", _columns),
    "registry": ("a path in quotes", _file),
    "patterns": ("a path in quotes", _file),
    "redact": ("true or false", _flag),
    "max_rejected_share": ("a number", _number),
    "account_key": ("a path in quotes", _file),
}
