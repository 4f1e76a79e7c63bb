"""All that families' texts are compared with: patterns, and the classes of examples that patterns speak of.

The bundled files are TOML, and a reader's own file is read after them. It may hold ``[[pattern]]``,
``[[elicitation]]``, ``[[payload]]`` and ``[[capability]]`` tables: a pattern of a known name replaces it, a
class of a known name gets more examples, anything else is added. Everything is checked before a log is read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from clustering.coverage.examples import ExampleClass, read_classes
from clustering.coverage.features import CONTRACT
from clustering.coverage.patterns import Pattern, Vocabulary, read_patterns
from clustering.signals import SIGNALS

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Library:
    """Patterns and example classes.

    Attributes
    ----------
    patterns : tuple of Pattern
    elicitations, payloads, capabilities : tuple of ExampleClass
        What a text asks for, what fills its slots, what it asks a model to be able to do.
    """

    patterns: tuple[Pattern, ...]
    elicitations: tuple[ExampleClass, ...]
    payloads: tuple[ExampleClass, ...]
    capabilities: tuple[ExampleClass, ...]

    @property
    def text(self) -> str:
        """All that it holds, as one text: the same for the same content, wherever it lies."""
        return json.dumps(asdict(self))


def read_library(own: str | Path | None = None) -> Library:
    """The bundled library, with a reader's own file.

    Raises
    ------
    ValueError
        The file is none, or uses a word that is in no vocabulary; one line with the place and the remedy.
    """
    added = () if own is None else (Path(own),)
    elicitations, payloads, capabilities = (
        read_classes(key, _FOLDER / bundled, *added)
        for key, bundled in (
            ("elicitation", "elicitations.toml"),
            ("payload", "payloads.toml"),
            ("capability", "capabilities.toml"),
        )
    )
    vocabulary = Vocabulary(
        tuple(SIGNALS),
        (*(each.name for each in elicitations), CONTRACT),
        tuple(each.name for each in payloads),
        tuple(each.name for each in capabilities),
    )
    patterns = read_patterns(vocabulary, _FOLDER / "patterns.toml", *added)
    return Library(patterns, elicitations, payloads, capabilities)
