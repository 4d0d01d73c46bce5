"""Commands before and after a component's backup: in which order, and whatever happens."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from onyx_pipelines.backup.hooks import HookError, hooks_around
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sources.source import Component

Command = Sequence[str]


def _program(text: str) -> Command:
    return [sys.executable, "-c", text]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    (tmp_path / "trace").touch()
    return tmp_path / "trace"


def _noting(trace: Path, word: str, exit_status: int = 0) -> Command:
    return _program(f"open({str(trace)!r}, 'a').write('{word} '); raise SystemExit({exit_status})")


def _settings(before: Sequence[Command], after: Sequence[Command], limit_s: float = 60) -> Settings:
    hook = {"component": "qdrant", "before": before, "after": after, "time_limit_s": limit_s}
    return load_settings({"hooks": [hook], "pg_password": "correct-horse"})


def test_they_run_around_their_component_alone(trace: Path) -> None:
    settings = _settings([_noting(trace, "b1"), _noting(trace, "b2")], [_noting(trace, "a")])

    with hooks_around(settings, Component.QDRANT), trace.open("a") as file:
        file.write("work ")
    with hooks_around(settings, Component.POSTGRESQL):
        pass

    assert trace.read_text().split() == ["b1", "b2", "work", "a"]


def test_one_that_fails_before_stops_the_component_and_the_rest_still_runs_after(
    trace: Path,
) -> None:
    settings = _settings([_noting(trace, "b", 3), _noting(trace, "never")], [_noting(trace, "a")])

    with (
        pytest.raises(HookError, match=r"before qdrant .* failed \(3\)"),
        hooks_around(settings, Component.QDRANT),
    ):
        raise AssertionError("the component must not be read")

    assert trace.read_text().split() == ["b", "a"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_those_after_run_also_when_the_work_fails_or_is_interrupted(
    trace: Path, end: type[BaseException]
) -> None:
    settings = _settings([], [_noting(trace, "a1", 1), _noting(trace, "a2")])

    with pytest.raises(end), hooks_around(settings, Component.QDRANT):
        raise end

    assert trace.read_text().split() == ["a1", "a2"]


def test_one_that_fails_after_is_an_error_when_all_the_others_have_run(trace: Path) -> None:
    settings = _settings([], [_noting(trace, "a1", 1), _noting(trace, "a2")])

    with (
        pytest.raises(HookError, match="after qdrant"),
        hooks_around(settings, Component.QDRANT),
    ):
        pass

    assert trace.read_text().split() == ["a1", "a2"]


def test_one_that_takes_too_long_is_ended() -> None:
    settings = _settings([_program("import time; time.sleep(3600)")], [], limit_s=0.2)

    with pytest.raises(HookError, match="before qdrant"), hooks_around(settings, Component.QDRANT):
        pass


def test_no_shell_reads_its_words(tmp_path: Path) -> None:
    word = f"$(touch {tmp_path}/made); touch {tmp_path}/made"
    program = _program(f"import sys; raise SystemExit(sys.argv[1] != {word!r})")

    with hooks_around(_settings([[*program, word]], []), Component.QDRANT):
        pass

    assert not (tmp_path / "made").exists()


def test_what_it_says_is_in_the_log_without_secrets(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONYX_SMTP_PASSWORD", "another-horse")
    program = _program(
        "import os, sys; print('out correct-horse'); print('err correct-horse', file=sys.stderr);"
        "print([name for name in os.environ if name.startswith('ONYX_')])"
    )

    with caplog.at_level(logging.INFO), hooks_around(_settings([program], []), Component.QDRANT):
        pass

    said = caplog.text
    assert "out" in said
    assert "err" in said
    assert "[]" in said
    assert "horse" not in said


def test_what_a_failed_one_says_has_no_secret() -> None:
    program = _program("import sys; sys.exit('denied: correct-horse')")

    with (
        pytest.raises(HookError, match="denied") as failure,
        hooks_around(_settings([program], []), Component.QDRANT),
    ):
        pass

    assert "horse" not in str(failure.value)
