"""Bad input and faults against a whole backup: one clear error, nothing listed, nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models

from onyx_pipelines.backup import offsite_copies, steps, verifying
from onyx_pipelines.backup.doctor import examine
from onyx_pipelines.core.errors import (
    IntegrityError,
    KeyFileError,
    OnyxError,
    SourceError,
    StoreError,
)
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.keys import create_private_key, load_private_key
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines.vault.recipients import add_recipient, remove_recipient
from onyx_pipelines.vault.rewrapping import RewrapOutcome, Rewrapper, rewrap
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.fixtures_sandbox import (
    COMMAND,
    DEAD_PORT,
    DEAD_URL,
    HostUnderTest,
    key_material,
)
from onyx_pipelines_tests.planting import flip_a_byte


@pytest.fixture
def earlier(volume_host: HostUnderTest) -> str:
    """The id of a good set from before the fault."""
    return volume_host.run().backup_id


class TestKeys:
    def test_without_recipients_nothing_is_backed_up(self, volume_host: HostUnderTest) -> None:
        volume_host.recipients.unlink()

        with pytest.raises(KeyFileError, match=r"recipients\.json") as caught:
            volume_host.run()

        assert "onyx keys create" in caught.value.remedy
        assert volume_host.listed() == []

    def test_a_host_with_public_keys_only_backs_up_and_its_sets_open_elsewhere(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(PRIVATE_KEY_FILE=None)
        outcome = volume_host.run()
        host = volume_host.open()
        without_key = verifying.verify_set(host, host.first, outcome.backup_id, silent)

        volume_host.set(PRIVATE_KEY_FILE=volume_host.private_key)

        assert outcome.problems == ()
        assert (without_key.intact, without_key.ok) == (True, without_key.authenticated)
        assert volume_host.intact(outcome.backup_id)

    def test_a_missing_private_key_is_named(self, volume_host: HostUnderTest, earlier: str) -> None:
        volume_host.private_key.unlink()

        with pytest.raises(KeyFileError, match=r"private\.json"):
            volume_host.intact(earlier)

    def test_a_private_key_that_the_group_can_read_is_refused(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        volume_host.private_key.chmod(0o640)

        with pytest.raises(KeyFileError, match=r"private\.json") as caught:
            volume_host.intact(earlier)

        assert "chmod" in caught.value.remedy

    def test_the_wrong_private_key_is_refused_by_name_and_shows_no_material(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        other = volume_host.root / "other.json"
        create_private_key(other, "somebody else")
        volume_host.set(PRIVATE_KEY_FILE=other)

        with pytest.raises(KeyFileError, match="somebody else") as caught:
            volume_host.intact(earlier)

        assert [secret for secret in key_material(other) if secret in str(caught.value)] == []
        assert not volume_host.open().catalog.find(earlier).verification_failed

    def test_old_sets_open_for_the_old_recipient_until_they_are_rewrapped(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        old = load_private_key(volume_host.private_key)
        new_path = volume_host.root / "keys" / "new.json"
        add_recipient(volume_host.recipients, create_private_key(new_path, "new"))
        remove_recipient(volume_host.recipients, old.recipient.id)
        opened_before = volume_host.intact(earlier)

        host = volume_host.open()
        rewrapper = Rewrapper(old, host.recipients(), host.trust.signers, host.trust.signing_key())
        results = rewrap(host.stores, rewrapper, dry_run=False)

        assert opened_before
        assert {each.outcome for each in results} == {RewrapOutcome.REWRAPPED}
        with pytest.raises(KeyFileError):
            volume_host.intact(earlier)
        volume_host.set(PRIVATE_KEY_FILE=new_path)
        assert volume_host.intact(earlier)


class TestSources:
    def test_an_unreachable_postgresql_is_named_and_retried(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        volume_host.set(PG_HOST="127.0.0.1", PG_PORT=DEAD_PORT, PG_PASSWORD="never-to-be-seen")
        waits: list[float] = []

        with pytest.raises(SourceError, match=f"127.0.0.1:{DEAD_PORT}") as caught:
            volume_host.run(waits=waits)

        assert waits == [pytest.approx(each, rel=0.25) for each in (5, 10, 20)]
        assert "never-to-be-seen" not in str(caught.value)
        assert volume_host.listed() == [earlier]
        assert volume_host.intact(earlier)

    def test_an_unreachable_qdrant_is_named_and_retried(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        volume_host.set(QDRANT_URL=DEAD_URL, QDRANT_API_KEY="never-to-be-seen")
        waits: list[float] = []

        with pytest.raises(SourceError, match=DEAD_URL) as caught:
            volume_host.run(waits=waits)

        assert len(waits) == 3
        assert "never-to-be-seen" not in str(caught.value)
        assert volume_host.listed() == [earlier]

    def test_a_wrong_postgresql_password_is_not_tried_again(
        self, backup_host: HostUnderTest
    ) -> None:
        backup_host.set(PG_PASSWORD="wrong-and-secret", QDRANT_URL=None, VOLUMES=None)
        waits: list[float] = []

        with pytest.raises(SourceError, match="password") as caught:
            backup_host.run(waits=waits)

        assert waits == []
        assert "wrong-and-secret" not in str(caught.value)
        assert backup_host.listed() == []

    def test_a_missing_volume_directory_is_named(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        volume_host.set(VOLUMES="docs=/nowhere/docs")

        with pytest.raises(SourceError, match="/nowhere/docs"):
            volume_host.run()

        assert volume_host.listed() == [earlier]

    def test_nothing_configured_is_an_error_and_no_empty_set(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(VOLUMES=None)

        with pytest.raises(OnyxError, match="nothing to back up") as caught:
            volume_host.run()

        assert "ONYX_PG_HOST" in caught.value.remedy
        assert volume_host.listed() == []

    def test_an_empty_volume_is_a_good_set(self, volume_host: HostUnderTest) -> None:
        shutil.rmtree(volume_host.volume)
        volume_host.volume.mkdir()

        outcome = volume_host.run()

        assert outcome.problems == ()
        assert volume_host.intact(outcome.backup_id)

    def test_a_volume_with_an_awkward_name_is_backed_up_under_that_name(
        self, volume_host: HostUnderTest
    ) -> None:
        name = "Größe/../ $(rm)\"' 名"
        volume_host.set(VOLUMES=f"{name}={volume_host.volume}")

        outcome = volume_host.run()

        names = {item.name for item in volume_host.manifest(outcome.backup_id).objects}
        assert name in names
        assert volume_host.intact(outcome.backup_id)


class TestAwkwardAndEmptyServers:
    @pytest.fixture
    def empty_and_awkward(self, sandbox: Sandbox) -> Iterator[str]:
        """A database and a collection with such a name, both empty."""
        name = "Größe \"quoted\" 'x' $(y) 名"
        quoted = '"' + name.replace('"', '""') + '"'
        with sandbox.postgres.connect() as connection:
            connection.execute(f"CREATE DATABASE {quoted}".encode())
        yield name
        with sandbox.postgres.connect() as connection:
            connection.execute(f"DROP DATABASE {quoted} WITH (FORCE)".encode())

    def test_an_empty_database_with_an_awkward_name_is_backed_up(
        self, backup_host: HostUnderTest, empty_and_awkward: str
    ) -> None:
        backup_host.set(PG_DATABASES=empty_and_awkward, QDRANT_URL=None, VOLUMES=None)

        outcome = backup_host.run()

        names = {item.name for item in backup_host.manifest(outcome.backup_id).objects}
        assert empty_and_awkward in names
        assert backup_host.intact(outcome.backup_id)

    def test_a_server_without_collections_is_a_good_set(
        self, backup_host: HostUnderTest, tmp_path: Path
    ) -> None:
        with QdrantStandIn(tmp_path / "empty") as server:
            backup_host.set(
                QDRANT_URL=server.url, QDRANT_COLLECTIONS="*", PG_HOST=None, VOLUMES=None
            )
            outcome = backup_host.run()

        summary = backup_host.manifest(outcome.backup_id).components["qdrant"].summary
        assert summary["collections_count"] == 0
        assert backup_host.intact(outcome.backup_id)

    def test_an_empty_collection_with_an_awkward_name_is_backed_up(
        self, backup_host: HostUnderTest, tmp_path: Path
    ) -> None:
        name = "Größe $(y) 名"
        vectors = models.VectorParams(size=4, distance=models.Distance.COSINE)
        with QdrantStandIn(tmp_path / "awkward") as server:
            client = QdrantClient(url=server.url, check_compatibility=False)
            client.create_collection(name, vectors_config=vectors)
            client.close()
            backup_host.set(
                QDRANT_URL=server.url, QDRANT_COLLECTIONS="*", PG_HOST=None, VOLUMES=None
            )
            outcome = backup_host.run()

        names = {item.name for item in backup_host.manifest(outcome.backup_id).objects}
        assert name in names


class TestStores:
    def test_a_second_store_that_is_down_leaves_the_local_set_listed_and_nothing_pruned(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        volume_host.set(
            OFFSITE_URL="s3://bucket/prefix",
            S3_ENDPOINT_URL=DEAD_URL,
            S3_ACCESS_KEY_ID="AKIA-TEST",
            S3_SECRET_ACCESS_KEY="never-to-be-seen",
        )

        outcome = volume_host.run()

        assert (outcome.offsite, outcome.pruned) == ("failed", ())
        assert any(str(DEAD_PORT) in problem for problem in outcome.problems)
        assert "never-to-be-seen" not in str(outcome)
        volume_host.set(OFFSITE_URL=None)
        assert volume_host.listed() == [outcome.backup_id, earlier]

    def test_a_wrong_s3_secret_is_one_problem_that_does_not_show_it(
        self, backup_host: HostUnderTest
    ) -> None:
        backup_host.set(S3_SECRET_ACCESS_KEY="wrong-and-secret", PG_HOST=None, QDRANT_URL=None)
        waits: list[float] = []

        outcome = backup_host.run(waits=waits)

        assert outcome.offsite == "failed"
        assert waits == []
        assert len(outcome.problems) == 1
        assert "wrong-and-secret" not in str(outcome)

    def test_a_missing_backup_directory_is_not_made_up(self, volume_host: HostUnderTest) -> None:
        volume_host.backups.rmdir()

        with pytest.raises(StoreError, match="backups") as caught:
            volume_host.run()

        assert caught.value.remedy
        assert not volume_host.backups.exists()

    def test_a_read_only_file_system_is_one_clear_error(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        volume_host.set(BACKUP_DIR="/proc/sys/kernel")

        with pytest.raises(StoreError, match="/proc/sys/kernel") as caught:
            volume_host.run()

        assert caught.value.remedy
        volume_host.set(BACKUP_DIR=volume_host.backups)
        assert volume_host.listed() == [earlier]
        assert volume_host.intact(earlier)

    def test_a_full_disk_leaves_the_earlier_set_and_lists_nothing_else(
        self, volume_host: HostUnderTest, earlier: str
    ) -> None:
        (volume_host.volume / "large.bin").write_bytes(os.urandom(3_000_000))
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

        done = subprocess.run(
            [*COMMAND, "backup", "run"],
            capture_output=True,
            text=True,
            preexec_fn=limit,
            check=False,
        )

        assert done.returncode == 2
        assert "backups" in done.stderr
        assert "Traceback" not in done.stderr
        assert volume_host.listed() == [earlier]
        assert volume_host.intact(earlier)

    def test_a_flipped_byte_between_writing_and_verifying_stops_copy_and_pruning(
        self,
        volume_host: HostUnderTest,
        earlier: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        real = verifying.verify_set

        def damage_then_verify(*arguments: object, **options: object) -> object:
            flip_a_byte(volume_host.first_object(str(arguments[2])))
            return real(*arguments, **options)  # type: ignore[arg-type]  # keywords that a test names

        monkeypatch.setattr(verifying, "verify_set", damage_then_verify)
        outcome = volume_host.run()

        assert (outcome.offsite, outcome.pruned) == ("failed", ())
        assert any("damaged" in problem for problem in outcome.problems)
        assert volume_host.stores_of(outcome.backup_id) == {"local"}
        assert earlier in volume_host.listed()


class TestTheClock:
    @pytest.fixture
    def from_tomorrow(self, volume_host: HostUnderTest, earlier: str) -> str:
        """A set that was dated while the clock was a day ahead. `earlier` is a good one."""
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        host, backup_id = volume_host.open(), str(uuid.uuid4())
        steps.back_up_component(host, backup_id, Component.VOLUMES, silent)
        SetWriter(host.first, backup_id, host.recipients(), now=lambda: tomorrow).complete(
            signing_key=host.trust.signing_key(),
            components=[Component.VOLUMES],
            timestamp=tomorrow,
            backup_type=BackupType.DAILY,
            retention_days=7,
            host="test-host",
        )
        return backup_id

    def test_after_a_jump_back_pruning_deletes_no_set_of_before(
        self, volume_host: HostUnderTest, earlier: str, from_tomorrow: str
    ) -> None:
        outcome = volume_host.run()

        assert set(volume_host.listed()) >= {from_tomorrow, outcome.backup_id}
        assert any("future" in problem for problem in outcome.problems)
        assert set(outcome.pruned) <= {earlier}, (
            "the set of the same day, which the new one replaces"
        )

    def test_doctor_reports_it(self, volume_host: HostUnderTest, from_tomorrow: str) -> None:
        [clock] = [each for each in examine(volume_host.settings) if each.name == "clock"]

        assert not clock.ok
        assert from_tomorrow in clock.detail
        assert "NTP" in clock.remedy


class TestDamage:
    def test_copying_a_damaged_set_is_refused_and_lists_nothing_there(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(OFFSITE_URL=None)
        backup_id = volume_host.run().backup_id
        flip_a_byte(volume_host.first_object(backup_id))
        volume_host.set(OFFSITE_URL=f"file://{volume_host.offsite_dir}")

        with pytest.raises(IntegrityError, match=r"\.sealed"):
            offsite_copies.copy_offsite(volume_host.open(), backup_id, silent)

        assert volume_host.stores_of(backup_id) == {"local"}
