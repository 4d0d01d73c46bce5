"""`onyx backup run` without its command line: one whole backup against real sources and stores."""

from __future__ import annotations

from onyx_pipelines.backup import verifying
from onyx_pipelines.core.progress import silent
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


def test_a_backup_makes_one_complete_set_in_both_stores(backup_host: HostUnderTest) -> None:
    outcome = backup_host.run()

    view = backup_host.open().catalog.find(outcome.backup_id)
    assert set(view.manifest.components) == {"postgresql", "qdrant", "docker_volumes"}
    assert set(view.stores) == {"local", "offsite"}
    assert outcome.offsite == "copied"
    assert outcome.sealed_bytes == view.manifest.sealed_bytes > 0


def test_what_both_stores_hold_opens_with_the_private_key(backup_host: HostUnderTest) -> None:
    outcome = backup_host.run()
    host = backup_host.open()

    found = [
        verifying.verify_set(host, store, outcome.backup_id, silent, deep=True)
        for store in host.stores
    ]

    assert [verification.ok for verification in found] == [True, True]
    assert all(verification.authenticated for verification in found)
