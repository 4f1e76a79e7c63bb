"""Text of strangers, made safe to look at: nothing in it can move a cursor, hide, or turn the line.

Prompts come from the people under suspicion. Terminal escapes, bidirectional overrides and invisible
characters would let them rewrite what an analyst sees, so every such character is replaced by a symbol
that shows it. Escaping for HTML or for a terminal's markup is not done here: that belongs to whoever
writes the page.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

KEPT_FORMAT = {0xFE0F}  # the emoji presentation selector: common, and alone it carries nothing
INVISIBLE_LETTERS = {
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    0x2800,
    0x3164,
    0xFFA0,
}  # fillers and blanks that count as letters
HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810))


class _Symbols(dict[int, str]):
    """Symbol of each code point, worked out once: ``str.translate`` asks only for what it has not seen."""

    def __missing__(self, code: int) -> str:
        symbol = symbol_of(chr(code)) if is_hidden(chr(code)) else chr(code)
        self[code] = symbol
        return symbol


def is_hidden(character: str) -> bool:
    """Whether a character acts or hides instead of being seen; line feeds and tabs do not count."""
    code = ord(character)
    if character in "\n\t" or code in KEPT_FORMAT:
        return False
    if code in INVISIBLE_LETTERS or any(code in span for span in VARIATION_SELECTORS):
        return True
    return unicodedata.category(character) in HIDDEN_CATEGORIES


def symbol_of(character: str) -> str:
    r"""Its escape: ``\x1b``, ``\u202e`` or ``\U000e0041``. Every font has these characters."""
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_SYMBOLS = _Symbols()
_LINE_END = re.compile(r"[ \t]*\n[ \t\n]*")
_TABS = re.compile(r"[ \t]*\t[ \t]*")


def visible(text: str, *, flat: bool = False) -> str:
    """Replace every hidden character by a symbol; the line end of other systems is a line feed.

    Parameters
    ----------
    flat
        For text that must stay on one line: see `flatten`.

    Returns
    -------
    Text without control, format, surrogate, private or unassigned characters, apart from line feeds and
    tabs. A text that already holds such a symbol keeps it: use `pieces` where the two must be told apart.
    """
    text = flatten(text) if flat else text.replace("\r\n", "\n")
    return text.translate(_SYMBOLS)


def flatten(text: str) -> str:
    """The text on one line: an arrow for a line end, one space for tabs; hidden characters are left."""
    return _TABS.sub(" ", _LINE_END.sub(" \u23ce ", text.replace("\r\n", "\n").strip("\n")))


def pieces(text: str) -> list[tuple[str, bool]]:
    """Split a text into runs ``(text, hidden)``; a hidden run is given as its symbols."""
    text = text.replace("\r\n", "\n")
    if visible(text) == text:
        return [(text, False)] if text else []
    runs = groupby(text, is_hidden)
    return [
        ("".join(map(symbol_of, run)) if hidden else "".join(run), hidden)
        for hidden, run in ((flag, list(group)) for flag, group in runs)
    ]


def shorten(text: str, length: int) -> str:
    """First `length` characters, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "\u2026"
