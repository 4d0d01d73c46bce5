from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.load_test.k6.binary import K6, find_k6


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch, k6: K6) -> None:
    monkeypatch.setenv("K6_BINARY", str(k6.path))

    assert find_k6() == k6


def test_what_is_no_k6_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "k6"
    program.write_text("#!/bin/sh\necho something else\n")
    program.chmod(0o755)
    monkeypatch.setenv("K6_BINARY", str(program))

    with pytest.raises(SettingsError, match="is no k6"):
        find_k6()


def test_a_k6_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "k6"
    program.write_text("#!/bin/sh\necho 'k6 v0.30.0 (x)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("K6_BINARY", str(program))

    with pytest.raises(SettingsError, match="too old"):
        find_k6()


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K6_BINARY", "/nowhere/k6")

    with pytest.raises(SettingsError, match="/nowhere/k6"):
        find_k6()


def test_newer_versions_are_told_in_their_own_words_to_print_no_summary(tmp_path: Path) -> None:
    assert K6(tmp_path, "1.1.0").summary_option == "--no-summary"
    assert K6(tmp_path, "2.2.0").summary_option == "--summary-mode=disabled"
