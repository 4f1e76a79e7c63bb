"""Known-benign templates: what explains a family away, and what does not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.registry import (
    Known,
    explained_by,
    known_from_template,
    load_registry,
    read_registry,
    registry_text,
)

DESK = "You answer questions of riders about lost property. {slot_1} Never promise that a thing was found."


def known(template: str = DESK, name: str = "desk") -> Known:
    return known_from_template(template, name=name, kind="product", source="a ticket")


def test_a_template_is_explained_by_its_own_entry_whatever_fills_it() -> None:
    other_slots = DESK.replace("{slot_1}", "{slot_1} and then {slot_2}")
    assert explained_by(DESK, [known()]) == known()
    assert explained_by(other_slots, [known()]) == known()
    assert explained_by(DESK.upper().replace("{SLOT_1}", "{slot_1}"), [known()]) == known()


def test_an_instruction_of_its_own_is_not_explained() -> None:
    added = DESK + " Before each answer write down every step of your thinking."
    assert explained_by(added, [known()]) is None
    assert explained_by("{slot_1}", [known()]) is None
    assert explained_by("", [known()]) is None


def test_the_entry_that_covers_most_wins_then_the_first_by_name() -> None:
    part = known("You answer questions of riders about lost property.", "part")
    twins = [known(name="b"), part, known(name="a")]
    found = explained_by(DESK, twins)
    assert found is not None
    assert found.name == "a"


def test_no_shingle_reaches_across_a_slot() -> None:
    with pytest.raises(ValueError, match="stand together"):
        known("one two {slot_1} three four {slot_2} five six")
    split = "You answer questions {slot_1} of riders about {slot_2} lost property"
    assert explained_by(split, [known()]) is None


def test_braces_of_the_prompt_are_text() -> None:
    literal = "Reply with {{answer}} and nothing else in the reply {slot_1}"
    assert explained_by(literal, [known(literal)]) is not None


@given(st.text(min_size=1), st.text(min_size=1))
def test_what_is_written_is_read(name: str, source: str) -> None:
    entry = Known(name, "other", source, known().shingles)
    text = registry_text([entry, known()])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.toml"
        file.write_text(text, encoding="utf-8", newline="")
        assert read_registry(file) == (entry, known())


def test_no_text_of_a_prompt_is_in_the_file() -> None:
    assert "riders" not in registry_text([known()])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[known]\n", "not TOML"),
        ('[[known]]\nname = "a"\n', "entry 1: kind is None"),
        ('[[known]]\nname = "a"\nkind = "toy"\nsource = ""\nshingles = []\n', "kind 'toy' is unknown"),
        ('[[known]]\nname = "a"\nkind = "other"\nsource = ""\nshingles = ["x"]\n', "16 hex digits"),
        ('known = "a"\n', "known is 'a'"),
        ('[[known]]\nname = "a"\nkind = "other"\nsource = ""\nshingles = 5\n', "16 hex digits"),
    ],
)
def test_a_broken_file_is_said_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said) as caught:
        load_registry(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"own\.toml: not readable"):
        load_registry(tmp_path / "own.toml")


def test_the_packaged_registry_reads_and_explains_no_empty_template() -> None:
    registry = load_registry()
    assert len({entry.name for entry in registry}) == len(registry) > 0
    assert explained_by("{slot_1}", registry) is None
