"""The calendar rule against an oracle written from its description, and what is never pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.vault.retention import (
    RetentionPolicy,
    SetRecord,
    Tier,
    plan,
)
from onyx_pipelines_tests.vault.histories import kept_ids, last, record

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

EXAMPLES = settings(max_examples=60, deadline=None)

FEW_EXAMPLES = settings(max_examples=25, deadline=None)

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


@pytest.mark.slow
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
