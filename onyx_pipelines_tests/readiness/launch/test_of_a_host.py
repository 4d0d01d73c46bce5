"""The checklist of a real host: a command, what people show, and nothing that keeps it from an
answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.commit import commit_of
from onyx_pipelines.readiness.launch.evidence import EvidenceFolder, evidence_for
from onyx_pipelines.readiness.launch.looking import of_host
from onyx_pipelines.readiness.launch.reviewing import review
from onyx_pipelines.readiness.launch.verdicts import ItemResult
from onyx_pipelines_tests.fixtures_sandbox import DEAD_PORT, DEAD_URL, HostUnderTest

SECRET = "s3cr3t-pass"
ITEM = "rollback-rehearsed"


def checked(host: HostUnderTest, item_id: str) -> ItemResult:
    """What comes of an item of the section on deployment."""
    found = review(host.settings, checklist().of_sections(["deployment"]))
    return next(each for each in found.results if each.item_id == item_id)


def test_with_everything_down_every_item_has_a_line_and_no_secret(
    volume_host: HostUnderTest,
) -> None:
    volume_host.set(
        PG_HOST="127.0.0.1",
        PG_PORT=DEAD_PORT,
        PG_PASSWORD=SECRET,
        QDRANT_URL=DEAD_URL,
        PROMETHEUS_URL=DEAD_URL,
        PUBLIC_URL=f"https://ada:{SECRET}@127.0.0.1:{DEAD_PORT}",
        DAGSTER_PUBLIC_URL=DEAD_URL,
        DOCS_URL=DEAD_URL,
        ERROR_TRACKER_URL=DEAD_URL,
        OFFSITE_URL=f"file://{volume_host.root}/not-mounted",
    )

    found = review(volume_host.settings)

    assert [each.item_id for each in found.results] == [each.id for each in checklist().items]
    assert all(each.found for each in found.results)
    assert "has a fault" not in found.model_dump_json()
    assert SECRET not in found.model_dump_json()
    assert not found.is_ready(checklist())


def test_a_look_that_hangs_keeps_nobody_waiting(
    volume_host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_host, "host", lambda *_: Event().wait(60))
    asked = checklist().of_sections(["infrastructure"])

    found = review(volume_host.settings, asked, limit_s=1)

    slow = next(each for each in found.results if each.item_id == "clock-is-right")
    assert (slow.verdict, slow.found) == (Verdict.COULD_NOT_VERIFY, "No answer within 1 s.")


def test_a_look_with_a_fault_leaves_all_others(
    volume_host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_host, "host", lambda *_: 1 / 0)

    found = review(volume_host.settings, checklist().of_sections(["infrastructure"]))

    odd = next(each for each in found.results if each.item_id == "clock-is-right")
    assert "ZeroDivisionError" in odd.found
    assert len(found.results) > 5


class TestTheCommand:
    def test_what_fails_and_blocks_is_exit_code_1(self, volume_host: HostUnderTest) -> None:
        answer = volume_host.onyx("launch", "check", "--section", "communications")

        assert answer.status == 1
        assert "Not ready to go live." in answer.output
        assert "somebody-is-told" in answer.output
        assert "ONYX_SMTP_HOST" in answer.output

    def test_what_could_not_be_verified_alone_is_exit_code_2(
        self, volume_host: HostUnderTest
    ) -> None:
        answer = volume_host.onyx("launch", "check", "--section", "deployment", "--json")

        assert answer.status == 2
        assert answer.json["verdict"] == "could_not_verify"
        assert "images-pinned" in answer.json["blockers"]

    def test_a_section_that_is_none_is_an_error_that_names_them(
        self, volume_host: HostUnderTest
    ) -> None:
        answer = volume_host.onyx("launch", "check", "--section", "weather")

        assert answer.status == 2
        assert "communications" in answer.errors


class TestEvidence:
    def test_what_a_person_has_shown_passes(self, volume_host: HostUnderTest) -> None:
        said = volume_host.onyx("launch", "evidence", ITEM, "--by", "Ada", "--note", "6 minutes")

        item = checked(volume_host, ITEM)
        assert said.status == 0, said.everything
        assert item.verdict is Verdict.PASSED
        assert item.found.startswith("6 minutes (Ada, ")
        assert "launch.evidence" in volume_host.onyx("audit", "show").output

    def test_a_file_counts_for_as_long_as_it_is_the_same(self, volume_host: HostUnderTest) -> None:
        report = volume_host.root / "scan.json"
        report.write_text("{}", encoding="utf-8")
        shown = ("launch", "evidence", "migrations-tried", "--by", "Ada", "--file", report)
        assert volume_host.onyx(*map(str, shown)).status == 0
        assert checked(volume_host, "migrations-tried").verdict is Verdict.PASSED

        report.write_text("{ }", encoding="utf-8")
        assert checked(volume_host, "migrations-tried").verdict is Verdict.FAILED
        report.unlink()
        assert checked(volume_host, "migrations-tried").verdict is Verdict.COULD_NOT_VERIFY

    def test_it_ends_as_the_item_says(self, volume_host: HostUnderTest) -> None:
        asked, long_ago = checklist(), datetime.now(UTC) - timedelta(days=91)
        item, shown = evidence_for(asked, ITEM, by="Ada", note="6 minutes", now=long_ago)
        EvidenceFolder(volume_host.settings).keep(item, shown)

        assert "counts for 90 days" in checked(volume_host, ITEM).found

    def test_withdrawing_is_a_dry_run_until_it_is_meant(self, volume_host: HostUnderTest) -> None:
        volume_host.onyx("launch", "evidence", ITEM, "--by", "Ada", "--note", "6 minutes")
        withdraw = ("launch", "withdraw", ITEM, "--by", "Grace")

        assert "Would withdraw" in volume_host.onyx(*withdraw).output
        assert checked(volume_host, ITEM).verdict is Verdict.PASSED
        assert volume_host.onyx(*withdraw, "--yes").status == 0
        assert checked(volume_host, ITEM).verdict is Verdict.COULD_NOT_VERIFY
        assert volume_host.onyx(*withdraw, "--yes").status == 2

    @pytest.mark.parametrize(
        ("item_id", "given", "said"),
        [
            ("no-such-item", {"note": "x"}, "has no item no-such-item"),
            ("clock-is-right", {"note": "x"}, "nobody's word stands for it"),
            (ITEM, {}, "exactly one"),
            (ITEM, {"note": "x", "link": "y"}, "exactly one"),
            (ITEM, {"note": "x", "by": " "}, "--by"),
            (ITEM, {"file": Path("/no/such/file")}, "cannot be read"),
        ],
    )
    def test_what_shows_nothing_is_refused(
        self, item_id: str, given: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(OnyxError, match=said):
            evidence_for(checklist(), item_id, **{"by": "Ada", "now": datetime.now(UTC), **given})

    def test_a_damaged_record_is_not_a_yes(self, volume_host: HostUnderTest) -> None:
        volume_host.onyx("launch", "evidence", ITEM, "--by", "Ada", "--note", "6 minutes")
        record = volume_host.settings.state_dir / "launch" / "evidence" / f"{ITEM}.json"
        record.write_text("{", encoding="utf-8")

        assert checked(volume_host, ITEM).verdict is Verdict.COULD_NOT_VERIFY


def test_the_commit_is_that_of_the_recipe_or_else_the_release(tmp_path: Path) -> None:
    released = load_settings({"sentry_release": "onyx@1.4.2", "recipe": (tmp_path,)})

    assert commit_of(released) == "onyx@1.4.2"
