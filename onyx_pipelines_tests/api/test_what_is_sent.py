"""What callers send is taken at its word: booleans are booleans, text can be seen and is short."""

from __future__ import annotations

import re
import sys
import unicodedata
import uuid
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from onyx_pipelines.api.texts import PATTERN, Reason
from onyx_pipelines.audit import Trail
from onyx_pipelines_tests.api.conftest import Api
from onyx_pipelines_tests.dagster_server import DagsterServer
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

UNKNOWN = str(uuid.UUID(int=4, version=4))

UNSEEN = {
    "a new line": "x\ny",
    "nothing but a line": "\n",
    "an escape sequence": "x\x1b[2Jy",
    "NUL": "x\0y",
    "C1": "x\x9by",
    "right to left": "x\u202ey",
    "isolate": "x\u2066y",
    "zero width": "x\u200by",
    "a line separator": "x\u2028y",
    "a tag": "x\U000e0041y",
    "half a character": "x\ud800y",
}


@pytest.mark.parametrize("value", ["true", "yes", 1, 1.0, "1", None, [True]])
def test_only_true_confirms(
    api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer, value: object
) -> None:
    backup_id = volume_host.run().backup_id

    answer = api.client().post(f"/api/backup/restore/{backup_id}", json={"confirm": value})

    assert answer.status_code == 422
    assert "body.confirm" in answer.json()["detail"]
    assert dagster_server.runs() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/api/backup/verify/{UNKNOWN}", {"deep": "false"}),
        (f"/api/backup/verify/{UNKNOWN}", {"deep": 1}),
        ("/api/load-test/start", {"concurrent_users": "20"}),
        ("/api/load-test/start", {"concurrent_users": True}),
        ("/api/load-test/start", {"duration_seconds": 5.5}),
        ("/api/backup/trigger", {"components": "volumes"}),
        ("/api/backup/trigger", {"backup_type": True}),
    ],
)
def test_nothing_is_turned_into_what_was_not_sent(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    assert api.client().post(path, json=body).status_code == 422


@pytest.mark.parametrize("what", UNSEEN)
@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("PUT", f"/api/backup/sets/{UNKNOWN}/hold", {}),
        ("POST", "/api/load-test/baseline", {"test_id": UNKNOWN}),
    ],
)
def test_a_reason_can_be_seen(
    api: Api, volume_host: HostUnderTest, method: str, path: str, more: dict[str, str], what: str
) -> None:
    text = UNSEEN[what].encode("unicode-escape").decode()
    body = str({**more, "reason": "?"}).replace("'", '"').replace("?", _json(text))

    answer = api.client().request(
        method, path, content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert list(Trail.of(volume_host.settings).records()) == []


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_a_reason_to_hold_is_said_and_short(api: Api, reason: str) -> None:
    answer = api.client().put(f"/api/backup/sets/{UNKNOWN}/hold", json={"reason": reason})

    assert answer.status_code == 422


@pytest.mark.parametrize("reason", ["[/srv/files]", "Prüfung 日本語 ✓", "a <b> & c", "x" * 500])
def test_any_other_text_is_kept_as_it_is(api: Api, volume_host: HostUnderTest, reason: str) -> None:
    backup_id = volume_host.run().backup_id

    answer = api.client().put(f"/api/backup/sets/{backup_id}/hold", json={"reason": reason})

    assert answer.json()["hold_reason"] == reason


def test_the_description_says_what_is_refused() -> None:
    """All of it below U+10000; no regular expression that every program knows reaches further."""
    kept = TypeAdapter(Reason)
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        unseen = unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}
        if number < 0x10000 and not 0xD800 <= number <= 0xDFFF:
            taken = re.fullmatch(PATTERN, f"a{char}") is not None
            # What Unicode has not given out yet may be refused as well.
            assert taken is not unseen or unicodedata.category(char) == "Cn", hex(number)
        if unseen:
            with pytest.raises(ValidationError):
                kept.validate_python(f"a{char}")


def _json(text: str) -> str:
    """Python's escapes as JSON's."""
    text = re.sub(r"\\x(..)", r"\\u00\1", text)
    return re.sub(r"\\U(.{8})", lambda found: chr(int(found[1], 16)), text)
