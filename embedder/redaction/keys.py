"""Keys, tokens and passwords in a text, by the patterns and the measure of entropy of detect-secrets.

Convention
----------
- The library's patterns tell the formats of cloud providers and services, JSON web tokens and passwords in
  web addresses; the whole token around a match counts. Its checks that ask a service about a key are never
  called.
- A token of another format counts when it is long, has small and capital letters, digits and an unbroken run
  of them, and its entropy is over the library's limit. Hashes in hexadecimal digits are below it.
- Blocks of private keys count from the first line to the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin
    from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString

# Web addresses are no secrets; one pattern takes words in capitals for keys, two take time quadratic in a
# hostile line (the entropy finds what they are for), and one knows only the first line of a block.
_LEFT_OUT = ("ArtifactoryDetector", "IPPublicDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector")
# The library looks at lines; a piece bounds what a hostile line costs.
_PIECE = re.compile(r"[^\n]{1,4096}(?=[\s,;\"'<>]|$)|[^\n]{1,4096}")
_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_BLOCK = re.compile(
    rf"{_BEGIN}(?:(?!-----)[\s\S])*-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----"
    rf"|{_BEGIN}(?:(?:\s|\\n|\\r)*[A-Za-z0-9+/=]{{20,}})+"
    r"|PuTTY-User-Key-File-\d:(?:(?!PuTTY-User)[\s\S])*?Private-MAC: *[0-9a-f]+"
)
_PART = "[A-Za-z0-9_~%+/=.-]"
_BEARER = re.compile(rf"\bBearer\s+({_PART}{{20,}})", re.IGNORECASE)
_LONE = re.compile(r"(?<![A-Za-z0-9_+/=-])(?<!\w\.)[A-Za-z0-9_-]{24,256}(?![A-Za-z0-9_+/=-]|\.\w)")
_QUOTED = re.compile(r"([\"'`])([A-Za-z0-9_+/=-]{24,256})\1")
_DIGIT = re.compile("[0-9]")
_RUN = re.compile(r"[A-Za-z0-9]{16}")
_MIXED = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9].*[0-9]")))
_PART_AT, _OUTSIDE = re.compile(_PART), re.compile(_PART.replace("[", "[^"))
# Every pattern needs a long token or a password before a host; most lines have neither.
_WORTH = re.compile(rf"{_PART}{{20}}|://[^\s/]+:[^\s/]+@")


def find_keys(text: str) -> Iterator[tuple[int, int]]:
    """Spans (start, end) of secrets, in no particular order; they may overlap."""
    for match in _BLOCK.finditer(text):
        yield match.span()
    for piece in _PIECE.finditer(text):
        if _WORTH.search(piece[0]):
            for start, end in _in_piece(piece[0]):
                yield piece.start() + start, piece.start() + end


def _in_piece(piece: str) -> Iterator[tuple[int, int]]:
    for pattern in _patterns():
        for match in pattern.finditer(piece):
            yield _whole_token(piece, *match.span())
    for match in _BEARER.finditer(piece):
        if _DIGIT.search(match[1]):  # it says itself what it is; words with hyphens are none
            yield match.span(1)
    for pattern, group in ((_LONE, 0), (_QUOTED, 2)):
        for match in pattern.finditer(piece):
            if _is_random(match[group]):
                yield match.span(group)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    kinds: Mapping[str, type[BasePlugin]] = get_mapping_from_secret_type_to_class()
    detectors = [kind() for _, kind in sorted(kinds.items()) if kind.__name__ not in _LEFT_OUT]
    return tuple(
        pattern
        for detector in detectors
        if isinstance(detector, RegexBasedDetector)
        for pattern in detector.denylist
    )


def _whole_token(text: str, start: int, end: int) -> tuple[int, int]:
    """A match and what goes on at both of its ends without a gap."""
    if _PART_AT.match(text, start):
        start -= _length(text[:start][::-1])
    if _PART_AT.match(text, end - 1):
        end += len(text[end : end + _length(text[end:])].rstrip("."))  # a full stop is the sentence's
    return start, end


def _length(text: str) -> int:
    """How far a token goes on at the beginning of a text."""
    rest = _OUTSIDE.search(text)
    return rest.start() if rest else len(text)


@cache
def _entropy() -> Base64HighEntropyString:
    from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString

    return Base64HighEntropyString()


def _is_random(token: str) -> bool:
    from detect_secrets.filters.heuristic import is_sequential_string

    if not (_RUN.search(token) and all(kind.search(token) for kind in _MIXED)):
        return False
    measure = _entropy()
    return measure.calculate_shannon_entropy(token) > measure.entropy_limit and not is_sequential_string(
        token
    )
