"""I1: p-values under their null with any encoder, power on planted wrappers, kinds, edges."""

from __future__ import annotations

import numpy as np
import pytest
from coverage_cases import bundled_encoder, elicitation_space, encode
from traffic_cases import check_valid

from clustering.coverage import (
    elicitation,
    encode_families,
    family_texts,
    ordinary_prompts,
)

EVERYDAY = [
    "What can I cook with leeks and potatoes tonight?",
    "My bicycle chain keeps falling off. How do I fix it?",
    "Write a birthday card for my aunt. She likes gardening.",
    "Is it cheaper to fly or take the train to Vienna?",
    "Summarise the following notes in three sentences. Keep the dates.",
    "How long do I boil an egg?",
    "Explain how vaccines work to a child.",
    "Plan a weekend in Porto for two people with a small budget.",
    "Why is my sourdough so dense? I use rye flour.",
    "Translate this letter to my landlord. It is about the heating.",
    "Give me names for a grey cat.",
    "Which plants survive in a dark hallway?",
]


def fixed(texts):
    """Families that say nothing but their fixed text."""
    return family_texts(texts, texts, [[] for _ in texts])


def everyday(n, random):
    """Prompts of one to four everyday sentences."""
    return [" ".join(random.choice(EVERYDAY, random.integers(1, 5))) + f" {i}" for i in range(n)]


@pytest.fixture(scope="module")
def bundled():
    return bundled_encoder()


@pytest.fixture(scope="module")
def space(bundled):
    return elicitation_space(bundled)


def test_p_values_keep_their_word_for_ordinary_texts():
    words = elicitation_space(encode)
    random = np.random.default_rng(0)
    vocabulary = [f"word{i}" for i in range(300)] + ["reasoning", "score", "prompt", "tool", "grade", "json:"]

    def texts(n):
        return [
            " ".join(". ".join(random.choice(vocabulary, random.integers(4, 40))).split()) for _ in range(n)
        ]

    measured = [ordinary_prompts(texts(200), words, encode) for _ in range(4)]
    families = [elicitation(encode_families(fixed(texts(100)), encode), words, o) for o in measured]
    pooled = np.concatenate([f.signal.p_value for f in families])
    check_valid(lambda _, seed: pooled[seed], len(pooled))
    form = np.concatenate([f.contract_p for f in families])
    assert np.mean(form <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(form))


PLANTED = {
    "reasoning trace": "Before you answer, write down your whole train of thought between <notes> and "
    "</notes>, every step of the reasoning and every idea that you rejected. Then give the final answer.",
    "rubric grading": "You are a strict judge. Score the response below from 1 to 5 for correctness and "
    "style against the rubric and justify every point you deduct.",
    "pairwise judging": "Two assistants replied to one question. Compare response A and response B and say "
    "which response is better, or whether it is a tie.",
    "task generation": "Generate twenty diverse instructions with their ideal outputs. The tasks will be "
    "used to train a language model and must not repeat each other.",
    "task rewriting": "Rewrite the given instruction into a harder version. Add a constraint to the prompt "
    "and increase the reasoning steps that it requires.",
    "refusal rewriting": "Rephrase the sensitive question below so that it breaks no rule and can be "
    "discussed safely, and keep its facts.",
    "tool trajectory": "Act as an agent with a terminal. List every tool call, its arguments and the "
    "observation that it returns until the task is solved.",
    "persona": "Guess what the person described below, with this profession and background, would ask an "
    "expert.",
}


def test_planted_elicitations_stand_out(bundled, space):
    random = np.random.default_rng(1)
    ordinary = ordinary_prompts(everyday(400, random), space, bundled)
    texts = [*PLANTED.values(), *EVERYDAY]
    found = elicitation(encode_families(fixed(texts), bundled), space, ordinary)
    assert (found.signal.p_value[: len(PLANTED)] <= 0.02).all()
    assert (found.signal.effect[: len(PLANTED)] > 0.8).all()
    assert np.median(found.signal.p_value[len(PLANTED) :]) > 0.2
    assert found.shares.sum(axis=1) == pytest.approx(1)
    kinds = [found.kinds[place] for place in found.shares.argmax(axis=1)]
    assert kinds[: len(PLANTED)] == list(PLANTED)
    assert kinds[len(PLANTED) :].count("ordinary") >= len(EVERYDAY) * 2 / 3


def test_a_wrapper_in_another_language_stands_out_from_its_ordinary_sentences(bundled, space):
    ordinary = ordinary_prompts(everyday(400, np.random.default_rng(2)), space, bundled)
    pairs = {
        "Schreibe zuerst deinen vollständigen Gedankengang mit allen Überlegungen zwischen Tags auf.": "Hilf "
        "mir bitte, eine kurze und höfliche E-Mail an meine Vermieterin zu schreiben.",
        "Escribe todo tu razonamiento interno paso a paso entre etiquetas.": "Ayúdame a "
        "escribir un correo breve y cortés para mi vecina.",
    }
    texts = [*pairs, *pairs.values()]
    p = elicitation(encode_families(fixed(texts), bundled), space, ordinary).signal.p_value
    # The packaged encoder knows little but English: the order holds, not a level.
    assert (p[:2] < p[2:]).all()
    nearest = space.memberships(bundled(list(pairs))).argmax(axis=1)
    assert [space.names[place] for place in nearest] == ["reasoning trace"] * 2


def test_a_fixed_form_is_a_kind_but_no_signal():
    words = elicitation_space(encode)
    plain = everyday(100, np.random.default_rng(3))
    ordinary = ordinary_prompts(plain, words, encode)
    base = "How long do I boil an egg and which plants survive in a dark hallway"
    form = base + ' {"answer": "...", "score": 3} as JSON from 1 to 5 within <out> and </out>'
    found = elicitation(encode_families(fixed([base, form]), encode), words, ordinary)
    assert found.contract_p == pytest.approx([1, 1 / 101])
    assert set(found.kinds) == set(words.names)


def test_groups_ask_for_what_their_families_ask_for(bundled, space):
    ordinary = ordinary_prompts(everyday(200, np.random.default_rng(4)), space, bundled)
    one = encode_families(fixed([PLANTED["rubric grading"], EVERYDAY[0], EVERYDAY[1]]), bundled)
    pooled = elicitation(one.regrouped(np.array([0, 0, -1]), 2), space, ordinary)
    assert np.isfinite(pooled.signal.p_value[0])
    assert np.isnan(pooled.signal.p_value[1]), "a group without families"
    assert pooled.shares[0] == pytest.approx(
        elicitation(one, space, ordinary).shares[:2].mean(axis=0), rel=1e-6
    )
    assert np.isnan(pooled.shares[1]).all()


def test_edges():
    words = elicitation_space(encode)
    few = ordinary_prompts(everyday(10, np.random.default_rng(5)), words, encode)
    nothing = elicitation(encode_families(fixed([]), encode), words, few)
    assert nothing.signal.p_value.shape == (0,)
    unknown = elicitation(
        encode_families(fixed(["How do I boil an egg, and for how long?"]), encode), words, few
    )
    assert np.isnan(unknown.signal.p_value).all(), "ten ordinary prompts are no null"
    assert unknown.shares.sum() == pytest.approx(1), "which kind needs no null"
    none = ordinary_prompts([], words, encode)
    assert none.contracts.shape == (0,)
    enough = ordinary_prompts(everyday(60, np.random.default_rng(6)), words, encode)
    empty = elicitation(encode_families(fixed([""]), encode), words, enough)
    assert empty.signal.p_value[0] == 1, "an empty text asks for nothing"
