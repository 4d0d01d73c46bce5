"""A program that the sandbox's monitoring lacks is named with its package, and left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.sandbox.monitoring.programs import Program, all_there

HERE, LACKING = Program("sh", "dash"), Program("no-such-exporter", "prometheus-no-such-exporter")


def test_what_lacks_a_program_is_left_out_and_its_package_is_said() -> None:
    said: list[str] = []

    assert not all_there(said.append, "Redis", HERE, LACKING)
    assert said == ["Left out: Redis. Debian has it: apt-get install prometheus-no-such-exporter"]


def test_of_what_is_complete_nothing_is_said() -> None:
    said: list[str] = []

    assert all_there(said.append, "a shell", HERE)
    assert said == []


def test_a_server_is_found_though_its_directory_is_not_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    found = Program("chroot", "coreutils").path

    assert found is not None
    assert Path(found).parent in (Path("/usr/sbin"), Path("/usr/local/sbin"))
