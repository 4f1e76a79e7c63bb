"""Word alignments between texts: what two have in common in order, and what each has alone.

Longest common subsequences of words by rapidfuzz (bit-parallel; Hyyro 2004). Words are compared without case,
numbers as equal.
"""

from __future__ import annotations

from rapidfuzz.distance import LCSseq

from embedder import SHINGLE_WORDS, words_of

MOST_WORDS = 4_000  # longer texts are compared by their first words


def leading_words(text: str) -> list[int]:
    """Hashes of the words of a text that are compared."""
    return words_of(text)[0][:MOST_WORDS]


def common_blocks(a: list[int], b: list[int]) -> list[tuple[int, int, int]]:
    """Maximal blocks (start in a, start in b, length) of a longest common subsequence, in order."""
    return [
        (o.src_start, o.dest_start, o.src_end - o.src_start) for o in LCSseq.opcodes(a, b) if o.tag == "equal"
    ]


def longest_exclusive(a: list[int], b: list[int]) -> tuple[int, int]:
    """Words in the longest run of a, and of b, that the common subsequence leaves out."""
    longest_a, longest_b, end_a, end_b = 0, 0, 0, 0
    for start_a, start_b, length in [*common_blocks(a, b), (len(a), len(b), 0)]:
        longest_a, longest_b = max(longest_a, start_a - end_a), max(longest_b, start_b - end_b)
        end_a, end_b = start_a + length, start_b + length
    return longest_a, longest_b


def same_but_fillers(a: str, b: str, *, ordinary: int) -> bool:
    """Whether two texts are one template's, with other fillers.

    They agree in more than half of their words; one holds nothing as long as a shingle that the other lacks,
    and what the other adds is no longer than ordinary language explains.

    Parameters
    ----------
    a, b : str
    ordinary : int, words
        Length from which a span is no ordinary phrase.
    """
    # Sorted, because among equally long alignments the order of the two decides.
    words_a, words_b = sorted((leading_words(a), leading_words(b)))
    longer = max(len(words_a), len(words_b))
    if longer == 0 or 2 * LCSseq.similarity(words_a, words_b) <= longer:
        return False
    less, more = sorted(longest_exclusive(words_a, words_b))
    return less < SHINGLE_WORDS and more < ordinary
