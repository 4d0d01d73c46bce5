"""Which copy of a set is restored from, where some are damaged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.restore.drill import choose_set
from onyx_pipelines.restore.finding_sets import FoundSet, find_set
from onyx_pipelines_tests.attacks.forging import forge_set
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, cut_manifest
from onyx_pipelines_tests.planting import flip_a_byte


@pytest.fixture
def backup_id(volume_host: HostUnderTest) -> str:
    return volume_host.run().backup_id


def found(host: HostUnderTest, text: str, store: str | None = None) -> FoundSet:
    return find_set(host.settings, text, store)


@pytest.mark.parametrize("asked", ["latest", "its id"])
@pytest.mark.parametrize("damage", ["manifest", "object"])
def test_the_store_that_has_it_whole_serves_and_the_damage_is_told(
    volume_host: HostUnderTest, backup_id: str, asked: str, damage: str
) -> None:
    if damage == "manifest":
        cut_manifest(volume_host.backups, backup_id)
    else:
        volume_host.first_object(backup_id).unlink()

    chosen = found(volume_host, backup_id if asked == "its id" else asked)

    assert (chosen.store.name, chosen.view.backup_id) == ("offsite", backup_id)
    [note] = chosen.notes
    assert f"Set {backup_id} in the local store is damaged" in note


def test_a_copy_that_failed_its_verification_is_passed_over_for_one_that_did_not(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    flip_a_byte(volume_host.first_object(backup_id))
    volume_host.onyx("verify", backup_id)

    chosen = found(volume_host, "latest")

    assert chosen.store.name == "offsite"
    [note] = chosen.notes
    assert f"Set {backup_id} in the local store is damaged" in note


def test_a_drill_takes_the_copy_that_is_whole(volume_host: HostUnderTest, backup_id: str) -> None:
    volume_host.first_object(backup_id, store="offsite").unlink()

    assert choose_set(volume_host.settings, "latest", None).store.name == "local"


def test_a_drill_and_a_restore_take_the_copy_of_the_store_that_answers_and_say_so(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    volume_host.offsite_dir.rename(volume_host.offsite_dir.with_name("not mounted"))

    drilled = choose_set(volume_host.settings, "latest", None)
    restored = found(volume_host, "latest")

    assert (drilled.store.name, drilled.backup_id) == ("local", backup_id)
    assert (restored.store.name, restored.backup_id) == ("local", backup_id)
    # A newer one may be there.
    for (sentence,) in (drilled.passed_over, restored.notes):
        assert sentence.startswith("The offsite store was not asked: ")


def test_the_latest_is_one_that_is_whole_and_the_newer_damaged_one_is_told(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    volume_host.onyx("hold", backup_id)
    newest = volume_host.run().backup_id
    for store in (volume_host.backups, volume_host.offsite_dir):
        cut_manifest(store, newest)

    chosen = found(volume_host, "latest")

    assert chosen.view.backup_id == backup_id
    assert [newest in note for note in chosen.notes] == [True, True]
    assert all("passed over: it is damaged" in note for note in chosen.notes)


def lose_an_object(host: HostUnderTest, backup_id: str) -> None:
    for store in ("backups", "offsite"):
        host.first_object(backup_id, store=store).unlink()


@pytest.fixture
def newest(volume_host: HostUnderTest, backup_id: str) -> str:
    """A second set, which no store has whole; the first one is kept."""
    volume_host.open().catalog.hold(backup_id, "wanted", now=datetime.now(UTC))
    newest = volume_host.run().backup_id
    lose_an_object(volume_host, newest)
    return newest


def test_a_drill_and_a_restore_of_the_latest_say_which_newer_sets_they_pass_over_and_why(
    volume_host: HostUnderTest, backup_id: str, newest: str
) -> None:
    drilled = choose_set(volume_host.settings, "latest", None)
    restored = found(volume_host, "latest")

    assert drilled.backup_id == restored.backup_id == backup_id
    assert sorted(drilled.passed_over) == sorted(restored.notes)
    for store, sentence in zip(("local", "offsite"), sorted(restored.notes), strict=True):
        assert f"The newer set {newest} in the {store} store was passed over" in sentence
        assert "is missing" in sentence


def test_who_asks_for_a_set_by_its_id_passes_over_none(
    volume_host: HostUnderTest, backup_id: str, newest: str
) -> None:
    assert newest
    assert choose_set(volume_host.settings, backup_id, None).passed_over == ()
    assert found(volume_host, backup_id).notes == ()


def test_an_older_damaged_set_is_passed_over_by_nobody(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    volume_host.open().catalog.hold(backup_id, "wanted", now=datetime.now(UTC))
    lose_an_object(volume_host, backup_id)
    newest = volume_host.run().backup_id

    drilled = choose_set(volume_host.settings, "latest", None)

    assert (drilled.backup_id, drilled.passed_over) == (newest, ())


def test_a_newer_untrusted_set_is_passed_over(volume_host: HostUnderTest, backup_id: str) -> None:
    offsite = volume_host.open().copies[0]
    assert offsite
    forgery = forge_set(offsite, backup_id, at=datetime.now(UTC))

    (sentence,) = choose_set(volume_host.settings, "latest", None).passed_over

    assert f"The newer set {forgery} in the offsite store" in sentence
    assert "not trusted" in sentence


def test_what_is_left_of_a_set_that_is_nowhere_whole_can_still_be_restored_by_its_id(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    for store in ("backups", "offsite"):
        volume_host.first_object(backup_id, store=store).unlink()

    chosen = found(volume_host, backup_id)

    assert (chosen.store.name, chosen.view.stores) == ("local", ())
    assert len(chosen.notes) == 2


def test_a_set_whose_every_manifest_is_damaged_is_said_to_be_so(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    for store in (volume_host.backups, volume_host.offsite_dir):
        cut_manifest(store, backup_id)

    with pytest.raises(IntegrityError, match=f"The set {backup_id} in the local store is damaged"):
        found(volume_host, backup_id)


def test_a_set_that_is_nowhere_is_not_found(volume_host: HostUnderTest) -> None:
    with pytest.raises(NotFoundError):
        found(volume_host, "latest")
