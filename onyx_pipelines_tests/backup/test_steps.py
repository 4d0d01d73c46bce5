"""Steps on their own: what they keep, which set they mean, what they refuse."""

from __future__ import annotations

import uuid

import pytest

from onyx_pipelines.backup import offsite_copies, steps, verifying
from onyx_pipelines.core.errors import NotFoundError, SettingsError, StoreError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


@pytest.fixture
def new_id() -> str:
    return str(uuid.uuid4())


def test_a_component_that_is_finished_is_kept_and_not_read_again(
    volume_host: HostUnderTest, new_id: str
) -> None:
    host = volume_host.open()
    first = steps.back_up_component(host, new_id, Component.VOLUMES, silent)
    (volume_host.volume / "greeting.txt").write_text("changed", encoding="utf-8")

    again = steps.back_up_component(host, new_id, Component.VOLUMES, silent)

    assert again == first


def test_a_component_that_lost_an_object_is_written_anew(
    volume_host: HostUnderTest, new_id: str
) -> None:
    host = volume_host.open()
    steps.back_up_component(host, new_id, Component.VOLUMES, silent)
    volume_host.first_object(new_id).unlink()

    steps.back_up_component(host, new_id, Component.VOLUMES, silent)
    steps.complete_set(host, new_id, backup_type=BackupType.DAILY, requested=None)

    assert volume_host.intact(new_id)


def test_a_set_without_a_finished_component_is_not_completed(
    volume_host: HostUnderTest, new_id: str
) -> None:
    with pytest.raises(StoreError, match="volumes is not finished"):
        steps.complete_set(volume_host.open(), new_id, backup_type=BackupType.DAILY, requested=None)

    assert volume_host.listed() == []


def test_a_check_on_its_own_verifies_the_newest_set(
    volume_host: HostUnderTest, new_id: str
) -> None:
    newest = volume_host.run().backup_id

    assert verifying.set_to_verify(volume_host.open(), new_id) == newest


def test_a_check_on_its_own_without_any_set_says_so(
    volume_host: HostUnderTest, new_id: str
) -> None:
    with pytest.raises(NotFoundError):
        verifying.set_to_verify(volume_host.open(), new_id)


def test_a_copy_without_a_second_store_names_the_setting(volume_host: HostUnderTest) -> None:
    volume_host.set(OFFSITE_URL=None)

    with pytest.raises(SettingsError, match="off-site") as caught:
        offsite_copies.copy_offsite(volume_host.open(), None, silent)

    assert "ONYX_OFFSITE_URL" in caught.value.remedy


@pytest.mark.parametrize(
    ("backup_type", "days"),
    [(BackupType.DAILY, 7), (BackupType.WEEKLY, 28), (BackupType.MONTHLY, 372)],
)
def test_the_manifest_says_how_many_days_a_set_of_its_type_is_kept(
    volume_host: HostUnderTest, backup_type: BackupType, days: int
) -> None:
    assert steps.retention_days(volume_host.settings, backup_type) == days
