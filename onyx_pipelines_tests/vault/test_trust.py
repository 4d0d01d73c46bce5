"""What counts in a catalog: signed sets and signed marks, in the store that they are about."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.vault import marks
from onyx_pipelines.vault.authenticity import UntrustedError, signed
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key, mark_key
from onyx_pipelines.vault.manifest import Manifest, parse_manifest, to_bytes
from onyx_pipelines.vault.marks import Mark, read_marks
from onyx_pipelines.vault.scanning import ScanMemory
from onyx_pipelines.vault.signing import DistrustReason
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter, local, offsite, planter
from onyx_pipelines_tests.vault.sets import new_id, signers, signing_key, trust

__all__ = ["local", "offsite", "planter"]

HOUR = timedelta(hours=1)


@pytest.fixture
def catalog(local: LocalStore, offsite: LocalStore) -> Catalog:
    return Catalog([local, offsite], trust())


def manifest_in(store: Store, backup_id: str) -> Manifest:
    return parse_manifest(store.get(manifest_key(backup_id)))


def put_manifest(store: Store, manifest: Manifest, under: str = "") -> None:
    store.put(manifest_key(under or manifest.backup_id), to_bytes(manifest))


def reasons(catalog: Catalog) -> dict[str, DistrustReason]:
    return {each.store: each.distrust.reason for each in catalog.scan().untrusted}


class TestSets:
    def test_what_a_stranger_signed_is_no_set(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        put_manifest(local, signed(manifest_in(local, backup_id), signing_key("a stranger")))

        assert catalog.sets() == []
        assert reasons(catalog) == {"local": DistrustReason.UNKNOWN_SIGNER}

    def test_the_same_set_under_another_id_is_no_set(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        real = planter.plant(local)
        put_manifest(local, manifest_in(local, real), under=new_id())

        assert [view.backup_id for view in catalog.sets()] == [real]
        assert reasons(catalog) == {"local": DistrustReason.MISPLACED}

    def test_one_that_is_not_trusted_is_told_by_its_id_with_the_reason(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        put_manifest(local, signed(manifest_in(local, backup_id), signing_key("a stranger")))

        for text in (backup_id, backup_id[:8], "latest"):
            with pytest.raises(UntrustedError, match="Its signer 'a stranger'"):
                catalog.find(text)

    def test_it_can_be_looked_at_more_closely(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        put_manifest(local, signed(manifest_in(local, backup_id), signing_key("a stranger")))

        assert catalog.identify(backup_id[:8]) == backup_id

    def test_an_old_manifest_that_was_put_back_is_a_problem(
        self, catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
    ) -> None:
        backup_id = planter.plant(local, offsite)
        put_manifest(local, signed(manifest_in(local, backup_id), signing_key(), at=NOW + HOUR))

        (problem,) = catalog.scan().problems

        assert (problem.store, problem.backup_id) == ("offsite", backup_id)
        assert "somebody has put an old one back" in problem.what

    def test_the_latest_is_not_one_that_is_dated_ahead(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        real = planter.plant(local)
        planter.plant(local, timestamp=datetime.now(UTC) + timedelta(days=1))

        assert catalog.find("latest").backup_id == real

    def test_where_all_are_dated_ahead_the_latest_is_the_newest(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        planter.plant(local, timestamp=datetime.now(UTC) + timedelta(days=1))
        newest = planter.plant(local, timestamp=datetime.now(UTC) + timedelta(days=2))

        assert catalog.find("latest").backup_id == newest

    def test_a_signer_that_is_removed_counts_no_more_for_whoever_remembers(
        self, planter: Planter, local: LocalStore
    ) -> None:
        planter.plant(local)
        memory = ScanMemory()
        before = Catalog([local], trust(), memory).sets()

        after = Catalog([local], trust("another host"), memory).sets()

        assert (len(before), after) == (1, [])

    def test_a_manifest_larger_than_any_keeps_no_other_from_being_read(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        real = planter.plant(local)
        path = local.root / manifest_key(new_id())
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.truncate(1 << 40)

        assert [view.backup_id for view in catalog.sets()] == [real]


class TestMarks:
    @pytest.fixture
    def drilled(self, catalog: Catalog, planter: Planter, local: LocalStore) -> str:
        backup_id = planter.plant(local)
        catalog.record_drill(backup_id, "local", passed=True, at=NOW)
        catalog.record_verification(backup_id, "local", passed=True, at=NOW)
        return backup_id

    def drill_of(self, catalog: Catalog, backup_id: str) -> datetime | None:
        return catalog.find(backup_id).last_drill_passed_at

    def test_a_mark_that_nobody_signed_says_nothing(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        content = {"store": "local", "at": NOW, "passed": True, "last_passed_at": NOW}
        local.put(mark_key(backup_id, "drilled"), json.dumps(content, default=str).encode())

        assert self.drill_of(catalog, backup_id) is None
        assert "The mark drilled" in catalog.problems[0].what

    def test_a_mark_of_another_set_says_nothing_here(
        self, catalog: Catalog, planter: Planter, local: LocalStore, drilled: str
    ) -> None:
        other = planter.plant(local)
        local.put(mark_key(other, "drilled"), local.get(mark_key(drilled, "drilled")))

        assert self.drill_of(catalog, other) is None

    def test_a_mark_is_of_its_kind_only(
        self, catalog: Catalog, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        catalog.record_verification(backup_id, "local", passed=True, at=NOW)
        local.put(mark_key(backup_id, "drilled"), local.get(mark_key(backup_id, "verified")))

        assert self.drill_of(catalog, backup_id) is None

    def test_a_drill_from_one_store_says_nothing_of_the_other(
        self, planter: Planter, local: LocalStore, offsite: LocalStore, drilled: str
    ) -> None:
        planter.plant(offsite, backup_id=drilled)
        offsite.put(mark_key(drilled, "drilled"), local.get(mark_key(drilled, "drilled")))

        (view,) = Catalog([offsite], trust()).sets()

        assert view.last_drill_passed_at is None

    def test_a_mark_larger_than_any_keeps_no_set_from_being_read(
        self, catalog: Catalog, local: LocalStore, drilled: str
    ) -> None:
        with (local.root / mark_key(drilled, "verified")).open("wb") as file:
            file.truncate(1 << 30)

        assert self.drill_of(catalog, drilled) == NOW
        assert catalog.find(drilled).last_verified_at is None

    def test_a_strangers_hold_keeps_the_set_in_that_store_alone(
        self, catalog: Catalog, planter: Planter, local: LocalStore, offsite: LocalStore
    ) -> None:
        backup_id = planter.plant(local, offsite)
        marks.put_hold(offsite, backup_id, "mine", now=NOW, key=signing_key("a stranger"))

        (view,) = catalog.sets()

        reasons = {copy.store: view.held_in(copy) for copy in view.copies}
        assert reasons["local"] is None
        assert "cannot be trusted" in (reasons["offsite"] or "")
        assert not catalog.is_held(backup_id, "local")
        assert catalog.is_held(backup_id, "offsite")

    def test_a_machine_without_a_signing_key_notes_no_check_and_puts_no_hold(
        self, planter: Planter, local: LocalStore
    ) -> None:
        backup_id = planter.plant(local)
        nobody = Trust(signers(), local.root / "no-such-key")
        catalog = Catalog([local], nobody)

        catalog.record_drill(backup_id, "local", passed=True, at=NOW)

        assert self.drill_of(catalog, backup_id) is None
        with pytest.raises(KeyFileError, match="onyx keys create"):
            catalog.hold(backup_id, "why", now=NOW)

    @settings(
        deadline=None,
        max_examples=75,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(data=st.data())
    def test_no_byte_of_a_mark_can_change_and_still_say_something_else(
        self, local: LocalStore, drilled: str, data: st.DataObject
    ) -> None:
        keys = {each.key: each.size_bytes for each in local.list("sets/")}
        before = read_marks(local, drilled, keys, signers())
        key = mark_key(drilled, data.draw(st.sampled_from([Mark.DRILLED, Mark.VERIFIED])))
        original = local.get(key)
        place = data.draw(st.integers(0, len(original) - 1))
        byte = data.draw(st.integers(0, 255))

        local.put(key, original[:place] + bytes([byte]) + original[place + 1 :])
        found = read_marks(local, drilled, keys, signers())
        local.put(key, original)

        assert found.drilled in (before.drilled, None)
        assert found.verified in (before.verified, None)
