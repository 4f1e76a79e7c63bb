"""Identifiers hashed with a key: the same in every run with the key, and nobody without it can go back.

A hash without a key would not do: identifiers are few enough to try them all. BLAKE2b takes the key, and a
name that keeps accounts, organisations and sessions apart, as parameters (RFC 7693).
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import polars as pl

_DOMAINS = {"account_id": b"covey account", "org_id": b"covey org", "session_id": b"covey session"}
_LEAST, _MOST = 16, blake2b.MAX_KEY_SIZE  # bytes
_REMEDY = 'make one: python3 -c "import secrets; print(secrets.token_hex(32))" > FILE'


def load_account_key(path: str | Path) -> bytes:
    """Read a key of at least 16 bytes; line ends after it do not count, a longer one than 64 bytes is hashed.

    Raises
    ------
    ValueError
        The file cannot be read or holds less.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"account key {path}: is no file; {_REMEDY}")
    try:
        key = Path(path).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ValueError(f"account key {path}: cannot be read ({error.strerror}); {_REMEDY}") from None
    if len(key) < _LEAST:
        raise ValueError(f"account key {path}: {len(key)} bytes, a key has at least {_LEAST}; {_REMEDY}")
    return blake2b(key).digest() if len(key) > _MOST else key


def with_keyed_ids(requests: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """The same rows with ``account_id``, ``org_id`` and ``session_id`` (nulls stay) as 32 hex digits."""
    return requests.with_columns(_keyed(requests[name], key, person) for name, person in _DOMAINS.items())


def _keyed(ids: pl.Series, key: bytes, person: bytes) -> pl.Series:
    plain = ids.drop_nulls().unique()
    hashed = [
        blake2b(text.encode(), digest_size=16, key=key, person=person).hexdigest() for text in plain.to_list()
    ]
    return ids.replace_strict(plain, pl.Series(hashed, dtype=pl.String), return_dtype=pl.String, default=None)
