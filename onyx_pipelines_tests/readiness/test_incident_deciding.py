"""Which incident an alert belongs to, when one ends, comes back, and is escalated."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents.deciding import (
    acknowledged,
    closed,
    escalated,
    heard,
    looked_at,
    opened_by_hand,
    to_tell,
    waits_since,
)
from onyx_pipelines.readiness.incidents.record import Incident, What, triage_seen
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.readiness.made_incidents import (
    MINUTE,
    NOW,
    RULES,
    after,
    alert,
    ids,
    message,
    triage_of,
)


def looked(incident: Incident, *named: Playbook) -> Incident:
    return looked_at(incident, triage_seen(triage_of(*named), len(incident.notes)))


def opened(**changes: Any) -> Incident:
    (found,) = after([], alert(**changes))
    return found


def test_a_firing_alert_opens_an_incident_that_wants_a_look() -> None:
    found = opened()

    assert (found.state, found.severity) == ("open", Severity.CRITICAL)
    assert found.title == "PostgresqlDown in a sentence"
    assert found.wants_triage is not None


def test_the_same_alert_sent_again_is_the_same_incident() -> None:
    (found,) = after([], alert())

    assert after([found], alert(), now=NOW + timedelta(hours=4)) == [found]


def test_the_end_of_every_alert_is_its_end() -> None:
    known = after([], alert(), alert("RedisDown"))

    (half,) = after(known, alert(ended=NOW + MINUTE), now=NOW + MINUTE)
    (whole,) = after([half], alert("RedisDown", ended=NOW + 2 * MINUTE), now=NOW + 3 * MINUTE)

    assert half.is_open
    assert whole.closed is not None
    assert (whole.closed.by, whole.closed.at) == ("all-clear", NOW + 3 * MINUTE)


def test_the_end_of_what_nobody_heard_of_opens_nothing() -> None:
    assert after([], alert(ended=NOW)) == []


def test_what_comes_back_soon_is_the_same_incident_and_wants_an_answer_again() -> None:
    known = [acknowledged(opened(), "ann", NOW)]
    known = after(known, alert(ended=NOW + MINUTE), now=NOW + MINUTE)

    (again,) = after(known, alert(began=NOW + 20 * MINUTE), now=NOW + 20 * MINUTE)

    assert again.is_open
    assert again.acknowledged is None
    assert again.wants_triage is not None
    assert again.urgent_since == NOW + 20 * MINUTE


def test_what_comes_back_late_is_another_incident() -> None:
    known = after([opened()], alert(ended=NOW + MINUTE), now=NOW + MINUTE)

    found = after(known, alert(began=NOW + 32 * MINUTE), now=NOW + 32 * MINUTE)

    assert [each.state for each in found] == ["closed", "open"]


def test_an_alert_of_the_same_group_joins() -> None:
    known = after([], alert(), group="g")
    (first,) = [looked(each, Playbook.DATABASE_FAILURE) for each in known]

    found = after(
        [first], alert("Other", playbook=Playbook.SYNC_FAILURE), now=NOW + 5 * MINUTE, group="g"
    )

    assert [len(each.alerts) for each in found] == [2]


def test_an_alert_that_a_named_playbook_explains_joins_and_needs_no_new_look() -> None:
    first = looked(opened(), Playbook.DATABASE_FAILURE)

    (found,) = after([first], alert("PostgresqlConnectionsHigh"), now=NOW + 5 * MINUTE)

    assert [each.name for each in found.alerts] == ["PostgresqlDown", "PostgresqlConnectionsHigh"]
    assert found.wants_triage is None


def test_a_consequence_of_what_was_named_joins() -> None:
    first = looked(opened(), Playbook.DATABASE_FAILURE, Playbook.SYNC_FAILURE)

    found = after(
        [first], alert("BackupStale", playbook=Playbook.SYNC_FAILURE), now=NOW + 5 * MINUTE
    )

    assert len(found) == 1


def test_an_alert_that_nothing_explains_is_an_incident_of_its_own() -> None:
    first = looked(opened(), Playbook.DATABASE_FAILURE)

    found = after(
        [first],
        alert("CertificateAboutToEnd", playbook=Playbook.CERTIFICATE_EXPIRY),
        now=NOW + 5 * MINUTE,
    )

    assert len(found) == 2


def test_what_fires_while_the_first_look_is_under_way_belongs_to_it() -> None:
    found = after(
        [opened()],
        alert("HostMemoryHigh", playbook=Playbook.HIGH_RESOURCE_USAGE),
        now=NOW + timedelta(seconds=5),
    )

    assert len(found) == 1


def test_a_warning_is_not_escalated_until_a_critical_alert_joins() -> None:
    mild = opened(severity="warning")
    (grave,) = after([mild], alert("RedisDown"), now=NOW + timedelta(seconds=30))

    assert mild.urgent_since is None
    assert grave.severity is Severity.CRITICAL
    assert grave.urgent_since == NOW + timedelta(seconds=30)


def test_what_people_are_not_told_of_opens_nothing() -> None:
    assert after([], alert("Watchdog", severity="none")) == []


def test_an_alert_of_another_stack_opens_nothing() -> None:
    other = message(alert(stack="blue"), stack="green")
    own = message(alert(stack="green"), alert("HostCpuHigh"), stack="green")

    assert other.alerts == ()
    assert [each.name for each in own.alerts] == ["PostgresqlDown", "HostCpuHigh"]


class TestByHand:
    def test_it_is_open_until_a_person_closes_it(self) -> None:
        made = opened_by_hand("20261127T090000Z-0001", "slow", Severity.CRITICAL, "ann", NOW)
        known = after([made], alert(), now=NOW + timedelta(seconds=5))

        (found,) = after(known, alert(ended=NOW + MINUTE), now=NOW + MINUTE)

        assert found.is_open
        assert closed(found, "ann", "fixed", NOW + 2 * MINUTE).state == "closed"

    def test_what_a_person_closed_is_not_opened_by_what_goes_on_firing(self) -> None:
        over = closed(opened(), "ann", "known", NOW + MINUTE)

        (still,) = after([over], alert(), now=NOW + 5 * MINUTE)

        assert still.state == "closed"

    def test_who_was_the_first_to_acknowledge_it_stays(self) -> None:
        taken = acknowledged(opened(), "ann", NOW + MINUTE)

        assert acknowledged(taken, "bob", NOW + 2 * MINUTE) == taken


class TestEscalation:
    @pytest.mark.parametrize(("minutes", "level"), [(9, 0), (10, 1), (29, 1), (30, 2), (600, 2)])
    def test_it_goes_further_with_time(self, minutes: int, level: int) -> None:
        found = escalated(opened(), NOW + minutes * MINUTE, RULES)

        assert found.escalated_times == level
        assert escalated(found, NOW + minutes * MINUTE, RULES) == found

    def test_whoever_answers_ends_it(self) -> None:
        found = acknowledged(opened(), "ann", NOW + 5 * MINUTE)

        assert escalated(found, NOW + 60 * MINUTE, RULES) == found

    def test_the_all_clear_ends_it(self) -> None:
        (over,) = after([opened()], alert(ended=NOW + MINUTE), now=NOW + MINUTE)

        assert escalated(over, NOW + 60 * MINUTE, RULES) == over


def test_what_waits_longest_says_since_when() -> None:
    new = opened()
    done = looked(new, Playbook.DATABASE_FAILURE)
    done = done.model_copy(update={"told": len(done.notes)})

    assert waits_since(new, RULES) == NOW
    assert waits_since(done, RULES) == NOW + 10 * MINUTE
    assert waits_since(acknowledged(done, "ann", NOW + MINUTE), RULES) == NOW + MINUTE


def test_people_are_told_of_an_opening_with_what_was_found() -> None:
    found = looked(opened(), Playbook.DATABASE_FAILURE)

    assert [note.what for _, note in to_tell(opened())] == []
    assert [note.what for _, note in to_tell(found)] == [What.TRIAGED]


# A night of alerts: which of four fires or ends, how long after the one before, in which group.
_NAMES = ("PostgresqlDown", "RedisDown", "SunaDown", "DiskFull")
_PLAYBOOKS = tuple(Playbook)[:4]
_steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 45),
        st.integers(0, 1),
        st.sampled_from(("nothing", "look", "ack", "close")),
    ),
    max_size=25,
)


@given(_steps)
@settings(max_examples=random_examples(60))
def test_whatever_a_night_brings(steps: list[tuple[int, int, int, str]]) -> None:
    known: dict[str, Incident] = {}
    firing: dict[int, datetime] = {}
    now, make_id = NOW, ids()
    for which, minutes, group, also in steps:
        now += minutes * MINUTE
        began = firing.pop(which, None)
        if began is None:
            firing[which] = now
        sent = message(
            alert(
                _NAMES[which],
                began=began or now,
                ended=now if began else None,
                playbook=_PLAYBOOKS[which],
            ),
            now=now,
            group=f"group {group}",
        )
        changed = heard(list(known.values()), sent, now, RULES, make_id)
        for each in changed:
            before = known.get(each.id)
            assert before is None or each.notes[: len(before.notes)] == before.notes
            if before and before.closed and each.is_open:
                assert now - before.closed.at < RULES.reopen_within
        known |= {each.id: each for each in changed}
        assert heard(list(known.values()), sent, now, RULES, make_id) == []
        known = {name: _also(each, also, now) for name, each in known.items()}

    unfinished = [each.name for one in known.values() for each in one.firing]
    assert sorted(unfinished) == sorted(_NAMES[each] for each in firing)
    still_open = [each for each in known.values() if each.is_open]
    assert all(each.firing for each in still_open)


def _also(incident: Incident, also: str, now: datetime) -> Incident:
    if also == "look" and incident.wants_triage:
        return looked(incident, _PLAYBOOKS[len(incident.notes) % 4])
    if also == "ack":
        return acknowledged(incident, "ann", now)
    if also == "close":
        return closed(incident, "ann", "", now)
    return escalated(incident, now, RULES)
