"""The front end's scrubber, in a real Node: what leaves is as of Python's, to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.errors.rules import load_rules
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.sandbox.suna.module import SOURCE
from onyx_pipelines_tests.errors import corpus, scrubbing_samples
from onyx_pipelines_tests.errors.node_lines import NodeLines, node_lines
from onyx_pipelines_tests.examples import random_examples

KEY: Final = scrubbing_samples.KEY


def node_scrubber(key: str = KEY, *secrets: str) -> AbstractContextManager[NodeLines]:
    """That of the front end, for as long as the block runs."""
    return node_lines("scrub_lines.mjs", SOURCE, key, *secrets)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeLines]:
    with node_scrubber() as scrubber:
        yield scrubber


python: Final = Scrubber(pseudonym_key=KEY)

_SAID = [raw for raw, _ in scrubbing_samples.TAKEN] + [
    raw if isinstance(raw, str) else raw[0] for raw in scrubbing_samples.KEPT
]
_PIECES = st.one_of(
    st.sampled_from([each.said for each in corpus.secrets(7, len(corpus.KINDS))] + _SAID),
    st.sampled_from(scrubbing_samples.BEFORE_A_SECRET + scrubbing_samples.BEFORE_CONTENT),
    st.sampled_from([*" \n\t:=@/\"'`\\?#.-", "://", "%40", "-----", "\r\n", "\N{ROCKET}"]),
    st.text(alphabet="aB1 _", max_size=40),
    st.text(max_size=8),
)
_TEXTS = st.lists(_PIECES, max_size=6).map("".join)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(-1e6, 1e6).filter(lambda number: not number.is_integer())
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)


def _events_of(allowed: object) -> st.SearchStrategy[Any]:
    """As the rules have them, and sometimes of another kind; with fields that are not listed."""
    if isinstance(allowed, dict):
        fields = {name: _events_of(kind) for name, kind in allowed.items()}
        listed = st.fixed_dictionaries({}, optional=fields)
        others = st.dictionaries(st.sampled_from([*map(str.upper, fields), "new"]), _VALUES)
        return st.tuples(listed, others).map(lambda both: both[0] | both[1]) | _VALUES
    if isinstance(allowed, list):
        return st.lists(_events_of(allowed[0]), max_size=3) | _VALUES
    return _TEXTS | _VALUES


@settings(
    max_examples=random_examples(40, at_night=5000),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(event=_events_of(load_rules().event))
def test_a_random_event_is_scrubbed_as_by_python(node: NodeLines, event: object) -> None:
    if isinstance(event, dict):
        event["event_id"] = "0f" * 16  # a stub's own is random

    ours = node(event)

    theirs = python(event)  # type: ignore[arg-type] # whatever it is
    if not isinstance(event, dict):
        ours.pop("event_id")
        theirs.pop("event_id")
    assert ours == theirs


@settings(max_examples=random_examples(150, at_night=20_000))
@given(text=_TEXTS)
def test_a_random_text_is_scrubbed_as_by_python(node: NodeLines, text: str) -> None:
    assert node({"message": text}) == {"message": python.text(text)}


def test_what_is_taken_out_of_a_text_and_what_is_kept(node: NodeLines) -> None:
    told = [node({"message": raw})["message"] for raw in _SAID]

    assert told == [python.text(raw) for raw in _SAID]


def test_no_secret_leaves_from_any_place(node: NodeLines) -> None:
    """Some of each kind; all 500 in every place is `python -m bench scrubbing`."""
    leaks = [
        (secret.kind, slot)
        for secret in corpus.secrets(17, len(corpus.KINDS))
        for slot in corpus.SLOTS
        if secret.is_in(json.dumps(node(corpus.planted(slot, secret)), ensure_ascii=False))
    ]

    assert leaks == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\N{ROCKET}" * 16_384 + "x", id="as many characters as are read"),
        pytest.param("ab " * 6000, id="more than are read"),
        pytest.param("a" * 20_000, id="one word longer than is read"),
        pytest.param(
            f"-----BEGIN PRIVATE KEY-----{'a' * 16_327}-----END PRIVATE KEY-----ab\nb\nc",
            id="cut at the end of a line",
        ),
        pytest.param("\N{ROCKET} " * 1024 + "xy", id="a pair of surrogates is one character"),
    ],
)
def test_a_long_text_is_cut_where_python_cuts_it(node: NodeLines, text: str) -> None:
    assert node({"message": text}) == {"message": python.text(text)}


def test_a_user_and_a_session_have_the_pseudonyms_that_python_gives_them(
    node: NodeLines,
) -> None:
    """The vector is that of Python's own test."""
    told = node({"user": {"id": 4711, "session_id": "s-1"}})

    assert told == {"user": {"id": scrubbing_samples.USER, "session_id": scrubbing_samples.SESSION}}


def test_without_a_key_there_is_no_pseudonym() -> None:
    with node_scrubber("") as keyless:
        assert keyless({"user": {"id": "4711", "session_id": "s-1"}}) == {"user": {}}


def test_what_the_service_knows_to_be_a_secret_is_taken_out_as_by_python() -> None:
    secrets = ['say "hello"', "über\\alles", "hello", "short"]
    texts = ['x say "hello" y', json.dumps(secrets), json.dumps(secrets, ensure_ascii=False)]
    knowing = Scrubber(pseudonym_key=KEY, secrets=secrets)

    with node_scrubber(KEY, *secrets) as node:
        told = [node({"server_name": each})["server_name"] for each in texts]

    assert told == [knowing.text(each) for each in texts]


@pytest.mark.parametrize("event", [None, "bob@example.org", 4, ["bob@example.org"]])
def test_what_is_no_event_leaves_as_one_that_failed(node: NodeLines, event: object) -> None:
    told = node(event)

    assert len(told.pop("event_id")) == 32
    assert told == {
        "level": "error",
        "exception": {"values": []},
        "fingerprint": ["scrubber-failed"],
        "tags": {"scrubber": "failed"},
    }
