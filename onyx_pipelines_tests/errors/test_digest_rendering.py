"""The digest for people: what an error says is foreign text, and each figure has its rule."""

from __future__ import annotations

import pytest

from onyx_pipelines.errors.digest_rendering import digest_mail, digest_page, digest_text
from onyx_pipelines_tests.errors.made_digests import busy_digest, digest, issue

HOSTILE = "<script>alert(1)</script> \u202e & <a href=//evil>"
VOICES = pytest.mark.parametrize("voice", [digest_page, digest_mail, digest_text])
PAGES = pytest.mark.parametrize("voice", [digest_page, digest_mail])


@PAGES
def test_what_an_error_says_becomes_no_element(voice: object) -> None:
    page = voice(digest(issue(1, title=HOSTILE)))  # type: ignore[operator]  # a function

    assert "<script" not in page
    assert "<a href=//" not in page
    assert "&lt;script&gt;" in page


@VOICES
def test_nothing_turns_the_writing_direction(voice: object) -> None:
    assert "\u202e" not in voice(digest(issue(1, title=HOSTILE)))  # type: ignore[operator]  # a function


@VOICES
def test_an_address_of_another_kind_is_no_link(voice: object) -> None:
    assert "javascript:" not in voice(digest(issue(1, url="javascript:alert(1)")))  # type: ignore[operator]  # a function


@VOICES
def test_each_issue_is_named_counted_and_linked(voice: object) -> None:
    text = voice(busy_digest())  # type: ignore[operator]  # a function

    for said in ("ONYX-7", "312", "41", "https://bugsink.example.org/issues/issue/31/event/last/"):
        assert said in text


@VOICES
def test_the_rule_stands_beside_the_error_rate(voice: object) -> None:
    assert "without 404 and 429 (excluded_statuses)" in voice(busy_digest())  # type: ignore[operator]  # a function


@VOICES
def test_a_day_without_errors_says_so(voice: object) -> None:
    quiet = digest(rates=None, rates_problem="No Prometheus is configured.")

    text = voice(quiet)  # type: ignore[operator]  # a function

    assert "No error reached Bugsink." in text
    assert "No Prometheus is configured." in text


def test_the_mail_needs_no_variable_and_no_script_and_has_a_dark_side() -> None:
    mail = digest_mail(busy_digest())

    assert "var(--" not in mail
    assert "<script" not in mail
    assert "prefers-color-scheme:dark" in mail


def test_what_waits_for_the_tracker_is_said() -> None:
    assert "Not delivered: 4 (the oldest since 2026-11-27 08:14 UTC; 1 lost so far)" in digest_text(
        busy_digest()
    )
