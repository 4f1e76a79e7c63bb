"""Telephone numbers in a text, judged by phonenumbers (a port of Google's libphonenumber).

Convention
----------
- With "+" and a country code, a number counts when it is valid in that country.
- Without, it counts when it is valid in one of ``REGIONS``, and either stands after a word like "phone" or is
  grouped in three or more as people there write it: digits in a row, or in two groups, are as often an
  identifier or a sum.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MOST_DIGITS = 13  # of a number without a country code
REGIONS = ("US", "GB", "DE", "FR", "IN", "CN", "BR", "JP")
_GAP = r"[ .\u00a0\u2010-\u2015\u2212()/-]{0,3}"
_NUMBER = rf"\d(?:{_GAP}\d){{6,29}}"
_WORTH = re.compile(_NUMBER)
_INTERNATIONAL = re.compile(rf"\+{_NUMBER}")
# What joins digits to a longer thing counts at both ends alike, and no blank does: else taking out one number
# would free its neighbour.
_GLUE = r"[ .\u00a0\u2010-\u2013-]"
_GROUPED = re.compile(
    r"(?<![\w+$\u20ac\u00a3])(?<!\d[.,:/%-])"
    rf"(?:\(\d{{2,5}}\){_GLUE}?\d{{2,5}}({_GLUE})\d{{2,5}}(?:\1\d{{2,5}}){{0,3}}"
    rf"|\d{{2,5}}({_GLUE})\d{{2,5}}(?:\2\d{{2,5}}){{1,4}})"
    r"(?!\w|[.,:/%-]\d)",
    re.ASCII,
)
_TOLD = re.compile(
    r"(?:\b(?:phone|tel|telephone|mobile|cell|call|sms|whatsapp|fax|telefon|handy|t\u00e9l|t\u00e9l\u00e9phone|"
    r"telefone|tel\u00e9fono|celular)\b|\u7535\u8bdd|\u624b\u673a|\u96fb\u8a71)"
    rf"[^\d\n<+($\u20ac\u00a3]{{0,16}}(\(?{_NUMBER})",
    re.IGNORECASE,
)


def find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Spans (start, end) of telephone numbers, in no particular order; they may overlap."""
    if not _WORTH.search(text):
        return
    for match in _INTERNATIONAL.finditer(text):
        yield from _valid(match[0], match.start(), (None,))
    for match in _TOLD.finditer(text):
        yield from _valid(match[1], match.start(1), REGIONS)
    for match in _GROUPED.finditer(text):
        n_digits = sum(map(str.isdecimal, match[0]))
        if n_digits <= _MOST_DIGITS and any(_is_grouped(match[0], region) for region in REGIONS):
            yield match.span()


def _valid(digits: str, at: int, regions: tuple[str | None, ...]) -> Iterator[tuple[int, int]]:
    """The span of the number that `digits`, which begin at `at`, begin with."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region in regions:
        for match in PhoneNumberMatcher(digits, region, leniency=Leniency.VALID):
            if match.start == 0:
                yield at, at + match.end
                return


def _is_grouped(number: str, region: str) -> bool:
    from phonenumbers import Leniency, NumberParseException, PhoneNumberMatcher, is_valid_number, parse

    try:
        if not is_valid_number(parse(number, region)):  # the quick question first: tables are full of numbers
            return False
    except NumberParseException:
        return False
    found = PhoneNumberMatcher(number, region, leniency=Leniency.EXACT_GROUPING)
    return any(match.end - match.start == len(number) for match in found)
