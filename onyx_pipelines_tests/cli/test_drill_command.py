"""`onyx drill` answers with a verdict, as JSON and as exit status."""

from __future__ import annotations

from pathlib import Path

from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.planting import flip_a_byte


def test_a_passed_drill_is_status_0_and_says_where_its_report_is(
    volume_host: HostUnderTest,
) -> None:
    volume_host.set(REPORTS_DIR=volume_host.root / "reports")
    volume_host.run()

    answer = volume_host.onyx("drill", "latest", "--from", "local", "--json")

    assert answer.status == 0
    assert answer.json["verdict"] == "passed"
    assert answer.json["components"]["volumes"]["verdict"] == "passed"
    assert Path(answer.json["report"]).is_file()


def test_a_failed_drill_is_status_1(volume_host: HostUnderTest) -> None:
    volume_host.set(REPORTS_DIR=volume_host.root / "reports")
    volume_host.run()
    sealed = next(volume_host.backups.rglob("*.tar.zst.sealed"))
    flip_a_byte(sealed, -1)

    answer = volume_host.onyx("drill", "latest", "--from", "local", "--json")

    assert answer.status == 1
    assert answer.json["verdict"] == "failed"


def test_an_unknown_set_is_status_2(volume_host: HostUnderTest) -> None:
    volume_host.run()

    answer = volume_host.onyx("drill", "00000000")

    assert answer.status == 2
    assert "There is no backup set 00000000" in answer.errors


def test_a_half_copied_set_is_status_1_and_a_verdict(volume_host: HostUnderTest) -> None:
    volume_host.run()
    next(volume_host.offsite_dir.rglob("manifest.json")).unlink()

    answer = volume_host.onyx("drill", "latest", "--from", "offsite", "--json")

    assert (answer.status, answer.json["error"]["code"]) == (1, "integrity")
    assert "half copied" in answer.json["error"]["what"]


def test_without_a_private_key_it_could_not_be_verified(volume_host: HostUnderTest) -> None:
    volume_host.run()
    volume_host.set(PRIVATE_KEY_FILE=None)

    answer = volume_host.onyx("drill", "latest", "--json")

    assert (answer.status, answer.json["error"]["code"]) == (2, "key-file")
