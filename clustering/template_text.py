"""Template strings taken apart: ``"Rate {slot_1} of {{x}}"`` is text, a slot and text again.

Literal braces of a prompt are doubled in a template. A string that breaks this rule is still shown: a
brace that opens no slot is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\{\{|\}\}|\{(\w+)\}")


@dataclass(frozen=True)
class Part:
    """A stretch of a template: a slot's name, or literal text with its braces undoubled."""

    text: str
    is_slot: bool


def parse_template(template: str) -> tuple[Part, ...]:
    """Text and slots in reading order; neighbouring text is one part."""
    parts: list[Part] = []
    literal: list[str] = []
    end = 0
    for token in _TOKEN.finditer(template):
        literal.append(template[end : token.start()])
        end = token.end()
        if token.group(1) is None:
            literal.append(token.group()[0])
            continue
        if text := "".join(literal):
            parts.append(Part(text, False))
        parts.append(Part(token.group(1), True))
        literal = []
    if text := "".join([*literal, template[end:]]):
        parts.append(Part(text, False))
    return tuple(parts)


def fixes_words(parts: tuple[Part, ...]) -> bool:
    """Whether a template fixes any word or number."""
    return any(char.isalnum() for part in parts if not part.is_slot for char in part.text)


def headline(template: str | None, medoid: str | None) -> tuple[Part, ...]:
    """What names a family in a list: its template, or its medoid where the template fixes no word."""
    parts = parse_template(template or "")
    if fixes_words(parts):
        return parts
    return (Part(medoid or "", False),)


def in_a_line(parts: tuple[Part, ...]) -> str:
    """Parts as plain text, an ellipsis for each slot."""
    return "".join("\u2026" if part.is_slot else part.text for part in parts)
