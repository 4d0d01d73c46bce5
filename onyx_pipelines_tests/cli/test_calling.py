"""Every command explains itself, and says in few words that it was called wrongly."""

from __future__ import annotations

import json

import pytest

from onyx_pipelines_tests.cli.all_commands import call, is_group, options_of, words_of_all

ALL = sorted(words_of_all())
GROUPS = [words for words in ALL if is_group(words)]
LISTING = [
    ("keys", name) for name in ("leads", "recipients", "signers")
]  # what they list without a command
WITH_JSON = [words for words in ALL if "--json" in options_of(words)]


def named(words: tuple[str, ...]) -> str:
    return " ".join(words)


def test_the_commands_are_found() -> None:
    assert {("restore",), ("keys", "create"), ("load-test", "baseline", "promote")} <= set(ALL)


@pytest.mark.parametrize("words", [(), *ALL], ids=named)
def test_help_is_shown(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    answer = call(capsys, *words, "--help")

    assert (answer.status, answer.errors) == (0, "")
    assert answer.output.startswith(f"Usage: onyx {named(words)}".rstrip())


def test_help_has_the_brackets_that_it_was_written_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = " ".join(call(capsys, "restore", "--help").output.split())

    assert "postgresql://USER@HOST:PORT[/DATABASE]" in text.replace("[/ DATABASE]", "[/DATABASE]")


def test_without_a_word_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys).output == call(capsys, "--help").output


@pytest.mark.parametrize("words", ALL, ids=named)
def test_an_option_that_there_is_not_is_two_lines_and_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    answer = call(capsys, *words, "--no-such-option")

    first, second = answer.errors.splitlines()
    assert (answer.status, answer.output) == (2, "")
    assert first.startswith("error: ")
    assert "--no-such-option" in first
    assert "There are: " in second or f"`onyx {named(words)} --help`" in second


@pytest.mark.parametrize("words", ALL, ids=named)
def test_a_word_too_many_is_two_lines_and_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    answer = call(capsys, *words, *["too", "many", "words", "by", "far"])

    assert (answer.status, answer.output) == (2, "")
    assert len(answer.errors.splitlines()) == 2


@pytest.mark.parametrize("words", [w for w in GROUPS if w not in LISTING], ids=named)
def test_a_group_without_a_command_names_them(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    answer = call(capsys, *words)

    first, second = answer.errors.splitlines()
    assert (answer.status, answer.output) == (2, "")
    assert "Missing command" in first
    assert all(each[-1] in second for each in ALL if each[:-1] == words)


@pytest.mark.parametrize("words", WITH_JSON, ids=named)
def test_a_program_gets_a_wrong_call_as_json(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    answer = call(capsys, *words, "--json", "--no-such-option")

    error = json.loads(answer.output)["error"]
    assert answer.status == 2
    assert error["code"] == "usage"
    assert set(error) == {"what", "remedy", "code", "page"}
    assert error["what"] in answer.errors


def test_a_wrong_value_names_the_option_and_what_it_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = call(capsys, "backup", "run", "--type", "[red]hourly[/red]")

    assert answer.status == 2
    assert "--type" in answer.errors
    assert "daily" in answer.errors


def test_a_terminal_sequence_in_a_wrong_word_is_not_sent_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = call(capsys, "catalog", "\x1b[31mlist\u202e\udcff")

    assert answer.status == 2
    assert "\x1b" not in answer.errors
    assert len(answer.errors.splitlines()) == 2
