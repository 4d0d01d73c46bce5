"""What is taken out of a text, and what is kept. No test takes fixtures: `python -m bench
scrubbing` runs them against changed rules and code, and counts how often they notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onyx_pipelines.errors import rules
from onyx_pipelines_tests.errors import corpus
from onyx_pipelines_tests.errors.scrubbing_samples import (
    BEFORE_A_SECRET,
    BEFORE_CONTENT,
    KEPT,
    KEYS,
    SIGNS,
    TAKEN,
    scrubber,
    text,
)


@pytest.mark.parametrize(
    ("words", "left"), [(BEFORE_A_SECRET, "[secret]"), (BEFORE_CONTENT, "[content]")]
)
def test_what_has_a_name_is_taken_out_to_the_end_of_the_line(words: list[str], left: str) -> None:
    left_over = [
        (word, sign)
        for word in words
        for sign in SIGNS
        if "apple" in text(f"no {word}{sign}apple pie\nnext") or "next" not in text("a=b\nnext")
    ]

    assert left_over == []
    assert [text(f"no {word}=apple pie\nnext") for word in words] == [
        f"no {word}={left}\nnext" for word in words
    ]


@pytest.mark.parametrize("word", ["PASSWORD", "Api-Key", "Prompt", "Content"])
def test_names_are_of_any_case(word: str) -> None:
    assert "pie" not in text(f"{word}=apple pie")


@pytest.mark.parametrize("sign", ["_", "-", "."])
def test_a_key_of_a_provider_is_known_by_its_beginning(sign: str) -> None:
    # Of two kinds of character at most: nothing else of the rules knows it.
    found = {each: text(f"used {each}{sign}aaa_b.-=+/a4 ok") for each in KEYS}

    assert found == dict.fromkeys(KEYS, "used [token] ok")


@pytest.mark.parametrize("beginning", ["AKIA", "ASIA", "AIza", "EAAC"])
def test_and_one_of_a_cloud(beginning: str) -> None:
    assert text(f"used {beginning}aaaa_-aaaa ok") == "used [token] ok"


def test_taken_out_of_a_text() -> None:
    assert [(raw, text(raw)) for raw, _ in TAKEN] == TAKEN


def test_kept_in_a_text() -> None:
    assert [text(raw) for raw in KEPT] == KEPT


def test_what_a_pattern_is_not_tried_on_it_would_not_have_matched() -> None:
    """A text is told apart by its words and shapes first, which must change nothing."""
    known = rules.load_rules()
    always = [replace(each, words=(), shapes=()) for each in known.patterns]
    clean, thorough = scrubber(), scrubber(rules=replace(known, patterns=tuple(always)))
    texts = [
        *(raw for raw, _ in TAKEN),
        *KEPT,
        *(f"no {word}{sign}apple pie" for word in BEFORE_A_SECRET for sign in SIGNS),
        *(f"no {word}{sign}apple pie" for word in BEFORE_CONTENT for sign in SIGNS),
        *(f"used {key}{sign}aaa_b.-=+/a4 ok" for key in KEYS for sign in "_-."),
        *(secret.said for secret in corpus.secrets(19)),
    ]

    assert [clean.text(raw) for raw in texts] == [thorough.text(raw) for raw in texts]


def test_a_text_without_any_word_or_shape_of_a_pattern_is_not_searched_for_it() -> None:
    """It would take ten times as long."""
    plain = "retrieved 12 chunks of 3 documents in 214 ms"
    tried = [
        each.regex.pattern
        for each in rules.load_rules().patterns
        if each.may_match(plain.lower(), rules.shape_of(plain))
    ]

    assert tried == []


def test_a_long_text_is_cut_off_where_a_secret_could_not_be_cut_in_two() -> None:
    limits = replace(rules.load_rules(), read_characters=20, text_characters=15)
    cut = scrubber(rules=limits)

    assert cut.text("a" * 15) == "a" * 15
    assert cut.text("a" * 16) == "a" * 15 + "…"
    assert cut.text("aaaa bbbb cccc\nnnnnn") == "aaaa bbbb cccc\n…"
    assert cut.text("aaaa bbbb dddd\tnnnnnn") == "aaaa bbbb dddd\t"
    assert cut.text("aaaa bbbb secretsecret") == "aaaa bbbb "
    assert cut.text("s" * 21) == ""


def test_the_limits_are_those_of_the_file() -> None:
    found = rules.load_rules()

    assert (found.read_characters, found.text_characters, found.list_items) == (16384, 2048, 100)


def test_what_the_process_knows_to_be_a_secret_is_taken_out_whatever_it_looks_like() -> None:
    told = scrubber(secrets=["applepie"])

    assert told({"message": "with applepie"})["message"] == "with [secret]"


def test_what_is_scrubbed_already_stays_as_it_is() -> None:
    once = [text(raw) for raw, _ in TAKEN]

    assert [text(each) for each in once] == once
