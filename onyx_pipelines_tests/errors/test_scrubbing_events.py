"""What of an event leaves, and whose it was. No test takes fixtures: `python -m bench scrubbing`
runs them against changed rules and code, and counts how often they notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from onyx_pipelines.errors import rules, scrubbing
from onyx_pipelines_tests.errors import corpus
from onyx_pipelines_tests.errors.scrubbing_samples import RUN, SESSION, USER, scrubber, text


def in_message(raw: object) -> object:
    return scrubber()({"message": raw}).get("message")


def whole_event() -> dict[str, Any]:
    """Every field that is allowed, and nothing to take out."""
    headers = {
        "accept": "text/html",
        "content-length": "12",
        "content-type": "application/json",
        "host": "api-server",
        "user-agent": "curl",
    }
    failed = {
        "type": "ValueError",
        "value": "it ended early",
        "module": "builtins",
        "mechanism": {
            "type": "chained",
            "handled": False,
            "exception_id": 1,
            "parent_id": 0,
            "is_exception_group": True,
        },
        "stacktrace": {
            "frames": [
                {
                    "filename": "onyx/chat.py",
                    "abs_path": "/app/onyx/chat.py",
                    "function": "answer",
                    "module": "onyx.chat",
                    "lineno": 41,
                    "colno": 7,
                    "in_app": True,
                    "pre_context": ["def answer():"],
                    "context_line": "    return chat.answer()",
                    "post_context": ["", "# the end"],
                }
            ]
        },
    }
    return {
        "event_id": RUN.replace("-", ""),
        "timestamp": "2026-11-27T09:00:00.123456Z",
        "platform": "python",
        "level": "error",
        "logger": "onyx.chat",
        "server_name": "api",
        "release": "onyx-api@1.4.2",
        "environment": "production",
        "transaction": "onyx.chat.send",
        "type": "error",
        "message": "it failed",
        "logentry": {"message": "it failed", "formatted": "it did fail"},
        "fingerprint": ["chat", "early"],
        "exception": {"values": [failed]},
        "breadcrumbs": {
            "values": [
                {
                    "timestamp": "2026-11-27T08:59:59+00:00",
                    "type": "default",
                    "category": "onyx.chat",
                    "level": "info",
                    "message": "retrieved",
                }
            ]
        },
        "request": {"url": "http://api/chat", "method": "POST", "headers": headers},
        "user": {"id": "4711", "session_id": "s-1"},
        "tags": {
            "service": "api",
            "stack": "blue",
            "component": "postgresql",
            "job": "nightly_backup",
            "step": "postgres_backup",
            "asset": "postgres_backup",
            "provider": "litellm",
            "model": "small",
            "status": 500,
            "queue": "default",
            "scrubber": "well",
        },
        "sdk": {"name": "sentry.python", "version": "2.75.0"},
        "contexts": {
            "runtime": {"name": "CPython", "version": "3.11.2"},
            "os": {"name": "Linux", "version": "6.1"},
            "trace": {
                "trace_id": RUN.replace("-", ""),
                "span_id": "0f1e2d3c4b5a6978",
                "parent_span_id": "8796a5b4c3d2e1f0",
                "op": "http",
                "status": "internal_error",
            },
            "dagster": {
                "job": "nightly_backup",
                "step": "postgres_backup",
                "asset": ["postgres_backup"],
                "run_id": RUN,
                "run_url": f"https://dagster.example.org:3000/runs/{RUN}",
                "remedy": "Start it.",
            },
            "error_context": {
                "user_id": "4711",
                "session_id": "s-1",
                "request_context": {
                    "url": "http://api/chat",
                    "method": "POST",
                    "headers": headers,
                    "body_size": 12,
                },
                "system_context": {
                    "service_name": "api",
                    "version": "1.4.2",
                    "container_id": "0f1e2d3c4b5a",
                    "memory_usage_mb": 81.5,
                    "cpu_usage_percent": 3.25,
                },
            },
        },
        "check_in_id": RUN,
        "monitor_slug": "nightly-backup",
        "status": "ok",
        "duration": 12.5,
        "monitor_config": {
            "schedule": {"type": "crontab", "value": "0 2 * * *"},
            "timezone": "UTC",
            "checkin_margin": 5,
            "max_runtime": 60,
            "failure_issue_threshold": 1,
            "recovery_threshold": 1,
        },
    }


def test_an_event_with_nothing_to_hideleaves_of_as_it_is_but_for_whose_it_was() -> None:
    expected = whole_event()
    expected["user"] = {"id": USER, "session_id": SESSION}
    expected["contexts"]["error_context"] |= {"user_id": USER, "session_id": SESSION}

    assert scrubber()(whole_event()) == expected


def leaves_of(tree: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for name, each in inner:
        yield from leaves_of(each, (*path, name))
    if not isinstance(tree, (dict, list)):
        yield path


def _with(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    event = whole_event()
    place: Any = event
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return event


def test_no_field_lets_an_address_of_somebody_through() -> None:
    clean = scrubber()
    events = {path: clean(_with(path, "bob@example.org")) for path in leaves_of(whole_event())}

    assert [path for path, event in events.items() if "bob" in json.dumps(event)] == []


@pytest.mark.parametrize(
    "field",
    ["extra", "modules", "threads", "spans", "debug_meta", "attachments", "request_data", "_meta"],
)
def test_a_field_that_is_not_listed_does_not_leave(field: str) -> None:
    assert scrubber()({"message": "x", field: {"a": "b"}}) == {"message": "x"}


@pytest.mark.parametrize("value", [[1], {"a": "b"}, None, b"x", object()])
def test_a_text_of_another_kind_does_not_leave(value: object) -> None:
    assert scrubber()({"message": value}) == {}


@pytest.mark.parametrize("value", ["a", 1, ["a"], None])
def test_a_mapping_of_another_kind_does_not_leave(value: object) -> None:
    assert scrubber()({"tags": value}) == {}


@pytest.mark.parametrize("value", ["ab", 1, {"a": "b"}, None])
def test_a_list_of_another_kind_does_not_leave(value: object) -> None:
    assert scrubber()({"fingerprint": value}) == {}


def test_a_tuple_is_a_list_and_what_is_no_text_in_it_does_not_leave() -> None:
    assert scrubber()({"fingerprint": ("a", None, "b")}) == {"fingerprint": ["a", "b"]}


def test_of_a_long_list_the_last_leave() -> None:
    short = scrubber(rules=replace(rules.load_rules(), list_items=2))

    assert short({"fingerprint": ["a", "b", "c"]}) == {"fingerprint": ["b", "c"]}


@pytest.mark.parametrize("value", [0, -1.5, 9_999_999_999, -9_999_999_999, True, False])
def test_a_number_is_kept(value: float) -> None:
    assert in_message(value) is value


@pytest.mark.parametrize(
    "value", [10_000_000_000, -10_000_000_000, 4.1e15, float("nan"), float("inf")]
)
def test_a_number_that_may_be_somebodys_is_not(value: float) -> None:
    assert in_message(value) == "[number]"


def test_a_moment_is_written_in_utc() -> None:
    moment = datetime(2026, 11, 27, 10, tzinfo=timezone(timedelta(hours=1)))

    assert in_message(moment) == "2026-11-27T09:00:00+00:00"


def test_names_of_headers_are_of_any_case() -> None:
    told = scrubber()({"request": {"headers": {"User-Agent": "curl", "Authorization": "x"}}})

    assert told == {"request": {"headers": {"user-agent": "curl"}}}


def test_a_field_whose_name_is_no_text_does_not_leave() -> None:
    assert scrubber()({"tags": {3: "x", None: "y", "job": "a"}}) == {"tags": {"job": "a"}}


def test_of_two_fields_with_one_name_the_last_counts() -> None:
    clean = scrubber()

    assert clean({"tags": {"JOB": "a", "job": "b"}}) == {"tags": {"job": "b"}}
    assert clean({"tags": {"job": "a", "JOB": None}}) == {"tags": {}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("event_id",), "abc" * 11),
        (("event_id",), "A" * 31 + "1"),
        (("release",), "bob@example.org"),
        (("release",), "onyx@" + "aB3" * 10),
    ],
)
def test_what_is_not_of_its_format_is_a_text_like_others(path: tuple[str], value: str) -> None:
    assert scrubber()({path[0]: value})[path[0]] == text(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", "0f1e2d3c4b5a"),
        ("event_id", "0f1e2d3c4b5a6978"),
        ("event_id", "0f1e2d3c" * 4),
        ("event_id", "0f1e2d3c" * 8),
        ("event_id", RUN),
        ("event_id", "123456789012"),
        ("event_id", "1234567890123456"),
        ("timestamp", "2026-11-27T09:00:00Z"),
        ("timestamp", "2026-11-27T09:00:00.1+01:00"),
        ("release", "onyx@1.4"),
        ("release", "a@1.2.3.4"),
        ("release", "onyx-api@1.4.2-rc1"),
        ("release", "onyx@0f1e2d3"),
        ("release", "onyx@0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"),
    ],
)
def test_what_is_of_its_format_is_kept_as_it_is(field: str, value: str) -> None:
    assert scrubber()({field: value})[field] == value


@pytest.mark.parametrize(
    "link",
    [
        f"https://dagster.example.org/runs/{RUN}",
        f"http://localhost:3000/runs/{RUN}",
        f"https://example.org/a/b_c/d-e/F/runs/{RUN}",
    ],
)
def test_the_link_of_a_run_is_kept(link: str) -> None:
    told = scrubber()({"contexts": {"dagster": {"run_url": link}}})

    assert told == {"contexts": {"dagster": {"run_url": link}}}


@pytest.mark.parametrize(
    "link", [f"https://u:p@example.org/runs/{RUN}", f"https://x/runs/{RUN}?a=b", f"x/runs/{RUN}"]
)
def test_another_link_is_a_text(link: str) -> None:
    told = scrubber()({"contexts": {"dagster": {"run_url": link}}})

    assert told == {"contexts": {"dagster": {"run_url": text(link)}}}


def test_a_user_is_the_same_pseudonym_everywhere_and_of_any_type() -> None:
    told = scrubber()({"user": {"id": 4711}, "contexts": {"error_context": {"user_id": "4711"}}})

    assert told == {"user": {"id": USER}, "contexts": {"error_context": {"user_id": USER}}}


def test_without_a_key_there_is_no_pseudonym() -> None:
    assert scrubbing.Scrubber()({"user": {"id": "4711", "session_id": "s-1"}}) == {"user": {}}


def test_nobody_is_no_pseudonym() -> None:
    assert scrubber()({"user": {"id": ""}}) == {"user": {}}


def test_yes_and_no_are_nobodys() -> None:
    assert scrubber()({"user": {"id": True}}) == {"user": {"id": True}}


def test_another_key_is_another_pseudonym() -> None:
    assert scrubbing.Scrubber(pseudonym_key="other").pseudonym("4711") != USER


def test_no_secretleaves_of_from_any_place() -> None:
    """Some of each kind; all 500 in every place is `python -m bench scrubbing`."""
    clean = scrubber()
    leaks = [
        (secret.kind, slot)
        for secret in corpus.secrets(16, 2 * len(corpus.KINDS))
        for slot in corpus.SLOTS
        if secret.is_in(json.dumps(clean(corpus.planted(slot, secret)), ensure_ascii=False))
    ]

    assert leaks == []
