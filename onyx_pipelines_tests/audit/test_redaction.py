"""No secret reaches the trail: not by type, value, name or shape. What is none is left readable."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, SecretStr

from onyx_pipelines.audit.redaction import Redaction
from onyx_pipelines.vault.records import canonical_json

SECRET = "Tr0ub4dor&3-horse"
KNOWN = Redaction([SECRET])
UNKNOWN = Redaction()


class Colour(StrEnum):
    RED = "red"


class Login(BaseModel):
    user: str
    password: SecretStr


@dataclass(frozen=True)
class Opaque:
    text: str


def written(redaction: Redaction, value: object, name: str = "value") -> str:
    return canonical_json(redaction.parameters({name: value})).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://onyx:{SECRET}@db.example/onyx?sslmode=require",
        f"https://:{SECRET}@example.org/x",
        f"host=db password={SECRET} user=onyx",
        f"host=db password='{SECRET} with spaces' user=onyx",
        f"https://example.org/hook?token={SECRET}&channel=ops",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        f"Authorization: Bearer {SECRET.replace('&', '')}",
        f"https://hooks.slack.com/services/T0/B0/{SECRET}",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"ghp_{SECRET.replace('&', '')}AAAAAAAAAAAA",
    ],
)
def test_what_looks_like_a_secret_is_masked_though_nobody_named_it(text: str) -> None:
    said = written(UNKNOWN, text)

    assert "[secret]" in said
    assert "Tr0ub4dor" not in said


@pytest.mark.parametrize(
    "name",
    ["password", "PGPASSWORD", "api_key", "x-api-key", "S3SecretAccessKey", "token", "private_key"],
)
def test_a_parameter_with_a_secret_name_is_masked_whatever_it_holds(name: str) -> None:
    assert json.loads(written(UNKNOWN, "abc", name)) == {name: "[secret]"}
    assert "abc" not in written(UNKNOWN, {"inner": [{name: "abc"}]})


def test_a_secret_type_is_masked_anywhere() -> None:
    values = {"a": SecretStr(SECRET), "b": [Login(user="onyx", password=SecretStr(SECRET))]}

    assert json.loads(written(UNKNOWN, values))["value"] == {
        "a": "[secret]",
        "b": [{"user": "onyx", "password": "[secret]"}],
    }


def test_bytes_are_masked() -> None:
    assert SECRET not in written(UNKNOWN, SECRET.encode())


@pytest.mark.parametrize(
    "value",
    [
        "0d4f7a52-6f0e-4b55-8a49-5f4b86d6a2c1",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "postgresql://db.example:5432/onyx",
        "/var/lib/onyx/keys/private.json",
        "s3://bucket/prefix",
        "keep until the audit of 2026 is done: see ticket 4711",
        "Größe 3,5 GB",
        True,
        17,
        0.5,
        None,
        ["postgresql", "qdrant"],
    ],
)
def test_what_is_no_secret_stays_as_it_is(value: JsonValue) -> None:
    assert UNKNOWN.parameters({"value": value}) == {"value": value}


def test_other_types_become_plain_json() -> None:
    values = {"path": Path("/srv/x"), "colour": Colour.RED, "set": {"b", "a"}, "nan": float("nan")}

    assert UNKNOWN.parameters(values) == {
        "path": "/srv/x",
        "colour": "red",
        "set": ["a", "b"],
        "nan": "nan",
    }


def test_text_that_would_act_on_a_terminal_or_has_no_utf8_is_spelled_out() -> None:
    assert UNKNOWN.text("a\x1b[31mb\ud800c\nd\u202ee") == "a\\x1b[31mb\\ud800c d\\u202ee"


def test_long_and_deep_values_are_cut() -> None:
    nested: JsonValue = "end"
    for _ in range(50):
        nested = [nested]

    said = written(UNKNOWN, {"deep": nested, "long": "x " * 100_000, "many": list(range(10_000))})

    assert len(said) < 4000
    assert "[nested too deep]" in said


wrapped = st.recursive(
    st.sampled_from(
        [
            SECRET,
            f"before {SECRET} after",
            Path("/tmp") / SECRET,
            Opaque(SECRET),
            SecretStr(SECRET),
            SECRET.encode(),
            ValueError(f"could not connect with {SECRET}"),
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "url", SECRET]), inner, max_size=3),
        st.tuples(inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(value=wrapped, name=st.sampled_from(["value", "reason", SECRET]))
def test_a_known_secret_is_found_nowhere(value: object, name: str) -> None:
    said = written(KNOWN, value, name)

    assert SECRET not in said
    assert json.dumps(SECRET)[1:-1] not in said


@settings(max_examples=100, deadline=None)
@given(
    password=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@/ &;,'\""),
        min_size=6,
        max_size=40,
    )
)
def test_any_password_in_a_url_or_assignment_is_masked(password: str) -> None:
    marked = f"q7{password}z9"

    said = written(UNKNOWN, f"postgresql://u:{marked}@h/d and password={marked} done")

    assert json.dumps(marked)[1:-1] not in said
    assert "done" in said
