"""Which lines of source leave with a stack."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.errors.sdk_scrubbing import ScrubbingOfSdk
from onyx_pipelines.errors.source_lines import around
from onyx_pipelines.errors.system import System
from onyx_pipelines_tests.errors import corpus

LINES = [f"line {letter}\n" for letter in "abcdefghijklmnop"]


def same(text: str) -> str:
    return text


def said(number: int) -> Mapping[str, Any]:
    """Of the line with that number."""
    return around(LINES, number, same)


def test_five_lines_before_and_after_the_one_that_failed_leave() -> None:
    assert said(8) == {
        "pre_context": ["line c", "line d", "line e", "line f", "line g"],
        "context_line": "line h",
        "post_context": ["line i", "line j", "line k", "line l", "line m"],
    }


@pytest.mark.parametrize(
    ("number", "before", "after"), [(1, 0, 5), (3, 2, 5), (15, 5, 1), (16, 5, 0)]
)
def test_at_the_ends_of_a_file_there_are_fewer(number: int, before: int, after: int) -> None:
    found = said(number)

    assert (len(found["pre_context"]), len(found["post_context"])) == (before, after)


@pytest.mark.parametrize("number", [-3, 0, 17, 99])
def test_a_line_that_the_file_does_not_have_says_nothing(number: int) -> None:
    assert said(number) == {}


def test_a_line_that_nobody_wrote_by_hand_is_left_out() -> None:
    lines = ["x" * 180, "x" * 181]

    assert around(lines, 1, same)["post_context"] == ["…"]
    assert around(lines, 2, same) == {}


def test_each_line_is_scrubbed() -> None:
    lines = ["password = 'Falcon!1234'", "call()", "# ask bob@example.org"]

    assert around(lines, 2, Scrubber().text) == {
        "pre_context": ["password = [secret]"],
        "context_line": "call()",
        "post_context": ["# ask [email]"],
    }


def test_around_a_secret_of_several_lines_none_leaves() -> None:
    key = ["-----BEGIN PRIVATE KEY-----", "ab", "-----END PRIVATE KEY-----"]
    scrub = Scrubber().text

    assert around(["call()", *key], 1, scrub) == {}
    assert around([*key[1:], "call()"], 3, scrub) == {}


def test_no_secret_leaves_from_a_file_whatever_line_failed() -> None:
    """Beside what the corpus puts into the fields themselves."""
    scrub = Scrubber().text
    leaks = [
        (secret.kind, number)
        for secret in corpus.secrets(21, 3 * len(corpus.KINDS))
        for lines in [["import os", "", *secret.said.split("\n"), "", "os.abort()"]]
        for number in range(1, len(lines) + 1)
        if secret.is_in(json.dumps(around(lines, number, scrub), ensure_ascii=False))
    ]

    assert leaks == []


def frames_of(file: Path, settings: ErrorSettings) -> list[dict[str, Any]]:
    """As the SDK's event of an error in that file leaves."""
    from sentry_sdk.utils import event_from_exception

    with pytest.raises(ZeroDivisionError) as failure:
        runpy.run_path(str(file))
    options = {"include_source_context": False, "include_local_variables": False}
    event, _ = event_from_exception(
        failure.value, client_options={**options, "max_value_length": None}
    )
    scrubbing = ScrubbingOfSdk(settings, System("api", "1"), [])
    told = scrubbing.before_send({"event_id": "a" * 32, **event}, {})
    frames: list[dict[str, Any]] = told["exception"]["values"][-1]["stacktrace"]["frames"]
    return frames


def test_an_event_shows_where_in_the_source_it_failed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("token = 'sk-aB3aB3aB3aB3aB3'\n\n1 / 0\n")

    last = frames_of(tmp_path / "app.py", ErrorSettings())[-1]

    assert (last["lineno"], last["context_line"]) == (3, "1 / 0")
    assert last["pre_context"] == ["token = [secret]", ""]


def test_who_does_not_want_that_has_none(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("1 / 0\n")

    frames = frames_of(tmp_path / "app.py", ErrorSettings(error_source_lines=False))

    assert frames[-1]["lineno"] == 1
    assert not [each for each in frames if "context_line" in each]


def test_a_frame_without_a_file_says_nothing_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("exec(compile('1 / 0', '<template>', 'exec'))\n")

    assert "context_line" not in frames_of(tmp_path / "app.py", ErrorSettings())[-1]
