"""`onyx audit show|verify|accept`, and what the other commands leave in the trail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onyx_pipelines.audit import AuditRecord, Trail
from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.planting import plant, replaced

runner = CliRunner()


def onyx(*arguments: object) -> Any:
    return runner.invoke(app, [str(each) for each in arguments])


def trail_of(host: HostUnderTest) -> list[AuditRecord]:
    return list(Trail.of(host.settings).records())


def ends(host: HostUnderTest) -> list[tuple[str, str, str]]:
    return [
        (record.action, record.result.outcome.value, record.result.verdict)
        for record in trail_of(host)
        if record.result
    ]


def tamper(host: HostUnderTest) -> None:
    path = Trail.of(host.settings).path
    plant(path, replaced(b"keys.create", b"keys.nothing", 1))


@pytest.fixture
def host(volume_host: HostUnderTest) -> HostUnderTest:
    """With one recorded operation."""
    assert onyx("keys", "create", "--path", volume_host.root / "second.json").exit_code == 0
    return volume_host


class TestTheOtherCommands:
    def test_a_backup_and_what_is_done_with_it_are_recorded(
        self, volume_host: HostUnderTest
    ) -> None:
        onyx("backup", "run", "--json")
        [backup_id] = volume_host.listed()
        onyx("hold", "latest", "--reason", "for the audit")
        onyx("release", backup_id[:8])
        onyx("verify", "latest", "--store", "offsite")
        onyx("prune", "--yes")

        assert ends(volume_host) == [
            ("backup.run", "ok", "completed"),
            ("hold", "ok", ""),
            ("release", "ok", ""),
            ("verify", "ok", "intact"),
            ("prune", "ok", "pruned 0"),
        ]
        about = [record.backup_id for record in trail_of(volume_host) if record.result]
        assert about == [backup_id] * 4 + [None]

    def test_changes_of_keys_and_recipients_are_recorded(self, host: HostUnderTest) -> None:
        public = host.root / "public.json"
        entry = json.loads(host.recipients.read_text(encoding="utf-8"))
        public.write_text(json.dumps(entry["recipients"][0]["public_keyset"]), encoding="utf-8")
        onyx("keys", "recipients", "remove", "test host")
        onyx("keys", "recipients", "add", "nonsense", host.root / "second.json")
        onyx("keys", "escrow", host.root / "escrow.json")
        onyx("keys", "rewrap", "--yes")

        assert [(action, outcome) for action, outcome, _ in ends(host)] == [
            ("keys.create", "ok"),
            ("keys.recipients.remove", "ok"),
            ("keys.recipients.add", "failed"),
            ("keys.escrow", "ok"),
            ("keys.rewrap", "ok"),
        ]

    @pytest.mark.parametrize(
        "command", [("prune",), ("keys", "rewrap"), ("catalog", "list"), ("audit", "verify")]
    )
    def test_what_changes_nothing_is_not_recorded(
        self, volume_host: HostUnderTest, command: tuple[str, ...]
    ) -> None:
        onyx(*command)

        assert trail_of(volume_host) == []

    def test_a_drill_is_recorded_with_its_verdict(self, volume_host: HostUnderTest) -> None:
        volume_host.set(REPORTS_DIR=volume_host.root / "reports")
        backup_id = volume_host.run().backup_id

        onyx("drill", "latest", "--from", "local", "--json")

        record = trail_of(volume_host)[-1]
        assert ends(volume_host) == [("drill", "ok", "passed")]
        assert record.backup_id == backup_id

    def test_a_backup_beside_another_task_is_recorded_as_refused(
        self, volume_host: HostUnderTest
    ) -> None:
        with ExclusiveLock(volume_host.settings.state_dir, "load test"):
            onyx("backup", "run")

        assert ends(volume_host) == [("backup.run", "refused", "already_running")]

    def test_a_failure_is_recorded_with_its_reason(self, volume_host: HostUnderTest) -> None:
        onyx("hold", "no-such-set")

        result = trail_of(volume_host)[-1].result
        assert result
        assert (result.outcome.value, result.detail) == (
            "failed",
            "There is no backup set no-such-set.",
        )

    def test_no_secret_of_the_host_is_in_the_trail_or_its_copies(self, host: HostUnderTest) -> None:
        onyx("keys", "escrow", host.root / "escrow.json")
        onyx("backup", "run")

        said = "".join(path.read_text(encoding="utf-8") for path in host.root.rglob("*.jsonl"))
        assert "keys.escrow" in said
        assert [secret for secret in host.secrets() if secret in said] == []


class TestShow:
    def test_json_gives_the_records_as_they_are(self, host: HostUnderTest) -> None:
        shown = json.loads(onyx("audit", "show", "--json").stdout)

        assert [(each["sequence"], each["phase"]) for each in shown] == [(1, "begin"), (2, "end")]
        assert shown[1]["previous"] == shown[0]["hash"]
        assert shown[0]["parameters"] == {"path": str(host.root / "second.json")}

    def test_the_table_says_who_did_what_with_which_result(self, host: HostUnderTest) -> None:
        host.patch.setenv("COLUMNS", "240")

        answer = host.onyx("audit", "show")

        assert answer.status == 0
        assert "keys.create" in answer.output
        assert "ok (created)" in answer.output
        assert f"{trail_of(host)[0].origin.actor}@" in answer.output

    def test_a_reason_with_markup_is_shown_as_it_is(self, volume_host: HostUnderTest) -> None:
        onyx("hold", "[red]x[/blue]", "--reason", "password=abcdefgh")

        answer = onyx("audit", "show")

        said = "".join(answer.stdout.split())
        assert answer.exit_code == 0
        assert "[secret]" in said
        assert "abcdefgh" not in said

    def test_actions_and_sets_can_be_chosen(self, host: HostUnderTest) -> None:
        onyx("hold", "no-such-set")

        chosen = json.loads(onyx("audit", "show", "--action", "hold", "--json").stdout)
        none = json.loads(onyx("audit", "show", "--backup-id", "ffff", "--json").stdout)
        newest = json.loads(onyx("audit", "show", "--last", "1", "--json").stdout)

        assert {each["action"] for each in chosen} == {"hold"}
        assert none == []
        assert [each["sequence"] for each in newest] == [4]

    def test_the_copies_can_be_shown_when_the_host_is_lost(self, host: HostUnderTest) -> None:
        shutil.rmtree(host.settings.state_dir)

        shown = json.loads(onyx("audit", "show", "--from", "offsite", "--json").stdout)

        assert [each["action"] for each in shown] == ["keys.create", "keys.create"]

    def test_no_operation_is_an_empty_list(self, volume_host: HostUnderTest) -> None:
        assert json.loads(onyx("audit", "show", "--json").stdout) == []


class TestVerify:
    def test_an_intact_trail_answers_zero(self, host: HostUnderTest) -> None:
        answer = onyx("audit", "verify", "--json")

        said = json.loads(answer.stdout)
        assert answer.exit_code == 0
        assert (said["ok"], said["verdict"], said["findings"]) == (True, "intact", [])
        assert [(each["place"], each["records"]) for each in said["trails"]] == [
            ("this host", 2),
            ("local", 2),
            ("offsite", 2),
        ]

    def test_an_edited_record_answers_one_and_names_its_line(self, host: HostUnderTest) -> None:
        tamper(host)

        answer = onyx("audit", "verify", "--json")
        table = onyx("audit", "verify")

        said = json.loads(answer.stdout)
        assert (answer.exit_code, said["ok"], said["verdict"]) == (1, False, "damaged")
        assert (said["findings"][0]["severity"], said["findings"][0]["line"]) == ("problem", 1)
        assert table.exit_code == 1
        assert "trail.jsonl, line 1: this is not record 1 as it was written" in table.stdout

    def test_a_torn_last_line_is_named_and_answers_zero(self, host: HostUnderTest) -> None:
        with Trail.of(host.settings).path.open("ab") as file:
            file.write(b'{"action":"ho')

        answer = onyx("audit", "verify")

        assert answer.exit_code == 0
        assert "torn, at line 3" in answer.stdout

    def test_a_store_that_cannot_be_asked_answers_two(self, host: HostUnderTest) -> None:
        shutil.rmtree(host.offsite_dir)

        answer = onyx("audit", "verify", "--json")

        assert answer.exit_code == 2
        assert list(json.loads(answer.stdout)["stores_not_asked"]) == ["offsite"]

    @pytest.mark.parametrize("store", ["offsite", "local-store"])
    def test_a_store_alone_is_enough(self, host: HostUnderTest, store: str) -> None:
        shutil.rmtree(host.settings.state_dir)

        answer = onyx("audit", "verify", "--from", store, "--json")

        assert answer.exit_code == 0
        assert json.loads(answer.stdout)["trails"][0]["records"] == 2

    def test_an_edited_copy_answers_one(self, host: HostUnderTest) -> None:
        [segment] = host.offsite_dir.rglob("*.jsonl")
        plant(segment, replaced(b"keys.create", b"keys.nothing"))

        assert onyx("audit", "verify", "--from", "offsite").exit_code == 1
        assert onyx("audit", "verify").exit_code == 1
        assert onyx("audit", "verify", "--from", "local-store").exit_code == 0

    def test_a_store_without_any_copy_is_an_error(self, volume_host: HostUnderTest) -> None:
        answer = onyx("audit", "verify", "--from", "offsite")

        assert isinstance(answer.exception, NotFoundError)

    def test_no_second_store_is_an_error(self, volume_host: HostUnderTest) -> None:
        volume_host.set(OFFSITE_URL=None)

        answer = onyx("audit", "verify", "--from", "offsite")

        assert isinstance(answer.exception, OnyxError)


def test_a_lost_state_directory_is_reported_until_somebody_accepts_it(
    host: HostUnderTest,
) -> None:
    lost = trail_of(host)[0].trail
    shutil.rmtree(host.settings.state_dir)
    Path(host.settings.state_dir).mkdir()
    before = onyx("audit", "verify")

    accepted = onyx("audit", "accept", lost, "--reason", "the disk was replaced")
    after = onyx("audit", "verify")

    assert (before.exit_code, accepted.exit_code, after.exit_code) == (1, 0, 0)
    assert f"onyx audit accept {lost}" in before.stdout
    assert trail_of(host)[0].parameters["reason"] == "the disk was replaced"
