"""Every aspect has a sentence, and every reason of a family is shown once."""

from __future__ import annotations

import pytest

from clustering.families import VIEW_NAMES
from clustering.report.aspects import aspect_figures, other_reasons
from clustering.report.descriptions import FOUND_BY, coverage_sentence, pattern_sentence, sizes
from clustering.signals import SIGNALS
from clustering.signals.catalogue import aspects
from clustering.tables import FAMILIES


def row(**known: object) -> dict[str, object]:
    return dict.fromkeys(FAMILIES.names()) | known


def sentence(name: str, **known: object) -> str:
    return {figure.name: figure.sentence for figure in aspect_figures(row(**known))}[name]


def test_every_aspect_says_what_the_log_lacks() -> None:
    figures = aspect_figures(row())
    assert [figure.name for figure in figures] == list(aspects())
    assert {figure.leaning for figure in figures} == {"unmeasured"}
    said = [figure.sentence for figure in figures]
    assert all(text.startswith("Not measured: ") for text in said)
    assert len(set(said)) == len(said), "an aspect of the catalogue has no words of its own"


def test_strongest_signal_speaks_for_one_hand() -> None:
    known = {"aspect_loads": 2.5, "load_dispersion": 0.9, "load_dispersion_p": 1e-3}
    known |= {"rotation": 0.5, "rotation_p": 1e-5}
    assert sentence("loads", **known) == SIGNALS["rotation"].telling.format(effect=0.5)


def test_plainest_signal_speaks_for_people() -> None:
    known = {"aspect_loads": -1.0, "load_dispersion": 9.0, "load_dispersion_p": 0.99}
    known |= {"rotation": 1.5, "rotation_p": 1.0}  # has no sentence for people
    assert sentence("loads", **known) == SIGNALS["load_dispersion"].benign.format(effect=9.0)


@pytest.mark.parametrize(
    ("deviate", "start"), [(0.8, "Undecided: co-mem"), (-0.5, "No sign of one hand: co-mem")]
)
def test_between_the_two_the_figure_is_given(deviate: float, start: str) -> None:
    said = sentence("company", aspect_company=deviate, comembership=0.25, comembership_p=0.3)
    assert said.startswith(start)
    assert "0.25" in said


def test_reasons_are_shown_once() -> None:
    shown = SIGNALS["exchangeability"].telling.format(effect=-0.001)
    assert "-0" not in shown
    known = row(aspect_subjects=3.0, exchangeability=-0.001, exchangeability_p=1e-9)
    known["reasons"] = [shown, "A pool."]
    figures = aspect_figures(known)
    assert shown in [figure.sentence for figure in figures]
    assert other_reasons(known, figures) == ("A pool.",)


def test_coverage() -> None:
    counts = {"n_requests": 9, "n_prompts": 8}
    sampled = row(coverage_depth=0.4, coverage_full_size=12_345.0, coverage_efficiency=0.9, **counts)
    assert coverage_sentence(sampled) == (
        "About 40% of an estimated 12\u202f000 prompts, and 90% of its later requests brought a new one."
    )
    assert coverage_sentence(sampled | {"coverage_depth": 1.0}).startswith("Nearly all of")
    assert coverage_sentence(sampled | {"coverage_depth": 1e-5}).startswith("Less than 1% of")
    unknown = row(coverage_breadth=1.2, n_requests=9, n_prompts=9)
    assert coverage_sentence(unknown) == (
        "No prompt came twice, so the size of the whole cannot be estimated; "
        "reaches into 1 area of ordinary use."
    )
    assert coverage_sentence(row(n_requests=9, n_prompts=1)) == "One prompt."
    assert coverage_sentence(row(**counts)) is None


def test_pattern_and_sizes() -> None:
    known = row(pattern="relay", pattern_hostile=True, pattern_match=0.876, pattern_summary="Others' talk.")
    said = "relay, a pattern of extraction (match 0.88 of 1): others' talk."
    assert pattern_sentence(known | {"flagged": True}) == said
    assert pattern_sentence(known | {"flagged": False}) == f"most like {said}"
    own = known | {"pattern": "one of my own", "pattern_hostile": False, "pattern_summary": None}
    said = "most like one of my own, a pattern of ordinary use (match 0.88 of 1)."
    assert pattern_sentence(own | {"flagged": False}) == said


@pytest.mark.parametrize(
    ("flagged", "kinds"), [(True, "extraction"), (False, "extraction or of ordinary use")]
)
def test_a_pattern_that_is_none_clearly_says_among_which(flagged: bool, kinds: str) -> None:
    said = pattern_sentence(row(flagged=flagged))
    assert said.startswith(f"none clearly: several patterns of {kinds} are")


def test_sizes() -> None:
    counts = {"n_requests": 9, "n_prompts": 9, "n_accounts": 4, "n_principals": 3}
    assert (
        sizes(row(**counts)) == "9 requests, all different, 4 accounts (3 where an organisation's count once)"
    )


def test_every_view_has_words() -> None:
    assert set(VIEW_NAMES) <= FOUND_BY.keys()
