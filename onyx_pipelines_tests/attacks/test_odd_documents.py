"""Whoever may write into a store may put any document there. None keeps the others from being
read: it is a damaged set, or a mark that does not count."""

from __future__ import annotations

from contextlib import suppress

import pytest

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key, mark_key
from onyx_pipelines.vault.manifest import parse_component_record, parse_manifest, to_bytes
from onyx_pipelines.vault.marks import Mark, put_hold, read_marks, record_check
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines_tests.attacks.odd_documents import odd_documents
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, local, planter
from onyx_pipelines_tests.vault.sets import new_id, signers, signing_key, trust

__all__ = ["local", "planter"]


@pytest.mark.slow
def test_no_odd_manifest_is_more_than_damaged(local: LocalStore, planter: Planter) -> None:
    real = local.get(manifest_key(planter.plant(local)))

    for odd in odd_documents(real):
        with suppress(IntegrityError):
            parse_manifest(odd)


def test_no_odd_record_of_a_component_is_more_than_damaged(planter: Planter) -> None:
    real = to_bytes(planter.manifest.components["docker_volumes"])

    for odd in odd_documents(real):
        with suppress(IntegrityError):
            parse_component_record(odd, where="a record")


@pytest.mark.parametrize("mark", [Mark.HELD, Mark.DRILLED])
def test_no_odd_mark_counts(local: LocalStore, mark: Mark) -> None:
    backup_id = new_id()
    put_hold(local, backup_id, "why", now=NOW, key=signing_key())
    record_check(local, backup_id, Mark.DRILLED, trust(), passed=True, at=NOW)
    key = mark_key(backup_id, mark)

    for odd in odd_documents(local.get(key)):
        local.put(key, odd)
        found = read_marks(local, backup_id, {key: len(odd)}, signers())
        assert mark in found.distrusted, odd


def test_the_real_set_is_found_beside_any_of_them(local: LocalStore, planter: Planter) -> None:
    real = planter.plant(local)
    document = local.get(manifest_key(real))
    moment = NOW.isoformat().replace("+00:00", "Z").encode()
    assert moment in document
    for odd in (b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00", b"\\ud800"):
        local.put(manifest_key(new_id()), document.replace(moment, odd))
    local.put(manifest_key(new_id()), document.replace(b"testhost", b"\\ud800"))

    scan = Catalog([local], trust()).scan()

    assert [view.backup_id for view in scan.views] == [real]
    assert len(scan.damaged) == 4
