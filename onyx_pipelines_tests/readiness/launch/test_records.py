"""What this product has written down, as evidence: where there is nothing, what to run."""

from __future__ import annotations

import pytest

from onyx_pipelines.backup.host import open_host
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.launch.facts import SeenRecord
from onyx_pipelines.readiness.launch.looking.of_records import record
from onyx_pipelines.readiness.launch.verification import OfRecord, Record
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.readiness.rehearsals.made_rehearsals import rehearsal

# These need no record of before: they look now.
_OF_NOW = {Record.RULES_TESTED, Record.AUDIT_TRAIL}


def seen(host: HostUnderTest, of: Record) -> SeenRecord:
    opened = open_host(host.settings)
    return record(host.settings, OfRecord(kind="record", of=of), opened.catalog.scan)


@pytest.mark.parametrize("of", [each for each in Record if each not in _OF_NOW])
def test_where_there_is_nothing_it_says_what_to_do(volume_host: HostUnderTest, of: Record) -> None:
    found = seen(volume_host, of)

    assert found.ok is None
    assert "`onyx " in found.said or "Set ONYX_" in found.said


def test_a_set_that_was_read_back_in_two_stores(volume_host: HostUnderTest) -> None:
    volume_host.set(OFFSITE_URL=None)
    volume_host.run()
    assert seen(volume_host, Record.TWO_STORES_VERIFIED).ok is None

    # A backup reads back what it wrote, and its copy.
    volume_host.set(OFFSITE_URL=f"file://{volume_host.offsite_dir}")
    volume_host.run()

    found = seen(volume_host, Record.TWO_STORES_VERIFIED)
    assert (found.ok, found.at is None) == (True, False)
    assert "local and offsite" in found.said


def test_a_set_without_the_recipe_of_the_stack(volume_host: HostUnderTest) -> None:
    volume_host.run()
    assert seen(volume_host, Record.STACK_RECIPE).ok is False

    compose = volume_host.root / "compose.yaml"
    compose.write_text("services: {}", encoding="utf-8")
    volume_host.set(RECIPE=compose)
    volume_host.run()

    assert seen(volume_host, Record.STACK_RECIPE).ok is True


def test_every_playbook_was_rehearsed_and_the_oldest_counts(volume_host: HostUnderTest) -> None:
    book = RehearsalBook(volume_host.settings.state_dir)
    made = [rehearsal(each) for each in Playbook]
    for each in made:
        book.add(each)

    found = seen(volume_host, Record.REHEARSALS)

    assert found.at == min(each.struck_at for each in made)


def test_an_audit_trail_that_is_whole(volume_host: HostUnderTest) -> None:
    volume_host.onyx("launch", "evidence", "rollback-rehearsed", "--by", "Ada", "--note", "6 min")

    found = seen(volume_host, Record.AUDIT_TRAIL)

    assert found.ok, found.said
