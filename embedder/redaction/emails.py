"""E-mail addresses in a text: what stands around an "@" is a candidate, email-validator is the judge."""

from __future__ import annotations

import re
from collections.abc import Iterator

# The characters of RFC 5322's dot-atom and other scripts' letters, without those that join an address to
# other things in a web address or in code. The look-behind lets each run of them be tried once.
_UNSPACED = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"  # scripts whose text goes on without a blank
_LOCAL = r"[^\s@<>()\[\]{},;:\"'`|\\=*&?/#$^!~\u2018-\u201f" + _UNSPACED + "]"
_CANDIDATE = re.compile(
    rf"(?<!{_LOCAL})({_LOCAL}+)(?:@|%40)(?!\dx\.)((?:[.-]|(?![{_UNSPACED}])\w)*(?![{_UNSPACED}])\w)"
)  # no picture@2x.png
_TOP_LEVEL = re.compile(r"\.(?:[^\W\d_]{2,}|xn--[a-z0-9-]+)$", re.IGNORECASE)

_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255  # RFC 5321, 4.5.3.1; checked here, so that nothing long is parsed


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Spans (start, end) of addresses whose domain has a top level of letters, from left to right."""
    for match in _CANDIDATE.finditer(text):
        local = match[1].lstrip(".%+-")
        fits = len(local) <= _LONGEST_LOCAL and len(match[2]) <= _LONGEST_DOMAIN
        if fits and _TOP_LEVEL.search(match[2]) and _is_address(f"{local}@{match[2]}"):
            yield match.end(1) - len(local), match.end()


def _is_address(address: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    try:
        # A name that only a company's own network knows is an address, too. Nothing is looked up.
        validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return False
    return True
