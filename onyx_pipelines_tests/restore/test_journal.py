"""The journal of a restore: whose it is, how long it counts, and what never comes into it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.errors import AlreadyRunningError, RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.journal import (
    RESUMED_WITHIN,
    UNKNOWN_EXTENT,
    Finished,
    RestoreJournal,
    RestoreRecord,
    forget_all,
    request_digest,
    still_the_same,
)
from onyx_pipelines.restore.results import ComponentResult, Finding
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.unfinished_restore import refuse_while_restoring

NOW = datetime.now(UTC)
ASKED = request_digest("a set", "a choice", ["a target"])


def finding(verdict: Verdict, item: str = "app") -> Finding:
    return Finding(verdict=verdict, item=item, aspect="rows", message="3 rows")


PASSED = (finding(Verdict.PASSED),)


def opened(folder: Path, asked: str = ASKED, now: datetime = NOW) -> RestoreJournal:
    return RestoreJournal.open(folder, "a set", asked, now)


def with_one(folder: Path) -> RestoreJournal:
    journal = opened(folder)
    journal.add(Component.POSTGRESQL, "app", PASSED, placed={"oid": 17})
    return journal


class TestTheSameCall:
    def test_goes_on_with_what_was_put_in_place(self, tmp_path: Path) -> None:
        first = with_one(tmp_path)
        first.begin("a safety backup")

        again = opened(tmp_path)
        found = again.finished(Component.POSTGRESQL, "app")

        assert found is not None
        assert (again.restore_id, again.safety_backup_ids) == (
            first.restore_id,
            ("a safety backup",),
        )
        assert (found.findings, found.placed) == (PASSED, {"oid": 17})
        assert not again.went_stale

    def test_knows_nothing_of_another_item_nor_of_that_name_in_another_component(
        self, tmp_path: Path
    ) -> None:
        journal = with_one(tmp_path)

        assert journal.finished(Component.POSTGRESQL, "other") is None
        assert journal.finished(Component.QDRANT, "app") is None

    def test_begins_anew_once_it_is_over(self, tmp_path: Path) -> None:
        with_one(tmp_path).close()

        assert opened(tmp_path).finished(Component.POSTGRESQL, "app") is None

    def test_begins_anew_after_it_was_given_up(self, tmp_path: Path) -> None:
        with_one(tmp_path)

        forgotten = forget_all(tmp_path)

        assert len(forgotten) == 1
        assert opened(tmp_path).finished(Component.POSTGRESQL, "app") is None

    def test_begins_anew_where_the_journal_is_damaged(self, tmp_path: Path) -> None:
        with_one(tmp_path)
        (path,) = (tmp_path / "restores").iterdir()
        path.write_text('{"restore_id": 1')

        assert opened(tmp_path).finished(Component.POSTGRESQL, "app") is None


class TestAge:
    @pytest.mark.parametrize("days", [1.01, 60, 3650, -2])
    def test_an_old_one_is_never_taken_for_done_and_is_named(
        self, days: float, tmp_path: Path
    ) -> None:
        """Nor one of a day that is to come, which a wrong clock wrote."""
        first = with_one(tmp_path)

        later = opened(tmp_path, now=datetime.now(UTC) + timedelta(days=days))

        assert later.finished(Component.POSTGRESQL, "app") is None
        assert later.restore_id != first.restore_id
        assert later.went_stale

    def test_it_counts_from_the_last_entry_and_not_from_the_beginning(self) -> None:
        """A restore of more than a day goes on too."""
        record = RestoreRecord(
            restore_id="r",
            backup_id="a set",
            request=ASKED,
            started_at=NOW - timedelta(days=3),
            written_at=NOW - timedelta(hours=1),
        )

        assert record.counts_for(ASKED, NOW)

    @given(st.timedeltas(timedelta(days=-4000), timedelta(days=4000)))
    def test_it_counts_within_a_day_and_at_no_other_time(self, age: timedelta) -> None:
        record = RestoreRecord(
            restore_id="r", backup_id="a set", request=ASKED, started_at=NOW, written_at=NOW - age
        )

        assert record.counts_for(ASKED, NOW) == (abs(age) < RESUMED_WITHIN)


class TestAnotherRequest:
    def test_is_another_restore(self, tmp_path: Path) -> None:
        with_one(tmp_path)

        other = opened(tmp_path, request_digest("another set", "a choice", ["a target"]))

        assert other.finished(Component.POSTGRESQL, "app") is None
        assert not other.went_stale

    def test_cannot_borrow_a_file_of_this_one(self, tmp_path: Path) -> None:
        """Whatever its name says."""
        with_one(tmp_path)
        (path,) = (tmp_path / "restores").iterdir()
        other = request_digest("another set")
        path.rename(path.with_name(f"{other[:24]}.json"))

        assert opened(tmp_path, other).finished(Component.POSTGRESQL, "app") is None

    @pytest.mark.parametrize(
        "change",
        [
            {"components": (Component.QDRANT,)},
            {"databases": ("app",)},
            {"databases": ("app", "other")},
            {"tables": ("public.t",)},
            {"collections": ("docs",)},
            {"volumes": ("v",)},
            {"paths": ("a/b",)},
            {"into": "postgresql://host/app"},
            {"with_globals": False},
            {"keep_old": True},
            {"make_devices": True},
        ],
        ids=str,
    )
    def test_every_option_makes_another_one(self, change: dict[str, Any]) -> None:
        plain = RestoreChoice()
        changed = dataclasses.replace(plain, **change)

        digests = {request_digest("s", dataclasses.asdict(each), []) for each in (plain, changed)}

        assert len(digests) == 2

    def test_so_does_each_set_and_each_target(self) -> None:
        digests = {
            request_digest(backup_id, {}, targets)
            for backup_id in ("one", "two")
            for targets in (
                ["host:5432 71"],
                ["host:5432 72"],
                ["host:5433 71"],
                ["host:5432", "71"],
            )
        }

        assert len(digests) == 8


class TestWhatFailedItsComparison:
    def test_never_counts_as_finished(self, tmp_path: Path) -> None:
        journal = opened(tmp_path)

        journal.add(Component.QDRANT, "docs", (*PASSED, finding(Verdict.FAILED)))

        assert journal.finished(Component.QDRANT, "docs") is None
        assert opened(tmp_path).finished(Component.QDRANT, "docs") is None

    def test_what_could_not_be_verified_is_in_its_place_all_the_same(self, tmp_path: Path) -> None:
        journal = opened(tmp_path)

        journal.add(Component.QDRANT, "docs", (*PASSED, finding(Verdict.COULD_NOT_VERIFY)))

        assert journal.finished(Component.QDRANT, "docs") is not None


def component(
    component: Component, *findings: Finding, unfinished: tuple[str, ...] = ()
) -> ComponentResult:
    return ComponentResult(
        component=component, findings=findings, steps=(), plain_bytes=0, unfinished=unfinished
    )


DIFFERS = finding(Verdict.FAILED)
REFUSED = component(Component.QDRANT, *PASSED, DIFFERS, unfinished=("docs",))


class TestWhatIsBackedUpFirst:
    """Of what is overwritten: that of which there is no backup as it is now."""

    BOTH = frozenset({Component.POSTGRESQL, Component.QDRANT})

    def test_is_everything_at_first(self, tmp_path: Path) -> None:
        assert opened(tmp_path).to_back_up(self.BOTH) == self.BOTH

    def test_is_nothing_after_a_kill(self, tmp_path: Path) -> None:
        """Some of it is half replaced: what was there is in the backup of the first call."""
        opened(tmp_path).begin("first")

        assert opened(tmp_path).to_back_up(self.BOTH) == frozenset()

    def test_is_what_an_earlier_call_left_as_it_was(self, tmp_path: Path) -> None:
        """It is in use again, so the backup of then is not of what would be overwritten."""
        first = opened(tmp_path)
        first.begin("first")
        first.end([component(Component.POSTGRESQL, *PASSED), REFUSED])

        again = opened(tmp_path)
        to_back_up = again.to_back_up(self.BOTH)
        again.begin("second")

        assert to_back_up == {Component.QDRANT}
        assert again.safety_backup_ids == ("first", "second")
        assert opened(tmp_path).to_back_up(self.BOTH) == frozenset()

    def test_is_what_a_call_that_failed_did_not_come_to(self, tmp_path: Path) -> None:
        first = opened(tmp_path)
        first.begin("first")
        with (
            pytest.raises(RuntimeError),
            first.changing("onyx restore", [Component.QDRANT, Component.VOLUMES]),
        ):
            raise RuntimeError

        assert opened(tmp_path).to_back_up(self.BOTH) == {Component.QDRANT}


class TestABackupBesideIt:
    def test_is_refused_while_data_changes_and_names_the_command(self, tmp_path: Path) -> None:
        """Also of another process: it reads what a killed one left."""
        with (
            opened(tmp_path).changing("onyx restore latest --confirm", [Component.QDRANT]),
            pytest.raises(AlreadyRunningError) as refused,
        ):
            refuse_while_restoring(tmp_path)

        assert "onyx restore latest --confirm" in refused.value.remedy

    def test_is_not_refused_once_data_changes_no_longer(self, tmp_path: Path) -> None:
        journal = opened(tmp_path)
        with journal.changing("onyx restore", [Component.QDRANT]):
            pass

        refuse_while_restoring(tmp_path)

    def test_is_refused_where_the_journal_cannot_be_read(self, tmp_path: Path) -> None:
        """Of another user, say: what it holds is not known."""
        (tmp_path / "restores" / "of-another.json").mkdir(parents=True)

        with pytest.raises(AlreadyRunningError, match="cannot be read"):
            refuse_while_restoring(tmp_path)

    def test_is_refused_still_if_another_restore_ends(self, tmp_path: Path) -> None:
        """Of what was killed, the other one says nothing."""
        with opened(tmp_path).changing("the killed one", [Component.QDRANT]):
            other = opened(tmp_path, request_digest("another"))
            with other.changing("another", [Component.VOLUMES]):
                pass
            other.close()

            with pytest.raises(AlreadyRunningError) as refused:
                refuse_while_restoring(tmp_path)

        assert "the killed one" in refused.value.remedy


class TestDifferencesThatSomebodyHasRead:
    def forced(self, folder: Path, *findings: Finding) -> RestoreJournal:
        """After a call that was refused because of these."""
        opened(folder).end([component(Component.QDRANT, *findings, unfinished=("docs",))])
        journal = opened(folder)
        journal.force("a set")
        return journal

    def test_pass_once_they_were_named(self, tmp_path: Path) -> None:
        assert self.forced(tmp_path, DIFFERS).lets_pass([*PASSED, DIFFERS])

    def test_do_not_pass_unasked(self, tmp_path: Path) -> None:
        opened(tmp_path).end([REFUSED])

        assert not opened(tmp_path).lets_pass([DIFFERS])

    def test_do_not_pass_if_there_is_one_more(self, tmp_path: Path) -> None:
        journal = self.forced(tmp_path, DIFFERS)

        assert not journal.lets_pass([DIFFERS, finding(Verdict.FAILED, "another")])

    @pytest.mark.parametrize("aspect", sorted(UNKNOWN_EXTENT))
    def test_do_not_pass_where_nobody_knows_all_of_them(self, aspect: str, tmp_path: Path) -> None:
        unknown = DIFFERS.model_copy(update={"aspect": aspect})

        assert not self.forced(tmp_path, unknown).lets_pass([unknown])

    def test_cannot_be_forced_before_they_were_named(self, tmp_path: Path) -> None:
        with pytest.raises(RestoreError, match="nobody can have read them"):
            opened(tmp_path).force("a set")

    def test_are_of_the_same_request_only(self, tmp_path: Path) -> None:
        opened(tmp_path).end([REFUSED])

        with pytest.raises(RestoreError):
            opened(tmp_path, request_digest("another")).force("a set")

    def test_are_never_taken_for_done(self, tmp_path: Path) -> None:
        journal = self.forced(tmp_path, DIFFERS)

        journal.add(Component.QDRANT, "docs", [DIFFERS])

        assert journal.finished(Component.QDRANT, "docs") is None


class TestComparedAgain:
    EARLIER = Finished(component=Component.POSTGRESQL, item="app", findings=PASSED, at=NOW)

    @pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.COULD_NOT_VERIFY])
    def test_what_is_as_it_was_has_the_findings_of_then(self, verdict: Verdict) -> None:
        assert still_the_same(self.EARLIER, [finding(verdict)]) == PASSED

    def test_what_has_changed_since_fails_with_the_differences(self) -> None:
        differing = finding(Verdict.FAILED)

        now = still_the_same(self.EARLIER, [finding(Verdict.PASSED), differing])

        assert now[0] == differing
        assert [each.verdict for each in now] == [Verdict.FAILED, Verdict.FAILED]
        assert "left as it is" in now[1].message
        assert "--abort" in now[1].message


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "restores").write_text("a file")

    with pytest.raises(RestoreError, match="cannot be used"):
        opened(tmp_path)
