"""`onyx keys signers` and `onyx keys sign`: who counts on this host, and how old sets come to."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tink import mac

from onyx_pipelines.vault.authenticity import mac_keyset
from onyx_pipelines.vault.keys import load_private_key
from onyx_pipelines.vault.layout import manifest_key, mark_key
from onyx_pipelines.vault.manifest import canonical_bytes, parse_manifest, to_bytes
from onyx_pipelines.vault.signing import create_signing_key, load_signing_key
from onyx_pipelines_tests.attacks.forging import forge_set, later, put_mark
from onyx_pipelines_tests.cli.all_commands import call
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, key_material

STORES = ("backups", "offsite")
Call = pytest.CaptureFixture[str]


@pytest.fixture
def set_id(volume_host: HostUnderTest) -> str:
    return volume_host.run().backup_id


@pytest.fixture
def old_set(volume_host: HostUnderTest, set_id: str) -> str:
    """As the version before signatures left it, held and drilled, in both stores."""
    key = load_private_key(volume_host.private_key)
    for store in volume_host.open().stores:
        manifest = parse_manifest(store.get(manifest_key(set_id)))
        bare = manifest.model_copy(update={"format_version": 1, "signature": None})
        tag = mac_keyset(manifest, key).primitive(mac.Mac).compute_mac(canonical_bytes(bare))
        old = bare.model_copy(update={"mac": base64.b64encode(tag).decode()})
        store.put(manifest_key(set_id), to_bytes(old))
        at = manifest.timestamp.isoformat()
        put_mark(store, set_id, "drilled", at=at, passed=True, last_passed_at=at)
        put_mark(store, set_id, "verified", at=at, passed=True, last_passed_at=at)
        put_mark(store, set_id, "held", reason="the last before the move", since=at)
    return set_id


def another_host(folder: Path) -> Path:
    """The file with its public key."""
    folder.mkdir()
    create_signing_key(folder / "key", "other host")
    public = folder / "public.json"
    public.write_text(load_signing_key(folder / "key").signer.public_keyset, encoding="utf-8")
    return public


def names(capsys: Call) -> list[str]:
    return [each["name"] for each in call(capsys, "keys", "signers", "--json").json]


class TestCreating:
    def test_a_new_host_gets_both_keys_and_believes_itself(
        self, volume_host: HostUnderTest, capsys: Call, tmp_path: Path
    ) -> None:
        new = tmp_path / "new"
        volume_host.set(
            RECIPIENTS_FILE=new / "recipients.json",
            PRIVATE_KEY_FILE=new / "private.json",
            SIGNING_KEY_FILE=None,
            SIGNERS_FILE=None,
        )

        made = call(capsys, "keys", "create", "--name", "new host", "--json").json

        assert made["name"] == made["signer"]["name"] == "new host"
        assert made["signer"]["path"] == str(new / "signing-key.json")
        assert (new / "signing-key.json").stat().st_mode & 0o777 == 0o600
        assert names(capsys) == ["new host"]

    def test_a_host_that_opens_nothing_gets_the_signing_key_alone(
        self, volume_host: HostUnderTest, capsys: Call, tmp_path: Path
    ) -> None:
        volume_host.set(
            PRIVATE_KEY_FILE=None, SIGNING_KEY_FILE=tmp_path / "k", SIGNERS_FILE=tmp_path / "s"
        )

        answer = call(capsys, "keys", "create", "--name", "writer")

        assert answer.status == 0
        assert "No private key was made" in answer.output
        assert names(capsys) == ["writer"]
        assert [s for s in key_material(tmp_path / "k") if s in answer.everything] == []

    def test_a_host_of_the_version_before_gets_what_it_lacks(
        self, volume_host: HostUnderTest, capsys: Call
    ) -> None:
        before = volume_host.private_key.read_bytes()
        volume_host.signing_key.unlink()
        volume_host.signers.unlink()

        answer = call(capsys, "keys", "create")

        assert answer.status == 0
        assert volume_host.private_key.read_bytes() == before
        assert names(capsys) == ["test-host"]

    def test_without_a_signing_key_no_backup_begins(self, volume_host: HostUnderTest) -> None:
        volume_host.signing_key.unlink()

        answer = volume_host.onyx("backup", "run")

        assert answer.status == 2
        assert "signing key file" in answer.errors
        assert "onyx keys create" in answer.errors
        assert list(volume_host.backups.rglob("*.sealed")) == []


class TestTheList:
    def test_another_host_counts_once_it_is_added(
        self, volume_host: HostUnderTest, capsys: Call, tmp_path: Path
    ) -> None:
        public = another_host(tmp_path / "other")

        answer = call(capsys, "keys", "signers", "add", "other host", str(public))

        assert (answer.status, names(capsys)) == (0, ["test host", "other host"])

    def test_what_this_host_prints_can_be_added_elsewhere(
        self, volume_host: HostUnderTest, capsys: Call, tmp_path: Path
    ) -> None:
        printed = call(capsys, "keys", "signers", "public").output
        (tmp_path / "public.json").write_text(printed, encoding="utf-8")
        volume_host.set(SIGNERS_FILE=tmp_path / "elsewhere.json")

        call(capsys, "keys", "signers", "add", "first host", str(tmp_path / "public.json"))

        assert names(capsys) == ["first host"]

    def test_a_retired_signers_sets_count_if_they_were_signed_before(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str
    ) -> None:
        call(capsys, "keys", "signers", "retire", "test host")
        after = volume_host.listed()
        call(capsys, "keys", "signers", "retire", "test host", "--at", "2020-01-01")

        assert after == [set_id]
        assert volume_host.listed() == []

    def test_a_retired_host_makes_no_backup(self, volume_host: HostUnderTest, capsys: Call) -> None:
        call(capsys, "keys", "signers", "retire", "test host")

        answer = call(capsys, "backup", "run")

        assert answer.status == 2
        assert "does not count" in answer.errors

    def test_a_removed_signers_sets_are_untrusted(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str, tmp_path: Path
    ) -> None:
        call(capsys, "keys", "signers", "add", "other", str(another_host(tmp_path / "other")))
        call(capsys, "keys", "signers", "remove", "test host")

        assert volume_host.listed() == []
        assert {each.backup_id for each in volume_host.open().catalog.untrusted} == {set_id}

    def test_the_last_one_stays(self, volume_host: HostUnderTest, capsys: Call) -> None:
        answer = call(capsys, "keys", "signers", "remove", "test host")

        assert answer.status == 2
        assert "no backup set would count" in answer.errors

    def test_a_moment_that_is_none_is_refused(
        self, volume_host: HostUnderTest, capsys: Call
    ) -> None:
        answer = call(capsys, "keys", "signers", "retire", "test host", "--at", "yesterday")

        assert answer.status == 2
        assert "'yesterday' is not a moment" in answer.errors

    def test_changes_are_in_the_audit_trail(
        self, volume_host: HostUnderTest, capsys: Call, tmp_path: Path
    ) -> None:
        call(capsys, "keys", "signers", "add", "other", str(another_host(tmp_path / "other")))
        call(capsys, "keys", "signers", "retire", "other")
        call(capsys, "keys", "signers", "remove", "other")

        trail = (volume_host.settings.state_dir / "audit" / "trail.jsonl").read_text()
        actions = [json.loads(line)["action"] for line in trail.splitlines()]
        assert actions == [
            f"keys.signers.{each}" for each in ("add", "retire", "remove") for _ in "be"
        ]


class TestALostList:
    def test_an_escrow_copy_says_who_counts(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str, tmp_path: Path
    ) -> None:
        said = call(capsys, "keys", "escrow", str(tmp_path / "escrow.json")).output
        volume_host.set(PRIVATE_KEY_FILE=tmp_path / "escrow.json", SIGNERS_FILE=tmp_path / "none")

        assert "says whose sets count: test host" in said
        assert volume_host.listed() == [set_id]

    def test_a_new_machines_own_key_joins_those_of_the_escrow_copy(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str, tmp_path: Path
    ) -> None:
        call(capsys, "keys", "escrow", str(tmp_path / "escrow.json"))
        volume_host.set(
            PRIVATE_KEY_FILE=tmp_path / "escrow.json",
            SIGNERS_FILE=tmp_path / "signers.json",
            SIGNING_KEY_FILE=tmp_path / "signing-key.json",
        )

        call(capsys, "keys", "create", "--name", "new machine")

        assert names(capsys) == ["test host", "new machine"]
        assert volume_host.listed() == [set_id]

    def test_without_list_and_escrow_nothing_counts_and_it_says_so(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str, tmp_path: Path
    ) -> None:
        volume_host.set(SIGNERS_FILE=tmp_path / "none")

        answer = call(capsys, "keys", "signers")
        restore = volume_host.onyx("restore", "latest", "--from", "offsite", "--plan")

        assert answer.status == 2
        assert "onyx keys signers found" in answer.errors
        assert restore.status == 1
        assert "Its signer 'test host'" in restore.errors
        assert set_id in restore.errors

    def test_who_has_signed_is_found_and_accepted_by_a_person(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str, tmp_path: Path
    ) -> None:
        volume_host.set(SIGNERS_FILE=tmp_path / "signers.json")
        (seen,) = call(capsys, "keys", "signers", "found", "--json").json

        looked = call(capsys, "keys", "signers", "accept", seen["id"])
        before = volume_host.listed()
        accepted = call(capsys, "keys", "signers", "accept", seen["id"], "--yes")

        assert (seen["name"], seen["sets"], seen["authentic"]) == ("test host", 2, 2)
        assert seen["counts"] is False
        assert "Nothing was changed" in looked.output
        assert before == []
        assert accepted.status == 0
        assert volume_host.listed() == [set_id]

    def test_a_forgery_in_the_signers_name_is_no_signature_of_his(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str
    ) -> None:
        offsite = volume_host.open().copies[0]
        assert offsite
        forge_set(offsite, set_id, at=later(volume_host.manifest(set_id).timestamp))

        (seen,) = call(capsys, "keys", "signers", "found", "--json").json

        assert seen["sets"] == 2

    def test_somebody_who_signed_nothing_cannot_be_accepted(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str
    ) -> None:
        answer = call(capsys, "keys", "signers", "accept", "0" * 16, "--yes")

        assert answer.status == 2
        assert "Nothing in the stores is signed by" in answer.errors


class TestSetsOfTheVersionBefore:
    def test_they_do_not_count_and_it_says_what_to_do(
        self, volume_host: HostUnderTest, old_set: str
    ) -> None:
        answer = volume_host.onyx("restore", "latest", "--plan")

        assert volume_host.listed() == []
        assert answer.status == 1
        assert "It is not signed" in answer.errors
        assert "onyx keys sign" in answer.errors

    def test_signing_shows_them_first_and_changes_nothing(
        self, volume_host: HostUnderTest, capsys: Call, old_set: str
    ) -> None:
        rows = call(capsys, "keys", "sign", "--json").json

        assert [(row["store"], row["outcome"]) for row in rows] == [
            ("local", "would_sign"), ("offsite", "would_sign")
        ]  # fmt: skip
        assert {row["host"] for row in rows} == {"test-host"}
        assert volume_host.listed() == []

    def test_signed_they_count_in_both_stores_with_the_same_bytes(
        self, volume_host: HostUnderTest, capsys: Call, old_set: str
    ) -> None:
        answer = call(capsys, "keys", "sign", "--yes")

        local, offsite = volume_host.open().stores
        assert answer.status == 0
        assert volume_host.stores_of(old_set) == {"local", "offsite"}
        assert local.get(manifest_key(old_set)) == offsite.get(manifest_key(old_set))
        assert volume_host.intact(old_set)
        assert call(capsys, "keys", "sign", "--json").json == []

    def test_a_hold_goes_on_and_what_was_checked_is_to_be_checked_again(
        self, volume_host: HostUnderTest, capsys: Call, old_set: str
    ) -> None:
        call(capsys, "keys", "sign", "--yes")

        catalog = volume_host.open().catalog
        (view,) = catalog.sets()
        assert view.hold_reason == "the last before the move"
        assert (view.last_drill_passed_at, view.last_verified_at) == (None, None)
        assert catalog.problems == ()

    def test_one_that_is_not_what_was_sealed_is_not_signed(
        self, volume_host: HostUnderTest, capsys: Call, old_set: str
    ) -> None:
        path = volume_host.backups / manifest_key(old_set)
        path.write_bytes(path.read_bytes().replace(b"test-host", b"evil-host"))

        answer = call(capsys, "keys", "sign", "--yes", "--json")

        outcomes = {row["store"]: row["outcome"] for row in answer.json}
        assert answer.status == 1
        assert outcomes == {"local": "failed", "offsite": "signed"}
        assert volume_host.stores_of(old_set) == {"offsite"}

    def test_what_a_stranger_signed_is_left_alone(
        self, volume_host: HostUnderTest, capsys: Call, set_id: str, tmp_path: Path
    ) -> None:
        call(capsys, "keys", "signers", "add", "other", str(another_host(tmp_path / "other")))
        call(capsys, "keys", "signers", "remove", "test host")
        volume_host.set(SIGNING_KEY_FILE=tmp_path / "other" / "key")

        assert call(capsys, "keys", "sign", "--yes", "--json").json == []
        assert volume_host.listed() == []

    def test_without_the_private_key_nothing_is_signed(
        self, volume_host: HostUnderTest, capsys: Call, old_set: str
    ) -> None:
        volume_host.set(PRIVATE_KEY_FILE=None)

        answer = call(capsys, "keys", "sign", "--yes")

        assert answer.status == 2
        assert "ONYX_PRIVATE_KEY_FILE" in answer.errors


def test_a_broken_hold_of_an_old_set_keeps_it_alone(
    volume_host: HostUnderTest, set_id: str
) -> None:
    """In the store where the mark stands, whoever wrote it."""
    offsite = volume_host.open().copies[0]
    assert offsite
    offsite.put(mark_key(set_id, "held"), b'{"reason": "a stranger\'s", "since": "2026-01-01"}')

    (view,) = volume_host.open().catalog.sets()

    held = {copy.store: view.held_in(copy) for copy in view.copies}
    assert held["local"] is None
    assert "cannot be trusted" in (held["offsite"] or "")
