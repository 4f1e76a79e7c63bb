"""Patterns: planted families of each geometry, the library's errors, and that the code knows no pattern."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from clustering.coverage import (
    FamilyFeatures,
    Shapes,
    Vocabulary,
    match_patterns,
    read_library,
    read_patterns,
)
from clustering.coverage.features import CONTRACT, GEOMETRIES, MEASURES, geometry, presence
from clustering.coverage.patterns import CLEAR, SECTIONS

ROOT = Path(__file__).parent.parent
SIGNALS = (
    "principals",
    "union_efficiency",
    "exchangeability",
    "load_dispersion",
    "hour_flatness",
    "one_clock",
    "slot_evenness",
    "repetition",
    "comembership",
    "devotion",
)
ELICITATIONS = (
    "reasoning trace",
    "rubric grading",
    "pairwise judging",
    "refusal rewriting",
    "task generation",
    "task rewriting",
    "persona",
    "tool trajectory",
    "ordinary",
    "output contract",
)
PAYLOADS = ("person", "task", "value")
CAPABILITIES = (
    "reasoning",
    "mathematics",
    "coding",
    "agents and tools",
    "data analysis",
    "grading",
    "instruction generation",
    "writing",
    "translation",
    "safety-sensitive",
    "domain knowledge",
    "vision and computer use",
    "other",
)
VOCABULARY = Vocabulary(SIGNALS, ELICITATIONS, PAYLOADS, CAPABILITIES)
LIBRARY = read_library().patterns
BUNDLED = ROOT / "clustering" / "coverage" / "patterns.toml"


def features(**sections):
    """One family: per section what is not 0; signals and coverage not named are one half."""
    names = {
        "geometry": GEOMETRIES,
        "signals": SIGNALS,
        "elicitations": ELICITATIONS,
        "payloads": PAYLOADS,
        "capabilities": CAPABILITIES,
        "coverage": MEASURES,
    }
    between = {"signals": 0.5, "coverage": 0.5}
    found = {}
    for section, known in names.items():
        given, rest = sections.get(section, {}), between.get(section, 0.0)
        found[section] = {name: np.array([float(given.get(name, rest))]) for name in known}
    return FamilyFeatures(**found)


def ideal(pattern):
    """A family that is what a pattern expects: of lists the first, all else between."""
    sections = {}
    for section, names in pattern.expected.items():
        kept = list(names)[:1] if section not in ("signals", "coverage") else list(names)
        sections[section] = {name: float(names[name]) for name in kept}
    return features(**sections)


@pytest.mark.parametrize("pattern", LIBRARY, ids=lambda p: p.name)
def test_every_pattern_is_the_best_of_its_ideal(pattern):
    found = match_patterns(ideal(pattern), LIBRARY, flagged=np.array([False]))
    assert found.match[0] == pytest.approx(1)
    assert found.labels(found.best)[0] == pattern.name
    assert 0 <= found.matches[0, found.runner_up[0]] < 1


def test_the_words_of_these_tests_are_the_libraries():
    """Else the tests would try patterns on features that no run measures."""
    library = read_library()
    assert {*ELICITATIONS} - {CONTRACT} == {each.name for each in library.elicitations}
    assert {*PAYLOADS} == {each.name for each in library.payloads}
    assert {*CAPABILITIES} == {each.name for each in library.capabilities}


def test_the_library_has_both_kinds():
    names = {p.name for p in LIBRARY}
    assert len(names) == len(LIBRARY) >= 16
    assert {p.hostile for p in LIBRARY} == {True, False}


def test_the_match_is_the_weighted_mean_of_the_sections(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[pattern]]\nname = "mine"\nsummary = "x"\nhostile = true\ngeometry = ["T2", "T4"]\n'
        'payloads = ["person"]\ncapabilities = ["coding", "grading"]\n'
        'signals = { devotion = "present", one_clock = "absent" }\n'
        'coverage = { depth = "low" }\nweights = { signals = 3 }\n'
    )
    library = read_patterns(VOCABULARY, BUNDLED, own)
    family = features(
        geometry={"T2": 0.4, "T4": 0.5},
        payloads={"person": 0.5, "task": 0.5},
        capabilities={"coding": 0.3, "grading": 0.4},
        signals={"devotion": 0.8, "one_clock": 0.4},
        coverage={"depth": 0.9},
    )
    found = match_patterns(family, library, flagged=np.array([False]))
    asked = (0.7 - 2 / 13) / (1 - 2 / 13)  # above what a text that says nothing has of two of 13 classes
    filled = (0.5 - 1 / 3) / (1 - 1 / 3)
    assert found.matches[0, -1] == pytest.approx((0.9 + filled + asked + 3 * (0.8 + 0.6) / 2 + 0.1) / 7)


def test_a_text_that_says_nothing_asks_for_nothing(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[pattern]]\nname = "mine"\nsummary = "x"\nhostile = true\ncapabilities = ["coding", "grading"]\n'
        'elicitations = ["persona", "task generation"]\n'
    )
    even = features(
        elicitations=dict.fromkeys(ELICITATIONS, 1 / len(ELICITATIONS)),
        capabilities=dict.fromkeys(CAPABILITIES, 1 / len(CAPABILITIES)),
    )
    found = match_patterns(even, read_patterns(VOCABULARY, BUNDLED, own), flagged=np.array([False]))
    assert found.matches[0, -1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("pattern", [p for p in LIBRARY if not p.hostile], ids=lambda p: p.name)
def test_no_ordinary_use_describes_a_flagged_family(pattern):
    """What is most like ordinary use has a hostile pattern, or none clearly, once one hand is behind it."""
    family = ideal(pattern)
    seen = match_patterns(family, LIBRARY, flagged=np.array([True]))
    assert seen.hostile[seen.best[0]]
    assert seen.hostile[seen.runner_up[0]]
    assert seen.clear[0] in (-1, seen.best[0])
    ordinary = tuple(p for p in LIBRARY if not p.hostile)
    nothing = match_patterns(family, ordinary, flagged=np.array([True]))
    assert nothing.best[0] == nothing.clear[0] == -1


def test_a_pattern_is_clear_only_some_way_above_the_runner_up(tmp_path):
    own = tmp_path / "own.toml"
    first = '[[pattern]]\nname = "one"\nsummary = "x"\nhostile = true\ngeometry = ["T1"]\n'
    own.write_text(
        first + 'coverage = { depth = "high" }\n'
        '[[pattern]]\nname = "two"\nsummary = "x"\nhostile = true\ngeometry = ["T2"]\n'
        'coverage = { depth = "high" }\n'
    )
    library = read_patterns(VOCABULARY, BUNDLED, own)[-2:]
    for more, clear in ((2 * CLEAR + 0.01, True), (2 * CLEAR - 0.01, False)):
        family = features(geometry={"T1": 0.3 + more, "T2": 0.3})
        found = match_patterns(family, library, flagged=np.array([True]))
        assert found.best[0] == 0
        assert (found.clear[0] == 0) == clear
    alone = match_patterns(features(geometry={"T1": 1}), library[:1], flagged=np.array([True]))
    assert alone.runner_up[0] == -1
    assert alone.clear[0] == 0


def test_what_was_not_measured_is_left_out(tmp_path):
    pattern = next(p for p in LIBRARY if len(p.expected.get("signals", {})) > 3)
    whole = ideal(pattern)
    first = next(iter(pattern.expected["signals"]))
    part = FamilyFeatures(
        whole.geometry,
        whole.signals | {first: np.array([np.nan])},
        whole.elicitations,
        whole.payloads,
        whole.capabilities,
        whole.coverage,
    )
    at = [p.name for p in LIBRARY].index(pattern.name)
    flagged = np.array([False])
    assert match_patterns(part, LIBRARY, flagged=flagged).matches[0, at] == pytest.approx(1)
    unknown = {name: np.array([np.nan]) for name in GEOMETRIES}
    nothing = match_patterns(FamilyFeatures(unknown, {}, {}, {}, {}, {}), LIBRARY, flagged=flagged)
    assert nothing.best[0] == -1
    assert nothing.labels(nothing.best) == [None]
    assert np.isnan(nothing.match[0])
    assert nothing.clear[0] == -1


def test_presence_follows_p():
    p = np.array([1.0, 0.1, 0.01, 1e-9, 0.0, np.nan])
    assert presence(p)[:5] == pytest.approx([0, 0.5, 1, 1, 1])
    assert np.isnan(presence(p)[5])


def of_family(prompts, slots, n_bytes, *, templated=True, n_akin=0):
    shapes = Shapes(
        [np.array(prompts)],
        [[np.array(s) for s in slots]],
        np.array([float(n_bytes)]),
        np.array([templated]),
        np.array([n_akin]),
    )
    found = {name: float(values[0]) for name, values in geometry(shapes).items()}
    return max(found, key=lambda name: found[name]), found


def test_geometries_of_planted_families():
    assert of_family([300], [], np.nan)[0] == "T1"
    assert of_family([1] * 200, [[1] * 200], 2_000)[0] == "T2"
    assert of_family([1] * 200, [[10] * 20, [20] * 10], 15)[0] == "T3"
    assert of_family([1] * 200, [[1] * 200], 30)[0] == "T4"
    assert of_family([1] * 90, [[1] * 90], 300, n_akin=9)[0] == "T5"
    assert of_family([1] * 90, [], 300, templated=False)[0] == "T6"
    assert of_family([5] * 40, [[200]], 10)[1]["T3"] == 0, "one value is no axis"
    assert of_family([1] * 200, [[10] * 20, [1] * 200], 15)[1]["T3"] == 0, "a free slot is no grid"
    assert of_family([2] * 200, [[1] * 200], 2_000)[0] == "T2", "sampled twice is not resampled"
    assert of_family([30] * 25, [[1] * 25], 200)[0] == "T1"
    once = of_family([300], [], np.nan, templated=False)[1]
    assert once["T1"] > once["T6"], "one prompt has a common text"


def test_groups_and_logs_without_families():
    none = Shapes([], [], np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64))
    assert {len(v) for v in geometry(none).values()} == {0}
    empty = FamilyFeatures(geometry(none), {}, {}, {}, {}, {})
    assert match_patterns(empty, LIBRARY, flagged=np.zeros(0, bool)).match.shape == (0,)


GOOD = 'name = "x"\nsummary = "y"\nhostile = false\ngeometry = ["T1"]\ncoverage = { depth = "low" }\n'


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (GOOD.replace('["T1"]', '["T9"]'), "unknown T9 in geometry; known are T1"),
        (GOOD.replace('["T1"]', '"T1"'), "list of names"),
        (GOOD.replace("false", '"no"'), "true or false"),
        (GOOD.replace('summary = "y"\n', ""), "say it in a sentence"),
        (GOOD.replace('coverage = { depth = "low" }\n', ""), "at least two"),
        (GOOD.replace('"low"', '"absent"'), "'high' or 'low'"),
        (GOOD + 'signals = { devotoin = "present" }\n', "unknown devotoin in signals"),
        (GOOD + 'signals = { devotion = "yes" }\n', "'present' or 'absent'"),
        (GOOD + 'elicitations = ["poems"]\n', "unknown poems"),
        (GOOD + 'capabilities = ["juggling"]\n', "unknown juggling"),
        (GOOD + "weights = { geometry = -1 }\n", "positive numbers"),
        (GOOD + "weights = { signals = 1 }\n", "sections that it states"),
        (GOOD + "threshold = 3\n", "unknown threshold"),
    ],
)
def test_errors_name_the_file_the_pattern_and_the_remedy(tmp_path, text, match):
    own = tmp_path / "own.toml"
    own.write_text("[[pattern]]\n" + text)
    with pytest.raises(ValueError, match=match) as error:
        read_patterns(VOCABULARY, BUNDLED, own)
    assert "own.toml" in str(error.value)
    assert "'x'" in str(error.value)


def test_a_reader_replaces_a_pattern(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text("[[pattern]]\n" + GOOD.replace('"x"', f'"{LIBRARY[0].name}"'))
    library = read_patterns(VOCABULARY, BUNDLED, own)
    assert len(library) == len(LIBRARY)
    assert library[0].summary == "y"


def test_nothing_in_the_code_names_a_pattern():
    """No string of the package is a pattern's name, and no identifier; prose may say the word."""
    vocabulary = {*SIGNALS, *ELICITATIONS, *PAYLOADS, *CAPABILITIES, *GEOMETRIES, *MEASURES, *SECTIONS}
    names = {p.name for p in LIBRARY} - vocabulary
    assert len(names) > 12
    named = {name.replace(" ", "_") for name in names if " " in name}
    sources = sorted((ROOT / "clustering" / "coverage").glob("*.py"))
    assert len(sources) > 7
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in names, f"{path.name} line {node.lineno}"
            if isinstance(node, ast.Name):
                assert node.id.lower() not in named, f"{path.name} line {node.lineno}"
