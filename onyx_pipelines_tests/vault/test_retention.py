"""The calendar rule against an oracle written from its description, and what is never pruned."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.vault.retention import (
    RetentionPlan,
    RetentionPolicy,
    SetRecord,
    Tier,
    plan,
)

# Daylight saving in both hemispheres, half-hour offsets, a day that never was (Apia, 2011-12-30),
# and clocks that went back over midnight (St John's until 2011).
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/St_Johns",
)
BEGINNINGS = (
    datetime(2011, 10, 20, tzinfo=UTC),  # Apia loses a day, two years end
    datetime(2020, 12, 1, tzinfo=UTC),  # 2020 has a week 53
    datetime(2026, 3, 1, tzinfo=UTC),  # spring daylight saving
    datetime(2026, 12, 15, tzinfo=UTC),  # 2026 has a week 53
)
EXAMPLES = settings(max_examples=120, deadline=None)
FEW_EXAMPLES = settings(max_examples=40, deadline=None)


def record(at: datetime, **changes: object) -> SetRecord:
    return replace(SetRecord(str(uuid.uuid4()), at), **changes)  # type: ignore[arg-type]


def nightly(count: int, first: datetime = datetime(2025, 1, 1, 2, tzinfo=UTC)) -> list[SetRecord]:
    return [record(first + timedelta(days=day)) for day in range(count)]


def kept_ids(result: RetentionPlan) -> set[str]:
    return {decision.backup_id for decision in result.kept}


def reasons_of(result: RetentionPlan, each: SetRecord) -> tuple[str, ...]:
    return next(d.reasons for d in result.decisions if d.backup_id == each.backup_id)


def last(history: Sequence[SetRecord]) -> datetime:
    return max(each.timestamp for each in history)


LESS: Sequence[dict[str, object]] = (
    {},
    {},
    {"doubts": ("postgresql: a drop of more than 50 % is an error",)},
    {"lacks": ("qdrant",)},
    {"problem": "its last verification failed"},
)


# Hundreds of draws of Hypothesis's own take twenty times as long as the plan that they are for.
dice = st.randoms(use_true_random=True)


@st.composite
def histories(draw: st.DrawFn) -> list[SetRecord]:
    """Days with no, one or several sets, at any time of day; up to four months."""
    begin = draw(st.sampled_from(BEGINNINGS))
    count = draw(st.integers(1, 160))
    chosen = draw(dice).sample(range(120 * 24 * 60), count)
    return [record(begin + timedelta(minutes=minute)) for minute in chosen]


@st.composite
def policies(draw: st.DrawFn) -> RetentionPolicy:
    counts = draw(st.tuples(st.integers(0, 9), st.integers(0, 6), st.integers(0, 5)).filter(any))
    return RetentionPolicy(*counts, timezone=draw(st.sampled_from(ZONES)))


@st.composite
def mixed_histories(draw: st.DrawFn) -> list[SetRecord]:
    """Histories in which some sets are less than they should be, or known to be wrong."""
    choose = draw(dice).choice
    return [replace(each, **choose(LESS)) for each in draw(histories())]


def oracle(history: Sequence[SetRecord], policy: RetentionPolicy) -> dict[str, Tier]:
    """The rule as docs/retention.md says it, tier by tier over whole periods."""
    history = [each for each in history if not (each.problem or each.lacks or each.doubts)]
    zone = ZoneInfo(policy.timezone)
    result: dict[str, Tier] = {}
    for tier, count, pattern in (
        (Tier.DAILY, policy.daily, "%Y-%m-%d"),
        (Tier.WEEKLY, policy.weekly, "%G-%V"),
        (Tier.MONTHLY, policy.monthly, "%Y-%m"),
    ):
        newest_of: dict[str, SetRecord] = {}
        for each in sorted(history, key=lambda s: (s.timestamp, s.backup_id)):
            newest_of[each.timestamp.astimezone(zone).strftime(pattern)] = each
        candidates = [each for each in newest_of.values() if each.backup_id not in result]
        candidates.sort(key=lambda s: (s.timestamp, s.backup_id))
        result |= {
            each.backup_id: tier
            for each in candidates[len(candidates) - min(count, len(candidates)) :]
        }
    return result


def beside(history: Sequence[SetRecord], policy: RetentionPolicy) -> set[str]:
    """Ids of partial sets, and of those in doubt, that stay: younger than the oldest day kept."""
    tiers = oracle(history, policy)
    good = [s.timestamp for s in history if not (s.problem or s.lacks or s.doubts)]
    days = [s.timestamp for s in history if tiers.get(s.backup_id) is Tier.DAILY]
    begin = min(days) if days else max(good, default=datetime.min.replace(tzinfo=UTC))
    return {s.backup_id for s in history if (s.lacks or s.doubts) and s.timestamp > begin}


@given(history=mixed_histories(), policy=policies())
@EXAMPLES
def test_what_stays_beside_the_calendar_is_what_the_description_says(
    history: list[SetRecord], policy: RetentionPolicy
) -> None:
    good = [each for each in history if not (each.problem or each.lacks or each.doubts)]
    newest = {max(good, key=lambda s: (s.timestamp, s.backup_id)).backup_id} if good else set()
    wrong = {each.backup_id for each in history if each.problem}

    kept = kept_ids(plan(history, policy, now=last(history)))

    assert kept == set(oracle(history, policy)) | newest | wrong | beside(history, policy)


@given(history=mixed_histories(), policy=policies())
@EXAMPLES
def test_a_set_that_is_less_never_makes_a_good_one_go(
    history: list[SetRecord], policy: RetentionPolicy
) -> None:
    good = [each for each in history if not (each.problem or each.lacks or each.doubts)]

    kept = kept_ids(plan(history, policy, now=last(history)))

    alone = kept_ids(plan(good, policy, now=last(history)))
    assert kept & {each.backup_id for each in good} == alone


@given(history=mixed_histories(), policy=policies())
@EXAMPLES
def test_the_plan_is_what_the_description_says(
    history: list[SetRecord], policy: RetentionPolicy
) -> None:
    result = plan(history, policy, now=last(history))

    retained = {d.backup_id: d.retained_as for d in result.decisions if d.retained_as}
    assert retained == oracle(history, policy)


@given(history=histories(), policy=policies(), data=st.data())
@FEW_EXAMPLES
def test_the_order_of_the_sets_does_not_matter(
    history: list[SetRecord], policy: RetentionPolicy, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(history))

    assert plan(shuffled, policy, now=last(history)) == plan(history, policy, now=last(history))


@given(history=mixed_histories(), policy=policies())
@EXAMPLES
def test_planning_again_after_pruning_prunes_nothing(
    history: list[SetRecord], policy: RetentionPolicy
) -> None:
    first = kept_ids(plan(history, policy, now=last(history)))
    left = [each for each in history if each.backup_id in first]

    assert plan(left, policy, now=last(history)).pruned == []


@given(history=mixed_histories(), policy=policies(), data=st.data())
@EXAMPLES
def test_what_is_pruned_makes_no_difference_to_the_rest(
    history: list[SetRecord], policy: RetentionPolicy, data: st.DataObject
) -> None:
    """So a store that gave sets up does not want them copied to it again."""
    first = plan(history, policy, now=last(history))
    coin = data.draw(dice)
    gone = {each.backup_id for each in first.pruned if coin.random() < 0.5}
    left = [each for each in history if each.backup_id not in gone]

    assert kept_ids(plan(left, policy, now=last(history))) == kept_ids(first)


@given(history=mixed_histories(), policy=policies(), held=st.sets(st.integers(0, 159)))
@EXAMPLES
def test_pruning_after_every_set_ends_where_pruning_once_does(
    history: list[SetRecord], policy: RetentionPolicy, held: set[int]
) -> None:
    history.sort(key=lambda each: each.timestamp)
    marked = [
        replace(each, hold_reason="kept" if number in held else None)
        for number, each in enumerate(history)
    ]
    left: list[SetRecord] = []
    for each in marked:
        left.append(each)
        kept = kept_ids(plan(left, policy, now=each.timestamp))
        left = [candidate for candidate in left if candidate.backup_id in kept]

    assert {each.backup_id for each in left} == kept_ids(plan(marked, policy, now=last(marked)))


@given(
    history=mixed_histories(),
    policy=policies(),
    raised=st.sampled_from(["daily", "weekly", "monthly"]),
)
@EXAMPLES
def test_raising_a_count_never_deletes_more(
    history: list[SetRecord], policy: RetentionPolicy, raised: str
) -> None:
    more = replace(policy, **{raised: getattr(policy, raised) + 1})

    assert kept_ids(plan(history, policy, now=last(history))) <= kept_ids(
        plan(history, more, now=last(history))
    )


@given(history=histories(), policy=policies(), data=st.data())
@EXAMPLES
def test_protected_sets_are_never_pruned_and_something_always_stays(
    history: list[SetRecord], policy: RetentionPolicy, data: st.DataObject
) -> None:
    number = st.integers(0, len(history) - 1)
    held, copied, drilled = data.draw(number), data.draw(number), data.draw(number)
    history[held] = replace(history[held], hold_reason="audit")
    history[copied] = replace(history[copied], copy_pending=True)
    history[drilled] = replace(history[drilled], drill_passed=True)
    newest = max(history, key=lambda each: (each.timestamp, each.backup_id))

    kept = kept_ids(plan(history, policy, now=last(history)))

    protected = {newest, history[held], history[copied], history[drilled]}
    assert {each.backup_id for each in protected} <= kept


@given(history=histories(), policy=policies(), data=st.data())
@EXAMPLES
def test_sets_that_do_not_count_change_nothing_for_those_that_do(
    history: list[SetRecord], policy: RetentionPolicy, data: st.DataObject
) -> None:
    extra = data.draw(histories())
    now = last([*history, *extra])
    broken = [replace(each, problem="its last verification failed") for each in extra[::2]]
    partial = [replace(each, lacks=("qdrant",)) for each in extra[1::2]]
    future = [record(now + timedelta(days=days)) for days in (1, 40)]

    result = plan([*history, *broken, *partial, *future], policy, now=now)

    counting = {each.backup_id for each in history}
    assert kept_ids(result) & counting == kept_ids(plan(history, policy, now=now))
    assert {each.backup_id for each in (*broken, *future)} <= kept_ids(result)


@given(history=histories(), policy=policies(), years_back=st.integers(1, 30))
@FEW_EXAMPLES
def test_a_clock_that_jumped_back_deletes_nothing(
    history: list[SetRecord], policy: RetentionPolicy, years_back: int
) -> None:
    result = plan(history, policy, now=last(history) - timedelta(days=365 * years_back))

    assert result.pruned == []


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
        plan([record(datetime(2026, 1, 1))], RetentionPolicy(), now=datetime.now(UTC))  # noqa: DTZ001


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
