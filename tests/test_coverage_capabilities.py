"""Capabilities: planted families, other languages, the rest, the files' errors."""

from __future__ import annotations

import numpy as np
import pytest
from coverage_cases import bundled_encoder, encode

from clustering.coverage import (
    encode_families,
    family_texts,
    profile_families,
    profile_payloads,
    read_library,
)
from clustering.coverage.examples import example_space, read_classes

PLANTED = {
    "mathematics": [
        "Find all real solutions of x^4 - 5x^2 + 4 = 0",
        "A train covers 180 km in 2.5 hours; what is its average speed?",
        "Prove that the square root of 2 is irrational",
        "Compute the derivative of sin(x) / x",
        "How many ways are there to choose 3 of 10 people?",
    ],
    "coding": [
        "Write a Rust function that parses a CSV line",
        "My Python script raises KeyError, how do I fix the code?",
        "Implement a binary search tree in Java",
        "Refactor this TypeScript class and add unit tests",
        "SQL query that joins two tables and counts the rows",
    ],
    "translation": [
        "Translate this contract into Spanish",
        "What is the English translation of this German sentence?",
        "Translate the following menu from Italian to English",
        "How do you say thank you very much in Korean?",
    ],
    "grading": [
        "Score this answer against the rubric and justify the score",
        "Which of the two responses is better, A or B?",
        "Evaluate the assistant's reply on a scale from 1 to 10",
        "Rate the quality of this candidate answer and list its errors",
    ],
    "domain knowledge": [
        "Doctor, I have chest pain and a cough, what disease could it be?",
        "Which drug is the treatment of choice for high blood pressure?",
        "Is a verbal contract binding under the law of tort?",
        "What are the symptoms and the diagnosis of celiac disease?",
    ],
    "agents and tools": [
        "Call one of the functions below and give its arguments as JSON",
        "You are an autonomous agent: list the tool calls and their observations",
        "Choose the API that solves the task and fill in the parameters of the call",
    ],
    "data analysis": [
        "You are a data analyst: find trends and outliers in this sales dataset",
        "Run a regression on the survey data and interpret the statistics",
        "Segment the customers by their purchase data and chart the results",
    ],
    "instruction generation": [
        "Come up with ten diverse instructions for an assistant",
        "Rewrite the given prompt into a more complex instruction",
        "Invent a new task that a user with this persona might ask for",
    ],
}


@pytest.fixture(scope="module")
def bundled():
    return bundled_encoder()


@pytest.fixture(scope="module")
def space(bundled):
    return example_space(read_library().capabilities, bundled)


def profile(texts, bundled, space):
    vectors = encode_families(family_texts(["{slot_1}"] * len(texts), [t[0] for t in texts], texts), bundled)
    return profile_families(vectors, space)


def test_planted_families_get_their_capability(bundled, space):
    found = profile(list(PLANTED.values()), bundled, space)
    assert found.labels() == list(PLANTED)
    assert found.shares.sum(axis=1) == pytest.approx(1)


def test_small_talk_has_no_capability(bundled, space):
    talk = ["hi there", "hello, how are you?", "good morning", "thanks", "any film tips for tonight?"]
    assert profile([talk], bundled, space).labels() == ["other"]


def test_another_language_is_no_capability(bundled, space):
    texts = [
        ["Schreibe eine Python-Funktion, die eine Liste umkehrt", "Behebe den Fehler in diesem Java-Code"],
        ["Traduce esta carta al inglés", "Traduce el siguiente texto al francés"],
        [
            "Bewerte die Antwort von 1 bis 10 und begründe die Punkte",
            "Bewerte diese Antwort nach den Kriterien",
        ],
    ]
    assert profile(texts, bundled, space).labels() == ["coding", "translation", "grading"]


def test_fixed_text_and_payloads_count_half_each(bundled, space):
    template = "Score the candidate's answer against the rubric and justify every point: {slot_1}"
    texts = family_texts([template], [template], [PLANTED["mathematics"]])
    found = profile_families(encode_families(texts, bundled), space)
    top = {found.names[c] for c in np.argsort(-found.shares[0])[:2]}
    assert top == {"grading", "mathematics"}


def test_families_without_a_word_are_the_rest():
    words = example_space(read_library().capabilities, encode)
    found = profile_families(encode_families(family_texts(["", ""], ["", ""], [[], [""]]), encode), words)
    assert found.labels() == ["other", "other"]
    assert profile_families(encode_families(family_texts([], [], []), encode), words).labels() == []


def test_fillers_are_told_by_what_they_are(bundled):
    classes = example_space(read_library().payloads, bundled)
    fillers = [
        ["a retired surgeon from Malta who keeps bees", "a young plumber and father of twins"],
        ["How do vaccines work?", "Write a program that counts words", "Find the area of the triangle"],
        ["7f3a9c", "genetics", "300 words", "nurses"],
    ]
    texts = family_texts(["{slot_1}"] * 3, [f[0] for f in fillers], fillers)
    assert profile_payloads(encode_families(texts, bundled), classes).labels() == ["person", "task", "value"]


def test_payloads_are_a_sample_of_fixed_size():
    many = [[f"payload number {i}" for i in range(5_000)]]
    vectors = encode_families(family_texts(["{slot_1}"], ["payload"], many), encode)
    assert len(vectors.payloads) == 32


def test_every_capability_speaks_the_same_languages():
    classes = read_library().capabilities
    assert len(classes) == 13
    assert len({len(c.examples) for c in classes}) == 1
    assert len({sum(not e.isascii() for e in c.examples) >= 3 for c in classes}) == 1


def test_a_reader_adds_examples_and_classes(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[capability]]\nname = "coding"\nexamples = ["port this shader", "lint the repo", "fix ci"]\n'
        '[[capability]]\nname = "chess"\nexamples = ["mate in two", "best reply to e4", "rook endings"]\n'
    )
    classes = {c.name: c for c in read_library(own).capabilities}
    assert "port this shader" in classes["coding"].examples
    assert len(classes["coding"].examples) == 19
    assert "chess" in classes


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[capability]\n", "Expected|TOML|Invalid"),
        ('[[capabilities]]\nname = "x"\n', "'capabilities' at the top; only \\[\\[pattern\\]\\]"),
        ("capability = 3\n", "capability = 3 at the top"),
        ("elicitation = [3]\n", "elicitation = \\[3\\] at the top"),
        ("# nothing\n", "nothing at the top"),
        ('[[capability]]\nexamples = ["a b", "c d", "e f"]\n', "name"),
        ('[[capability]]\nname = "x"\nexample = ["a"]\n', "unknown example"),
        ('[[capability]]\nname = "x"\nexamples = "a"\n', "list of sentences"),
        ('[[capability]]\nname = "x"\nexamples = ["a", "a", "b"]\n', "at least 3"),
        ('[[capability]]\nname = "x"\nexamples = ["a", "b", "c"]\nrest = "yes"\n', "true or leave"),
        ('[[capability]]\nname = "x"\nexamples = ["a", "b", "c"]\nrest = true\n', "one of them the rest"),
    ],
)
def test_errors_name_the_file_and_the_remedy(tmp_path, text, match):
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(ValueError, match=match) as error:
        read_classes("capability", own)
    assert "own.toml" in str(error.value)


def test_a_missing_file_and_an_encoder_that_reads_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"none\.toml"):
        read_library(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="fewer than two"):
        example_space(read_library().capabilities, lambda t: np.zeros((len(t), 4), np.float32))
