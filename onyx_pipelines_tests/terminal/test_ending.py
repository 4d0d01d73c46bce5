"""How commands end: exit codes, errors for people and for programs, signals, readers that leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import (
    AlreadyRunningError,
    IntegrityError,
    OnyxError,
    SettingsError,
    SourceError,
)
from onyx_pipelines.terminal.ending import ended, unwinding_signals
from onyx_pipelines_tests.fixtures_sandbox import COMMAND, HostUnderTest


def raising(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IntegrityError("An object is not what it was.", remedy="Use another set."), 1),
        (SettingsError("A setting is missing.", remedy="Set it."), 2),
        (AlreadyRunningError("A backup is running.", remedy="Wait."), 2),
    ],
)
def test_an_error_is_what_happened_and_what_to_do(
    capsys: pytest.CaptureFixture[str], error: OnyxError, status: int
) -> None:
    assert ended(raising(error), []) == status

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {error.what}\n  {error.remedy}\n"


def test_a_program_gets_it_as_json_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(SettingsError("[/x] \x1b[2J\udcff", remedy="Set it.")), ["--json"]) == 2

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "error": {
            "what": "[/x] \x1b[2J\udcff",
            "remedy": "Set it.",
            "code": "settings",
            "page": "docs/error_codes.md#settings",
        }
    }
    assert captured.out.isascii()
    assert "\x1b" not in captured.out


def test_what_a_program_said_cannot_pass_for_ours(capsys: pytest.CaptureFixture[str]) -> None:
    ended(raising(SourceError("pg_dump failed: no\nerror: all is well", remedy="Look.")), [])

    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: pg_dump failed: no", "  | error: all is well", "  Look."]


def test_a_fault_of_ours_is_no_verdict_and_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(ValueError("the secret 1234")), ["--json"]) == 2

    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == "unexpected"
    assert captured.err.splitlines()[-2] == "error: This program has a fault (ValueError)."
    assert "1234" not in captured.out


def test_what_the_machine_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(PermissionError(13, "Permission denied", "/srv/x")), []) == 2

    assert "Permission denied: /srv/x" in capsys.readouterr().err


@pytest.fixture
def _as_a_shell_starts_us() -> Iterator[None]:
    """Other tests of this process may have left handlers of theirs."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("_as_a_shell_starts_us")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_one_line_after_what_must_be_undone(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    undone = []

    def command() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            undone.append(number)

    with unwinding_signals():
        status = ended(command, [])

    assert (status, undone) == (128 + number, [number])
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"interrupted by {number.name}; nothing half-written is listed"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_program_gets_an_interruption_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(KeyboardInterrupt()), ["--json"]) == 130

    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


class TestReadersThatLeave:
    """In a process of its own, whose standard streams are real ones."""

    def test_the_command_keeps_its_exit_code_and_says_nothing(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        done = run_with_output(writing, "--help")

        assert (done.returncode, done.stderr) == (0, "")

    def test_work_goes_on_to_its_end(self, volume_host: HostUnderTest) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        done = run_with_output(writing, "backup", "run")

        assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
        assert len(volume_host.listed()) == 1

    def test_an_answer_that_cannot_be_written_is_an_error(self, volume_host: HostUnderTest) -> None:
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            done = run_with_output(full.fileno(), "catalog", "list", "--json")

        assert done.returncode == 2
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_encoding_without_a_character_shows_its_escape(
        self, volume_host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTHONIOENCODING", "ascii")
        done = run_with_output(subprocess.DEVNULL, "catalog", "show", "größe")

        assert done.returncode == 2
        assert "gr\\xf6\\xdfe" in done.stderr


def run_with_output(descriptor: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        stdout=descriptor,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
