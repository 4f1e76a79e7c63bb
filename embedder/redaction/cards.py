"""Payment card numbers in a text: brand, length and check digit (Luhn) are judged by pydantic-extra-types."""

from __future__ import annotations

import re
from collections.abc import Iterator

# 12 to 19 digits in one, or in the groups that cards show; no piece of a longer number, fraction or word.
_CANDIDATE = re.compile(
    r"(?<!\w)(?<!\d[.,-])"
    r"(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{12,19})"
    r"(?!\w|[.,-]\d)",
    re.ASCII,
)


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Spans (start, end) of card numbers of a known brand, from left to right."""
    for match in _CANDIDATE.finditer(text):
        if _is_card(match[0].replace(" ", "").replace("-", "")):
            yield match.span()


def _is_card(digits: str) -> bool:
    from pydantic_core import PydanticCustomError
    from pydantic_extra_types.payment import PaymentCardBrand, PaymentCardNumber

    try:
        return PaymentCardNumber(digits).brand != PaymentCardBrand.other
    except PydanticCustomError:
        return False
