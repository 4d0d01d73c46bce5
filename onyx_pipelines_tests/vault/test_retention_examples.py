"""The calendar rule by examples: years, gaps, zones, sets in doubt, settings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.vault.retention import (
    RetentionPolicy,
    SetRecord,
    Tier,
    plan,
)
from onyx_pipelines_tests.vault.histories import kept_ids, last, nightly, reasons_of, record


def test_a_year_of_nightly_sets_ends_in_exactly_23() -> None:
    history = nightly(730)

    result = plan(history, RetentionPolicy(), now=last(history))

    tiers = [decision.retained_as for decision in result.kept]
    assert (tiers.count(Tier.DAILY), tiers.count(Tier.WEEKLY), tiers.count(Tier.MONTHLY)) == (
        7,
        4,
        12,
    )
    assert len(result.kept) == 23


def test_gaps_do_not_use_up_places() -> None:
    history = [record(datetime(2020 + year, 1, 1, tzinfo=UTC)) for year in range(6)]

    result = plan(history, RetentionPolicy(daily=3, weekly=1, monthly=1), now=last(history))

    assert kept_ids(result) == {each.backup_id for each in history[1:]}


def test_of_several_sets_on_a_day_the_newest_counts() -> None:
    morning = record(datetime(2026, 3, 2, 2, tzinfo=UTC))
    evening = record(datetime(2026, 3, 2, 22, tzinfo=UTC))

    result = plan([evening, morning], RetentionPolicy(), now=evening.timestamp)

    assert kept_ids(result) == {evening.backup_id}


def test_a_day_is_a_day_of_the_named_zone() -> None:
    evening = record(datetime(2026, 3, 2, 22, 30, tzinfo=UTC))  # 23:30 in Berlin
    night = record(datetime(2026, 3, 2, 23, 30, tzinfo=UTC))  # 00:30 on the 3rd
    policy = RetentionPolicy(daily=2, weekly=0, monthly=0, timezone="Europe/Berlin")

    result = plan([evening, night], policy, now=night.timestamp)

    assert reasons_of(result, evening) == ("daily 2 of 2 (2026-03-02)",)
    assert reasons_of(result, night)[0] == "daily 1 of 2 (2026-03-03)"


def test_the_25_hours_of_an_autumn_day_are_one_day() -> None:
    history = [
        record(datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(hours=h)) for h in range(25)
    ]
    policy = RetentionPolicy(timezone="Europe/Berlin")

    result = plan(history, policy, now=last(history))

    assert kept_ids(result) == {history[-1].backup_id}
    assert reasons_of(result, history[-1])[0] == "daily 1 of 7 (2026-10-25)"


def test_week_53_reaches_over_the_end_of_the_year() -> None:
    december = record(datetime(2026, 12, 28, tzinfo=UTC))
    january = record(datetime(2027, 1, 3, tzinfo=UTC))
    policy = RetentionPolicy(daily=0, weekly=2, monthly=0)

    result = plan([december, january], policy, now=january.timestamp)

    assert reasons_of(result, january)[0] == "weekly 1 of 2 (2026-W53)"
    assert kept_ids(result) == {january.backup_id}


def test_at_the_same_instant_the_greater_id_wins() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    low, high = SetRecord("0" * 8, at), SetRecord("f" * 8, at)

    assert kept_ids(plan([high, low], RetentionPolicy(), now=at)) == {"f" * 8}


def test_every_reason_is_named() -> None:
    history = nightly(400)
    history[3] = replace(history[3], hold_reason="court order")
    history[5] = replace(history[5], drill_passed=True)
    history[7] = replace(history[7], copy_pending=True)
    future = record(last(history) + timedelta(days=900))

    result = plan([*history, future], RetentionPolicy(), now=last(history))

    assert reasons_of(result, history[3]) == ("held: court order",)
    assert reasons_of(result, history[5]) == ("newest set that passed a drill",)
    assert reasons_of(result, history[7]) == ("off-site copy pending",)
    assert reasons_of(result, history[9]) == ("not among 7 daily, 4 weekly and 12 monthly",)
    assert reasons_of(result, history[-1]) == ("daily 1 of 7 (2026-02-04)", "newest complete set")
    assert reasons_of(result, future) == ("timestamp lies in the future",)
    assert [decision.backup_id for decision in result.future_dated] == [future.backup_id]


def test_a_partial_set_goes_when_the_days_do() -> None:
    history = nightly(30)
    fresh = record(history[-2].timestamp + timedelta(hours=1), lacks=("qdrant",))
    old = record(history[-9].timestamp + timedelta(hours=1), lacks=("qdrant",))

    result = plan([*history, fresh, old], RetentionPolicy(), now=last(history))

    assert reasons_of(result, fresh) == ("partial (without qdrant), within the days kept",)
    assert old.backup_id not in kept_ids(result)


def test_a_set_in_doubt_stays_beside_the_good_one_of_its_day_and_says_why() -> None:
    morning = record(datetime(2026, 3, 2, 2, tzinfo=UTC))
    evening = record(datetime(2026, 3, 2, 22, tzinfo=UTC), doubts=("volumes notes: missing",))

    result = plan([morning, evening], RetentionPolicy(), now=evening.timestamp)

    assert reasons_of(result, morning) == ("daily 1 of 7 (2026-03-02)", "newest complete set")
    assert reasons_of(result, evening) == (
        "in doubt (volumes notes: missing), within the days kept",
    )


@pytest.mark.parametrize(
    ("policy", "good_ones_after", "stays"),
    [
        (RetentionPolicy(), 0, True),
        (RetentionPolicy(), 6, True),
        (RetentionPolicy(), 7, False),
        (RetentionPolicy(daily=0), 0, True),
        (RetentionPolicy(daily=0), 1, False),
    ],
)
def test_a_set_in_doubt_goes_when_good_ones_have_followed_on_all_days_kept(
    policy: RetentionPolicy, good_ones_after: int, stays: bool
) -> None:
    begin = datetime(2026, 3, 2, 2, tzinfo=UTC)
    doubtful = record(begin, doubts=("a drop",))
    good = [record(begin + timedelta(days=day)) for day in range(-3, good_ones_after + 1) if day]

    result = plan([*good, doubtful], policy, now=last([*good, doubtful]))

    assert result.keeps(doubtful.backup_id) is stays


def test_why_a_set_in_doubt_goes_is_told() -> None:
    history = nightly(30)
    old = record(history[-9].timestamp + timedelta(hours=1), doubts=("a drop",))

    result = plan([*history, old], RetentionPolicy(), now=last(history))

    assert reasons_of(result, old) == ("in doubt (a drop), and older than the days kept",)


def test_what_the_run_made_stays_and_displaces_as_any_other() -> None:
    old = record(datetime(2020, 1, 1, tzinfo=UTC), made_now=True)
    history = nightly(400)

    result = plan([*history, old], RetentionPolicy(), now=last(history))

    assert reasons_of(result, old) == ("made by this run",)
    assert kept_ids(result) - {old.backup_id} == kept_ids(
        plan(history, RetentionPolicy(), now=last(history))
    )


def test_a_policy_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="would keep no set"):
        RetentionPolicy(daily=0, weekly=0, monthly=0)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(SettingsError, match="ONYX_RETENTION_TIMEZONE"):
        RetentionPolicy(timezone=zone)


def test_the_policy_comes_from_the_settings() -> None:
    loaded = load_settings({"keep_daily": 3, "retention_timezone": "Europe/Berlin"})

    assert RetentionPolicy.from_settings(loaded) == RetentionPolicy(3, 4, 12, "Europe/Berlin")


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        plan([record(datetime(2026, 1, 1))], RetentionPolicy(), now=datetime.now(UTC))  # noqa: DTZ001  (naive on purpose, or made aware below)


def test_an_id_that_occurs_twice_is_refused() -> None:
    each = record(datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(ValueError, match="twice"):
        plan([each, each], RetentionPolicy(), now=each.timestamp)


def test_no_sets_give_an_empty_plan() -> None:
    assert plan([], RetentionPolicy(), now=datetime.now(UTC)).decisions == ()


def test_a_hundred_thousand_sets_are_planned_in_two_seconds() -> None:
    begin = datetime(2010, 1, 1, tzinfo=UTC)
    history = [SetRecord(f"{n:08}", begin + timedelta(minutes=83 * n)) for n in range(100_000)]
    policy = RetentionPolicy(timezone="Europe/Berlin")
    started = time.process_time()

    plan(history, policy, now=last(history))

    assert time.process_time() - started < 2


def test_the_time_zone_of_the_host_does_not_matter() -> None:
    script = (
        "from datetime import *\n"
        "from onyx_pipelines.vault.retention import *\n"
        "b = datetime(2026, 3, 1, 0, 30, tzinfo=timezone.utc)\n"
        "h = [SetRecord(f'{n:04}', b + timedelta(hours=7 * n)) for n in range(900)]\n"
        "p = plan(h, RetentionPolicy(timezone='America/New_York'), now=h[-1].timestamp)\n"
        "print([d.reasons for d in p.decisions])\n"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for zone in ("Pacific/Chatham", "UTC")
    }

    assert len(answers) == 1
    assert date(2026, 11, 18).isoformat().encode() in answers.pop()
