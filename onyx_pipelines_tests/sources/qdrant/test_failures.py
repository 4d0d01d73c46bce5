"""What goes wrong with a server becomes a text for a person, with a remedy, without the key."""

from __future__ import annotations

import json
import pickle

import httpx
import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.failures import (
    BusyError,
    NotThereError,
    QdrantErrors,
    RefusedError,
)
from onyx_pipelines_tests.recorded_qdrant import DATA

ERRORS = QdrantErrors("http://qdrant:6333", SecretStr("planted-key"))

ANSWERS = json.loads((DATA / "1.18.3" / "http" / "answers.json").read_text())


def worded(error: Exception) -> SourceError:
    with pytest.raises(SourceError) as caught, ERRORS.during("counting"):
        raise error
    return caught.value


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_may_be_asked_again(status: int) -> None:
    assert ERRORS.answered("counting", status, "").transient


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422, 501, 507])
def test_what_needs_a_person_is_not_asked_again(status: int) -> None:
    assert not ERRORS.answered("counting", status, "").transient


@pytest.mark.parametrize(
    ("status", "variable"),
    [(401, "ONYX_QDRANT_API_KEY"), (403, "ONYX_QDRANT_API_KEY"), (404, "ONYX_QDRANT_COLLECTIONS")],
)
def test_the_remedy_names_the_variable(status: int, variable: str) -> None:
    assert variable in ERRORS.answered("counting", status, "").remedy


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, RefusedError), (404, NotThereError), (429, BusyError), (500, SourceError)],
)
def test_only_a_refusal_says_that_nothing_was_begun(status: int, kind: type) -> None:
    assert type(ERRORS.answered("making a snapshot", status, "")) is kind


def test_server_and_action_are_named() -> None:
    error = worded(httpx.ConnectError("Connection refused"))

    assert error.what == "Qdrant http://qdrant:6333: counting: Connection refused."


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout(""),
        httpx.RemoteProtocolError("peer closed"),
        httpx.ConnectTimeout(""),
    ],
)
def test_a_lost_connection_may_come_back(error: Exception) -> None:
    assert worded(error).transient


def test_an_answer_of_another_kind_of_server_is_not_shown_and_not_asked_for_again() -> None:
    error = worded(ValueError("input_value='a private sentence'"))

    assert "private" not in str(error)
    assert "ONYX_QDRANT_URL" in error.remedy
    assert not error.transient


def test_the_key_is_masked_in_what_the_server_says() -> None:
    error = ERRORS.answered("counting", 502, "bad header api-key: planted-key")

    assert "bad header api-key: ***" in error.what
    assert "planted-key" not in f"{error} {error!r} {error.remedy}"


def test_a_timeout_of_the_proxy_is_said_to_be_the_proxys() -> None:
    assert "limit of a proxy before Qdrant" in ERRORS.answered("counting", 504, "").remedy


def test_a_long_answer_is_cut_and_its_lines_joined() -> None:
    error = ERRORS.answered("counting", 500, "line\n" * 1000)

    assert "line line" in error.what
    assert len(error.what) < 400


@pytest.mark.parametrize("said", ["ExpiredSignature", "Forbidden: ExpiredSignature"])
def test_an_expired_token_is_told_as_expired(said: str) -> None:
    error = ERRORS.answered("listing collections", 403, said)

    assert "expired" in error.what
    assert "new one" in error.remedy


def test_a_token_signed_with_another_key_is_told_as_that() -> None:
    assert "another server" in ERRORS.answered("counting", 403, "InvalidSignature").what


def test_a_collection_that_is_called_expired_makes_no_token_expire() -> None:
    said = '{"status":{"error":"Forbidden: Access to collection expired is required"},"time":0.1}'

    assert "has expired" not in ERRORS.answered("counting", 403, said).what


def test_what_qdrant_says_is_shown_without_its_json() -> None:
    said = '{"status":{"error":"Bad request: Exact search disabled!."},"time":0.00005349}'

    shown = ERRORS.answered("counting", 400, said).what

    assert shown.endswith(": counting: HTTP 400 Bad request: Exact search disabled!.")


def test_what_went_wrong_is_shown_also_where_a_long_name_stands_before_it() -> None:
    [answer] = [each for each in ANSWERS if each["what"] == "its snapshot"]

    error = ERRORS.answered("making a snapshot", answer["status"], answer["body"])

    assert "File name too long" in error.what
    assert len(error.what) < 400


@pytest.mark.parametrize("before", range(270, 300))
def test_no_part_of_the_key_is_left_where_an_answer_is_cut(before: int) -> None:
    said = "x " * (before // 2) + " " * (before % 2) + "planted-key"

    assert "plan" not in ERRORS.answered("counting", 502, said).what


def test_the_kind_survives_another_process() -> None:
    error = ERRORS.answered("counting", 404, "")

    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), str(copy)) == (NotThereError, str(error))
