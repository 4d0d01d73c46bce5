"""The copies in a real S3 server: they alone show the trail when the host is gone."""

from __future__ import annotations

from pathlib import Path

from onyx_pipelines.audit import Trail, copy_audit, verify_copies, verify_trail
from onyx_pipelines.audit.verification import Verdict
from onyx_pipelines.vault.stores.s3 import S3Store
from onyx_pipelines_tests.audit.trails import event
from onyx_pipelines_tests.planting import planted, replaced
from onyx_pipelines_tests.vault.sets import signers, signing_key
from onyx_pipelines_tests.vault.stores.conftest import s3_location, s3_server, s3_store

__all__ = ["s3_location", "s3_server", "s3_store"]


def test_a_trail_in_s3_is_whole_and_a_changed_object_is_named(
    tmp_path: Path, s3_store: S3Store
) -> None:
    trail = Trail(tmp_path / "audit", "vps")
    for number in range(3):
        trail.append(event(number))
        copy_audit(trail, [s3_store], signing_key())
    good = verify_trail(trail, [s3_store], signers())
    changed = [stored.key for stored in s3_store.list("audit/")][1]
    s3_store.put(changed, planted(s3_store.get(changed), replaced(b"alice", b"mallory")))

    found = verify_copies(s3_store, signers()).problems

    assert good.verdict is Verdict.INTACT
    assert [state.records for state in good.trails] == [3, 3]
    assert changed in {each.where for each in found}
