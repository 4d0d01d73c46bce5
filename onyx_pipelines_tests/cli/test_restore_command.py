"""`onyx restore`: says what it would do, does it only when confirmed, and leaves a record."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.audit import AuditRecord, Trail
from onyx_pipelines.backup import steps
from onyx_pipelines.core.progress import silent
from onyx_pipelines.restore.journal import RestoreJournal
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines_tests.fixtures_sandbox import DEAD_URL, VOLUME, HostUnderTest
from onyx_pipelines_tests.restore.doctored_source import DoctoredSource

pytestmark = pytest.mark.slow

GREETING = "hello\n" * 2000


def greeting(host: HostUnderTest) -> str:
    return (host.volume / "greeting.txt").read_text(encoding="utf-8")


def change(host: HostUnderTest) -> None:
    (host.volume / "greeting.txt").write_text("goodbye", encoding="utf-8")
    (host.volume / "later.txt").write_text("later", encoding="utf-8")


def trail_of(host: HostUnderTest) -> list[AuditRecord]:
    return list(Trail.of(host.settings).records())


@pytest.fixture
def host(volume_host: HostUnderTest) -> HostUnderTest:
    """With one set, and a volume that changed since."""
    volume_host.run()
    change(volume_host)
    return volume_host


class TestWithoutConfirm:
    def test_it_says_what_would_be_replaced_and_changes_nothing(self, host: HostUnderTest) -> None:
        answer = host.onyx("restore", "latest", "--plan")

        assert answer.status == 0
        assert "REPLACED" in answer.output
        assert str(host.volume) in answer.output
        assert "Nothing was changed" in answer.output
        assert greeting(host) == "goodbye"
        assert trail_of(host) == []

    def test_json_has_the_plan(self, host: HostUnderTest) -> None:
        plan = host.onyx("restore", "latest", "--json").json

        assert plan["backup_id"] == host.listed()[0]
        assert [(each["component"], each["overwrites"]) for each in plan["changes"]] == [
            ("volumes", True)
        ]
        assert plan["estimated_seconds"] is None
        assert "no drill has measured volumes" in plan["estimate_basis"]

    def test_the_estimate_comes_from_a_drill(self, host: HostUnderTest) -> None:
        host.set(REPORTS_DIR=host.root / "reports")
        host.onyx("drill", "latest", "--json")

        plan = host.onyx("restore", "latest", "--json").json

        assert 0 < plan["estimated_seconds"] < 60

    def test_no_set_is_named_or_both_answers_are_given(self, host: HostUnderTest) -> None:
        assert "Which backup set" in host.onyx("restore").errors
        both = host.onyx("restore", "latest", "--plan", "--confirm")
        assert (both.status, "exclude each other" in both.errors) == (2, True)


class TestConfirmed:
    def test_the_data_is_that_of_the_set(self, host: HostUnderTest) -> None:
        [backup_id] = host.listed()

        answer = host.onyx("restore", backup_id, "--confirm", "--json")

        assert answer.status == 0, answer.everything
        assert (answer.json["verdict"], greeting(host)) == ("passed", GREETING)
        assert not (host.volume / "later.txt").exists()

    def test_what_was_there_is_in_a_held_safety_backup(self, host: HostUnderTest) -> None:
        [backup_id] = host.listed()

        safety = host.onyx("restore", backup_id, "--confirm", "--json").json["safety_backup_id"]
        host.onyx("restore", safety, "--confirm", "--no-safety-backup")

        assert host.open().catalog.find(safety).held
        assert greeting(host) == "goodbye"
        assert (host.volume / "later.txt").exists()

    def test_without_a_safety_backup_there_is_one_set_still(self, host: HostUnderTest) -> None:
        host.onyx("restore", "latest", "--confirm", "--no-safety-backup")

        assert len(host.listed()) == 1
        assert greeting(host) == GREETING

    def test_a_safety_backup_that_fails_leaves_everything_as_it_was(
        self, host: HostUnderTest
    ) -> None:
        recipients = host.recipients.read_text(encoding="utf-8")
        host.recipients.unlink()

        answer = host.onyx("restore", "latest", "--confirm")
        host.recipients.write_text(recipients, encoding="utf-8")

        assert answer.status == 2
        assert "The safety backup failed, so nothing was touched" in answer.errors
        assert "--no-safety-backup" in answer.errors.replace("\n", "")
        assert greeting(host) == "goodbye"

    def test_into_another_directory_leaves_the_original(self, host: HostUnderTest) -> None:
        place = host.root / "elsewhere"

        answer = host.onyx(
            "restore", "latest", "--volume", VOLUME, "--into", str(place), "--confirm"
        )

        assert answer.status == 0, answer.everything
        assert (place / "greeting.txt").read_text(encoding="utf-8") == GREETING
        assert greeting(host) == "goodbye"

    def test_one_path_leaves_the_others(self, host: HostUnderTest) -> None:
        host.onyx(
            "restore", "latest", "--volume", VOLUME, "--path", "greeting.txt", "--confirm", "--json"
        )

        assert greeting(host) == GREETING
        assert (host.volume / "later.txt").exists()

    def test_the_audit_trail_says_what_came_of_it(self, host: HostUnderTest) -> None:
        [backup_id] = host.listed()

        host.onyx("restore", "latest", "--volume", VOLUME, "--confirm", "--json")

        begin, end = [each for each in trail_of(host) if each.action == "restore"]
        assert begin.parameters
        assert begin.parameters["volumes"] == [VOLUME]
        assert end.result
        assert (end.backup_id, end.result.verdict) == (backup_id, "passed")


class TestWithNothingButTheKeyAndAStore:
    def test_it_needs_no_state_no_local_store_and_no_dagster(self, host: HostUnderTest) -> None:
        """Another machine: a key, the second store, and a place to restore to."""
        for folder in ("state", "backups"):
            shutil.rmtree(host.root / folder)
        host.set(DAGSTER_HOME=None, RECIPIENTS_FILE=None)
        place = host.root / "new" / "data"
        place.parent.mkdir()

        answer = host.onyx("restore", "latest", "--into", str(place), "--confirm", "--json")

        assert answer.status == 0, answer.everything
        assert answer.json["store"] == "offsite"
        assert (place / VOLUME / "greeting.txt").read_text(encoding="utf-8") == GREETING

    def test_a_second_store_that_is_down_does_not_keep_the_first_from_serving(
        self, host: HostUnderTest
    ) -> None:
        host.set(
            OFFSITE_URL="s3://bucket/prefix",
            S3_ENDPOINT_URL=DEAD_URL,
            S3_ACCESS_KEY_ID="id",
            S3_SECRET_ACCESS_KEY="secret",
        )

        answer = host.onyx("restore", "latest", "--plan")

        assert answer.status == 0, answer.everything
        assert "The offsite store was not asked" in answer.errors


def test_of_a_set_that_is_nowhere_whole_the_rest_is_restored_by_its_id(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "note.txt").write_text("a note", encoding="utf-8")
    volume_host.set(VOLUMES=f"{VOLUME}={volume_host.volume},notes={notes}")
    backup_id = volume_host.run().backup_id
    for store in (volume_host.backups, volume_host.offsite_dir):
        (store / "sets" / backup_id / "volumes" / f"{VOLUME}.tar.zst.sealed").unlink()
    (notes / "note.txt").write_text("changed", encoding="utf-8")
    arguments = ("--volume", "notes", "--confirm", "--no-safety-backup")

    answer = volume_host.onyx("restore", backup_id, *arguments)

    assert answer.status == 0, answer.everything
    assert (notes / "note.txt").read_text(encoding="utf-8") == "a note"
    assert f"Set {backup_id} in the local store is damaged" in answer.errors


class TestRefuses:
    def test_beside_another_task(self, host: HostUnderTest) -> None:
        with ExclusiveLock(host.settings.state_dir, "load test"):
            answer = host.onyx("restore", "latest", "--confirm", "--no-safety-backup")

        assert answer.status != 0
        assert "load test" in answer.errors
        assert greeting(host) == "goodbye"
        assert not (host.settings.state_dir / "restores").exists()

    def test_a_password_in_an_address(self, host: HostUnderTest) -> None:
        answer = host.onyx(
            "restore", "latest", "--component", "volumes", "--into", "postgresql://u:s3cret@h/d"
        )

        assert answer.status == 2
        assert "s3cret" not in answer.everything

    def test_a_component_that_the_set_does_not_have(self, host: HostUnderTest) -> None:
        answer = host.onyx("restore", "latest", "--component", "qdrant")

        assert answer.status == 2
        assert "The set has no qdrant" in answer.errors

    def test_if_it_cannot_be_recorded(self, host: HostUnderTest) -> None:
        trail = Trail.of(host.settings).path
        trail.parent.mkdir(parents=True, exist_ok=True)
        trail.mkdir()

        answer = host.onyx("restore", "latest", "--confirm", "--no-safety-backup")

        assert answer.status == 2
        assert greeting(host) == "goodbye"

    def test_a_backup_of_what_a_killed_restore_left_half_done(self, host: HostUnderTest) -> None:
        now = datetime.now(UTC)
        journal = RestoreJournal.open(host.settings.state_dir, host.listed()[0], "asked", now)
        with journal.changing("onyx restore …", [Component.VOLUMES]):
            refused = host.onyx("backup", "run")
            host.onyx("restore", "--abort")
            allowed = host.onyx("backup", "run")

        assert "restore" in refused.errors
        assert refused.status != 0
        assert allowed.status == 0, allowed.everything


class TestWhatFailsItsComparison:
    @pytest.fixture
    def differing(self, backup_host: HostUnderTest) -> str:
        """A set whose facts have a row that its database lacks."""
        opened = backup_host.open()
        facts = "facts/postgresql/db-onyx.json"
        source = DoctoredSource(opened.sources[Component.POSTGRESQL], facts, _one_row_more)
        opened = dataclasses.replace(opened, sources={Component.POSTGRESQL: source})
        backup_id = str(uuid.uuid4())
        steps.back_up_component(opened, backup_id, Component.POSTGRESQL, silent)
        steps.complete_set(opened, backup_id, backup_type=BackupType.DAILY, requested=None)
        return backup_id

    def test_is_put_in_place_only_for_who_has_read_the_differences(
        self, backup_host: HostUnderTest, differing: str
    ) -> None:
        call = ("restore", differing, "--into", "a_copy", "--confirm", "--no-globals")
        force = "--force-despite-differences"

        unread = backup_host.onyx(*call, force, differing)
        refused = backup_host.onyx(*call)
        of_another_set = backup_host.onyx(*call, force, str(uuid.uuid4()))
        forced = backup_host.onyx(*call, force, differing)

        assert "nobody can have read them" in unread.errors.replace("\n", " ")
        assert (unread.status, refused.status, of_another_set.status) == (2, 1, 2)
        assert "Not put in place: database a_copy" in refused.output
        assert "app.users" in refused.output
        assert f"{force} {differing}" in refused.output.replace("\n", " ")
        assert "is not the id of the set" in of_another_set.errors.replace("\n", " ")
        assert "Put in place: database a_copy" in forced.output
        assert forced.status == 1
        self.leaves_a_record(backup_host, differing)

    def leaves_a_record(self, host: HostUnderTest, backup_id: str) -> None:
        records = [each for each in trail_of(host) if each.action == "restore"]
        parameters = [each.parameters or {} for each in records]
        assert records[-1].result
        assert {"despite_differences_of": backup_id}.items() <= parameters[-2].items()
        assert "a_copy: Put in place despite 1 difference," in records[-1].result.detail


def _one_row_more(facts: dict[str, object]) -> None:
    tables = facts["tables"]
    assert isinstance(tables, list)
    next(each for each in tables if each["name"] == "app.users")["rows"] += 1
