"""What the front end decides by rules that Python has too: the same, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product
from typing import Final

import pytest

from onyx_pipelines.errors.answers import ruling
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.errors.source_lines import around
from onyx_pipelines.sandbox.suna.module import SOURCE
from onyx_pipelines_tests.errors import corpus
from onyx_pipelines_tests.errors.node_lines import NodeLines, node_lines

STATUSES: Final = (200, 201, 204, 302, 400, 401, 403, 404, 413, 415, 422, 429, 500, 502, 503)
BODIES: Final = (
    "",
    " \n",
    '{"id": "0f"}',
    "{}",
    "[]",
    "3",
    "null",
    "<html>please sign in</html>",
    '{"id": ',
    "[" * 65_536,
    "\ufeff{}",
    '{"message": "[\'Event already exists\']"}',
)
LIMITS: Final = (
    "",
    "60",
    "60:error:organization",
    "60::key",
    "60:default;error:key",
    "86400:transaction;span:organization",
    "86400:transaction:organization, 5:error:key",
    "999999:error:key",
    "soon:error",
    " 7 : error ",
    "-5:error",
    "1.5:error",
    ",,",
)


def _waits() -> list[str]:
    """What `Retry-After` may say: seconds, dates of the three forms, and neither."""
    now = datetime.now(UTC)
    ahead, past = now + timedelta(days=2), now - timedelta(days=2)
    return [
        *("", "0", "3", " 30 ", "1.5", "100000", "-1", "soon", "in 2030", "5 s", "2030"),
        *(format_datetime(each, usegmt=True) for each in (ahead, past)),
        *(each.strftime("%A, %d-%b-%y %H:%M:%S GMT") for each in (ahead, past)),
        *(each.strftime("%a %b %d %H:%M:%S %Y") for each in (ahead, past)),
        ahead.strftime("%a, %d %b %Y %H:%M:%S +0200"),
        "Foo, 99 Bar 2030 99:99:99 GMT",
    ]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeLines]:
    with node_lines("node_twins.mjs", SOURCE) as started:
        yield started


def test_a_trackers_answer_means_the_same(node: NodeLines) -> None:
    cases = [
        *((status, {}, body) for status, body in product(STATUSES, BODIES)),
        *(
            (status, {"x-sentry-rate-limits": limit}, "")
            for status, limit in product((200, 400, 429, 503), LIMITS)
        ),
        *((429, {"retry-after": wait}, "") for wait in _waits()),
        (429, {"x-sentry-rate-limits": "7:error", "retry-after": "30"}, ""),
        (429, {"x-sentry-rate-limits": "7:span", "retry-after": "30"}, ""),
    ]

    told = [
        node({"twin": "ruling", "status": status, "headers": headers, "body": body})
        for status, headers, body in cases
    ]

    expected = [
        ruling(status, headers, body.encode(), datetime.now(UTC)) for status, headers, body in cases
    ]
    differ = [
        (case, theirs, ours)
        for case, theirs, ours in zip(cases, told, expected, strict=True)
        if (theirs["fate"], theirs["waitMs"]) != (ours.fate.value, 1000 * ours.wait_s)
    ]
    assert differ == []


def test_a_date_within_the_hour_is_waited_for_as_long(node: NodeLines) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)

    told = node({"twin": "ruling", "status": 429, "headers": {"retry-after": at}, "body": ""})

    assert told["waitMs"] == pytest.approx(1_800_000, abs=60_000)


def test_the_same_lines_of_source_leave(node: NodeLines) -> None:
    said = [
        line for each in corpus.secrets(20, len(corpus.KINDS)) for line in each.said.split("\n")
    ]
    lines = [*said, "x" * 180, "x" * 181, "\N{ROCKET}" * 180, "", "the last"]
    numbers = range(-1, len(lines) + 7)
    scrub = Scrubber().text

    told = [node({"twin": "around", "lines": lines, "number": number}) for number in numbers]

    assert told == [around(lines, number, scrub) for number in numbers]
