"""The order of a bench: which sections there are, what each needs counted, and how its tables come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .ablation import ablation_sections, column_sections
from .counting import Count, Counted, OnWorld, count_pieces, count_worlds
from .discoveries import discovery_sections, log_section
from .drift import count_drift, drift_section
from .finders import count_finders, finder_section
from .halves import count_halves, half_sections
from .leave_out import leave_out_sections
from .lookalikes import lookalike_sections
from .patterns import pattern_sections
from .place import take_place
from .rivals import count_family_pairs, ranking_section
from .section import Section, markdown
from .shares import share_sections
from .worlds import BenchSettings, worlds_of

COUNTS: Mapping[str, Count] = {
    "pieces": count_pieces,
    "pairs": count_family_pairs,
    "drift": count_drift,
    "finders": count_finders,
    "halves": count_halves,
}
REPORT = "quality.md"
_WORLDS, _ABOUT = "worlds", "bench.json"


@dataclass(frozen=True)
class _Recipe:
    """What a section needs counted, as pairs of a kind of worlds and a count, and its tables."""

    needs: tuple[tuple[str, str], ...]
    tables: Callable[[Sequence[Counted]], list[Section]]


def _baselines(worlds: Sequence[Counted]) -> list[Section]:
    return [ranking_section(worlds), drift_section(worlds), finder_section(worlds)]


_SECTIONS: Mapping[str, _Recipe] = {
    "lookalikes": _Recipe(
        (("campaigns", "pieces"), ("quiet", "pieces"), ("alone", "pieces")), lookalike_sections
    ),
    "fdr": _Recipe((("campaigns", "pieces"),), discovery_sections),
    "signals": _Recipe((("campaigns", "pieces"), ("quiet", "pieces")), ablation_sections),
    "columns": _Recipe((("campaigns*", "pieces"), ("without", "pieces")), column_sections),
    "leave-out": _Recipe((("campaigns", "pieces"), ("quiet", "pieces")), leave_out_sections),
    "patterns": _Recipe((("campaigns", "pieces"), ("quiet", "pieces")), pattern_sections),
    "shares": _Recipe((("share", "pieces"),), share_sections),
    "baselines": _Recipe(
        (
            *(("campaigns*", count) for count in ("pieces", "pairs", "drift", "finders")),
            *(("share", count) for count in ("pieces", "drift")),
        ),
        _baselines,
    ),
    "halves": _Recipe((("campaigns*", "halves"),), half_sections),
}
SECTIONS = tuple(_SECTIONS)
_LOGS = _Recipe((("log", "pieces"),), lambda worlds: [log_section(worlds)])


def measure_quality(
    out: Path,
    settings: BenchSettings | None = None,
    *,
    force: bool = False,
    on_world: OnWorld | None = None,
) -> list[Section]:
    """Make the worlds that are missing, derive the sections, and write them as ``quality.md``.

    Parameters
    ----------
    out : folder of the bench; made when it is not there.
    settings
    force : count every world again.
    on_world : told the number of worlds that are done, of all, and which is next (None at the end).

    Returns
    -------
    The sections in the order of ``SECTIONS``, logs from elsewhere last. The same settings and versions give
    the same tables, but for seconds.

    Raises
    ------
    ValueError
        A section is not known; or `out` holds worlds of another version of Covey, and not `force`.
    """
    settings = settings or BenchSettings()
    names = settings.sections or SECTIONS
    if unknown := [name for name in names if name not in _SECTIONS]:
        raise ValueError(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    recipes = [_SECTIONS[name] for name in SECTIONS if name in names]
    recipes += [_LOGS] if settings.logs else []
    worlds = worlds_of(settings, [need for recipe in recipes for need in recipe.needs])
    folder = take_place(out, _WORLDS, settings, about=_ABOUT, kept=("*.parquet",), force=force)
    counted = count_worlds(worlds, folder, COUNTS, threads=settings.threads, on_world=on_world)
    sections = [section for recipe in recipes for section in recipe.tables(counted)]
    (out / REPORT).write_text(markdown(sections), encoding="utf-8")
    return sections
