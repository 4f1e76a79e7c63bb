"""Patterns: planted families of each geometry, the library's errors, and that the code knows no pattern."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from clustering.coverage import FamilyFeatures, Shapes, Vocabulary, match_patterns, read_patterns
from clustering.coverage.features import GEOMETRIES, MEASURES, geometry, presence
from clustering.coverage.patterns import SECTIONS

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
    "output contract",
)
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
VOCABULARY = Vocabulary(SIGNALS, ELICITATIONS, CAPABILITIES)
LIBRARY = read_patterns(VOCABULARY)


def features(**sections):
    """One family: per section what is not 0; signals and coverage not named are one half."""
    names = {
        "geometry": GEOMETRIES,
        "signals": SIGNALS,
        "elicitations": ELICITATIONS,
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
        kept = list(names)[:1] if section in ("geometry", "elicitations", "capabilities") else list(names)
        sections[section] = {name: float(names[name]) for name in kept}
    return features(**sections)


@pytest.mark.parametrize("pattern", LIBRARY, ids=lambda p: p.name)
def test_every_pattern_is_the_best_of_its_ideal(pattern):
    found = match_patterns(ideal(pattern), LIBRARY)
    assert found.match[0] == pytest.approx(1)
    assert found.labels(found.best)[0] == pattern.name
    assert 0 <= found.matches[0, found.runner_up[0]] < 1


def test_the_library_has_both_kinds():
    names = {p.name for p in LIBRARY}
    assert len(names) == len(LIBRARY) >= 20
    assert {p.hostile for p in LIBRARY} == {True, False}


def test_the_match_is_the_weighted_mean_of_the_sections(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[pattern]]\nname = "mine"\nsummary = "x"\nhostile = true\ngeometry = ["T2", "T4"]\n'
        'capabilities = ["coding", "grading"]\nsignals = { devotion = "present", one_clock = "absent" }\n'
        'coverage = { depth = "low" }\nweights = { signals = 3 }\n'
    )
    library = read_patterns(VOCABULARY, own)
    family = features(
        geometry={"T2": 0.4, "T4": 0.5},
        capabilities={"coding": 0.3, "grading": 0.4},
        signals={"devotion": 0.8, "one_clock": 0.4},
        coverage={"depth": 0.9},
    )
    found = match_patterns(family, library)
    assert found.matches[0, -1] == pytest.approx((0.5 + 0.7 + 3 * (0.8 + 0.6) / 2 + 0.1) / 6)


def test_what_was_not_measured_is_left_out(tmp_path):
    pattern = next(p for p in LIBRARY if len(p.expected.get("signals", {})) > 3)
    whole = ideal(pattern)
    first = next(iter(pattern.expected["signals"]))
    part = FamilyFeatures(
        whole.geometry,
        whole.signals | {first: np.array([np.nan])},
        whole.elicitations,
        whole.capabilities,
        whole.coverage,
    )
    at = [p.name for p in LIBRARY].index(pattern.name)
    assert match_patterns(part, LIBRARY).matches[0, at] == pytest.approx(1)
    unknown = {name: np.array([np.nan]) for name in GEOMETRIES}
    nothing = match_patterns(FamilyFeatures(unknown, {}, {}, {}, {}), LIBRARY)
    assert nothing.best[0] == -1
    assert nothing.labels(nothing.best) == [None]
    assert np.isnan(nothing.match[0])
    assert nothing.hostile_match[0] == 0


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


def test_groups_and_logs_without_families():
    none = Shapes([], [], np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64))
    assert {len(v) for v in geometry(none).values()} == {0}
    empty = FamilyFeatures(geometry(none), {}, {}, {}, {})
    assert match_patterns(empty, LIBRARY).match.shape == (0,)


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
        read_patterns(VOCABULARY, own)
    assert "own.toml" in str(error.value)
    assert "'x'" in str(error.value)


def test_a_reader_replaces_a_pattern(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text("[[pattern]]\n" + GOOD.replace('"x"', f'"{LIBRARY[0].name}"'))
    library = read_patterns(VOCABULARY, own)
    assert len(library) == len(LIBRARY)
    assert library[0].summary == "y"


def test_nothing_in_the_code_names_a_pattern():
    """No string of the package is a pattern's name, and no identifier; prose may say the word."""
    vocabulary = {*SIGNALS, *ELICITATIONS, *CAPABILITIES, *GEOMETRIES, *MEASURES, *SECTIONS}
    names = {p.name for p in LIBRARY} - vocabulary
    assert len(names) > 18
    named = {name.replace(" ", "_") for name in names if " " in name}
    sources = sorted((ROOT / "clustering" / "coverage").glob("*.py"))
    assert len(sources) > 7
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in names, f"{path.name} line {node.lineno}"
            if isinstance(node, ast.Name):
                assert node.id.lower() not in named, f"{path.name} line {node.lineno}"
