"""A set that is less than the one before it takes nobody's place, in no store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.backup import offsite_copies, retained_sets, steps
from onyx_pipelines_tests.backup.job_runs import checks_of, metadata_of, run_job
from onyx_pipelines_tests.fixtures_sandbox import VOLUME, HostUnderTest, cut_manifest


@pytest.fixture
def good(volume_host: HostUnderTest) -> str:
    """The id of a set with everything in it."""
    return volume_host.run().backup_id


def lose_most(host: HostUnderTest) -> bytes:
    """What an emptied volume looks like; the answer is what was in it."""
    lost = host.volume / "random.bin"
    content = lost.read_bytes()
    lost.write_bytes(b"")
    (host.volume / "greeting.txt").write_bytes(b"")
    return content


def reasons(host: HostUnderTest, backup_id: str, *, now: datetime | None = None) -> dict[str, str]:
    """Store → why the set is kept or goes there."""
    report = retained_sets.apply_retention(host.open(), now=now or datetime.now(UTC), dry_run=True)
    return {
        store: "; ".join(decision.reasons)
        for store, plan in report.plans.items()
        for decision in plan.decisions
        if decision.backup_id == backup_id
    }


def test_a_much_smaller_set_of_the_day_leaves_the_good_one_in_both_stores(
    volume_host: HostUnderTest, good: str
) -> None:
    lose_most(volume_host)
    small = volume_host.run()

    assert volume_host.stores_of(good) == {"local", "offsite"}
    assert volume_host.stores_of(small.backup_id) == {"local", "offsite"}
    assert any("a drop of more than" in problem for problem in small.problems)


def test_why_it_takes_no_place_is_told_for_each_store(
    volume_host: HostUnderTest, good: str
) -> None:
    lose_most(volume_host)
    small = volume_host.run().backup_id

    of_small, of_good = reasons(volume_host, small), reasons(volume_host, good)

    assert set(of_small) == set(of_good) == {"local", "offsite"}
    assert all("docker_volumes" in why and "drop of more than" in why for why in of_small.values())
    assert all("daily 1 of 7" in why for why in of_good.values())


def test_it_goes_with_the_days_once_a_good_one_has_followed(
    volume_host: HostUnderTest, good: str
) -> None:
    volume_host.set(KEEP_DAILY=0, KEEP_WEEKLY=0, KEEP_MONTHLY=1)
    content = lose_most(volume_host)
    small = volume_host.run().backup_id
    (volume_host.volume / "random.bin").write_bytes(content)
    (volume_host.volume / "greeting.txt").write_bytes(b"hello\n" * 2000)
    while_last = volume_host.listed()

    newest = volume_host.run().backup_id

    assert while_last == [small, good]
    assert volume_host.listed() == [newest]


@pytest.fixture
def two_volumes(volume_host: HostUnderTest, tmp_path: Path) -> str:
    """The id of a set of two volumes, of which the second is not configured any more."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "small.txt").write_text("small", encoding="utf-8")
    before = f"{VOLUME}={volume_host.volume}"
    volume_host.set(VOLUMES=f"{before},notes={notes}")
    made = volume_host.run().backup_id
    volume_host.set(VOLUMES=before)
    return made


def test_a_set_with_fewer_sources_leaves_the_one_before_in_both_stores(
    volume_host: HostUnderTest, two_volumes: str
) -> None:
    fewer = volume_host.run()

    assert volume_host.stores_of(two_volumes) == {"local", "offsite"}
    assert volume_host.stores_of(fewer.backup_id) == {"local", "offsite"}
    assert any("notes" in problem for problem in fewer.problems)
    assert all("notes" in why for why in reasons(volume_host, fewer.backup_id).values())


def test_a_source_that_was_given_up_is_told_once(
    volume_host: HostUnderTest, two_volumes: str
) -> None:
    volume_host.run()

    again = volume_host.run()

    assert again.problems == ()
    assert "daily 1 of 7" in reasons(volume_host, again.backup_id)["local"]
    assert two_volumes


def test_a_volume_that_is_empty_now_is_told_and_takes_nobodys_place(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "small.txt").write_text("small", encoding="utf-8")
    volume_host.set(VOLUMES=f"{VOLUME}={volume_host.volume},notes={notes}")
    good = volume_host.run().backup_id
    (notes / "small.txt").unlink()

    emptied = volume_host.run()

    assert volume_host.stores_of(good) == {"local", "offsite"}
    assert any("volume notes: empty, though not in" in each for each in emptied.problems)
    assert all("volume notes" in why for why in reasons(volume_host, emptied.backup_id).values())


class ClockBefore(datetime):
    """A clock that is more than a year behind."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # narrower than its base
        return datetime.now(tz) - timedelta(days=400)


def test_a_run_never_prunes_what_it_made_however_wrong_its_clock_was(
    volume_host: HostUnderTest, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is wrong when the backup begins, and is set before it prunes."""
    volume_host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
    monkeypatch.setattr(steps, "datetime", ClockBefore)
    monkeypatch.setattr(offsite_copies, "datetime", ClockBefore)

    outcome = volume_host.run()

    made = volume_host.manifest(outcome.backup_id)
    assert datetime.now(UTC) - made.timestamp > timedelta(days=399)
    assert volume_host.stores_of(outcome.backup_id) == {"local", "offsite"}
    assert volume_host.stores_of(good) == {"local", "offsite"}


class TestTheNightlyJob:
    """The same in Dagster, where each step is an asset."""

    def test_keeps_what_it_made_and_says_why(
        self, volume_host: HostUnderTest, good: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volume_host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
        monkeypatch.setattr(steps, "datetime", ClockBefore)

        with dg.DagsterInstance.ephemeral() as instance:
            result = run_job(instance)

        table = str(metadata_of(result, "backup_retention")["plan"])
        assert result.success
        assert set(volume_host.listed()) == {good, result.run_id}
        assert "made by this run" in table

    def test_shows_what_is_in_doubt_in_checks_and_in_the_plan(
        self, volume_host: HostUnderTest, two_volumes: str
    ) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            result = run_job(instance)

        assert checks_of(result)["backup_set:set_is_complete"] == (False, "WARN")
        assert "volumes notes" in str(metadata_of(result, "backup_retention")["plan"])
        assert set(volume_host.listed()) == {two_volumes, result.run_id}

    @pytest.mark.parametrize("damage", ["manifest", "object"])
    def test_tells_of_a_damaged_set_by_a_check_of_its_own(
        self, volume_host: HostUnderTest, good: str, damage: str
    ) -> None:
        if damage == "manifest":
            cut_manifest(volume_host.backups, good)
        else:
            volume_host.first_object(good).unlink()

        with dg.DagsterInstance.ephemeral() as instance:
            result = run_job(instance)

        assert result.success
        assert checks_of(result)["backup_retention:every_set_is_whole"] == (False, "WARN")
        assert (volume_host.backups / "sets" / good / "manifest.json").exists()
