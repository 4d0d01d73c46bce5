"""An incident is looked at and told of; whenever that is interrupted, the next pass goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import pytest

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.notify import box
from onyx_pipelines.notify.channels.slack import message as slack_message
from onyx_pipelines.notify.event import Outcome
from onyx_pipelines.readiness.incidents import book as book_module
from onyx_pipelines.readiness.incidents.actions import acknowledge, close, hear, open_by_hand
from onyx_pipelines.readiness.incidents.alertmanager import MessageSent
from onyx_pipelines.readiness.incidents.attending import attend, is_overdue
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.record import Incident, What
from onyx_pipelines_tests.notify.outboxes import waiting_events
from onyx_pipelines_tests.readiness.made_incidents import MINUTE, alert, body, finds

FOUND = finds(Playbook.DATABASE_FAILURE)
# Nobody listens there: what is told stays in the outbox.
NOWHERE = "http://127.0.0.1:9/hook"


def settings_in(folder: Path, **values: Any) -> Settings:
    return load_settings({"state_dir": folder, "slack_webhook_url": NOWHERE, **values})


def hear_of(settings: Settings, *alerts: dict[str, Any]) -> list[Incident]:
    return hear(settings, MessageSent.model_validate(body(*alerts)))


def only(settings: Settings) -> Incident:
    (found,) = IncidentBook(settings.state_dir).all()
    return found


def subjects(settings: Settings) -> list[str]:
    return [each.subject for each in waiting_events(settings.state_dir)]


def test_what_was_found_is_told_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    hear_of(settings, alert())

    first, second = attend(settings, look=FOUND), attend(settings, look=FOUND)

    assert (first.looked_at, first.told) == ((only(settings).id,), 1)
    assert (second.looked_at, second.told) == ((), 0)
    (event,) = waiting_events(settings.state_dir)
    assert event.outcome is Outcome.FAILED
    assert event.subject == "The database fails"
    assert "Does PostgreSQL let its exporter in?" in event.sections["The database fails"]
    assert "docker compose logs" in event.sections["The database fails"]
    assert event.playbook.endswith("#database-failure")
    assert event.details["alerts"] == "PostgresqlDown of postgresql"


def test_a_warning_is_told_as_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    hear_of(settings, alert("BackupStale", severity="warning"))

    attend(settings, look=FOUND)

    assert [each.outcome for each in waiting_events(settings.state_dir)] == [Outcome.WARNED]


def test_a_look_that_breaks_is_told_too(tmp_path: Path) -> None:
    def breaks(_: Settings) -> Any:
        raise ZeroDivisionError

    settings = settings_in(tmp_path)
    hear_of(settings, alert())

    attend(settings, look=breaks)

    (event,) = waiting_events(settings.state_dir)
    assert event.summary == "What is wrong could not be looked at (ZeroDivisionError)."
    assert event.subject == "PostgresqlDown in a sentence"


def test_who_has_it_and_that_it_is_over_are_told(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    hear_of(settings, alert())
    attend(settings, look=FOUND)

    acknowledge(settings, only(settings).id, "ann")
    attend(settings, look=FOUND)
    close(settings, only(settings).id, "ann", "the disk was full")
    attend(settings, look=FOUND)

    *_, taken, over = waiting_events(settings.state_dir)
    assert (taken.outcome, taken.subject) == (Outcome.CANCELLED, "The database fails (ann has it)")
    assert (over.outcome, over.summary) == (
        Outcome.RECOVERED,
        "Closed by ann: the disk was full.",
    )
    assert over.details["still firing"] == "1 alert"


def test_what_nobody_answers_is_told_again_to_those_who_are_set(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        slack_webhook_url="",
        incident_escalate_after_minutes=(10, 30),
        incident_escalate_to=("first@example.org", "second@example.org"),
        smtp_host="127.0.0.1",
        smtp_port=9,
    )
    hear_of(settings, alert())
    attend(settings, look=FOUND)
    assert waiting_events(settings.state_dir) == []

    _pass_time(settings, minutes=11)
    attend(settings, look=FOUND)
    first = waiting_events(settings.state_dir)
    _pass_time(settings, minutes=20)
    attend(settings, look=FOUND)

    assert [each.job for each in first] == ["incident_escalation_1"]
    assert "backup owner" in first[0].sections["Asked now"]
    assert [each.job for each in waiting_events(settings.state_dir)] == [
        "incident_escalation_1",
        "incident_escalation_2",
        "incident_escalation_2",
    ]


def _pass_time(settings: Settings, minutes: int) -> None:
    """The incident is older than it was."""

    def aged(each: Incident) -> Incident:
        notes = (note.model_copy(update={"at": note.at - minutes * MINUTE}) for note in each.notes)
        triages = (one.model_copy(update={"at": one.at - minutes * MINUTE}) for one in each.triages)
        return each.model_copy(update={"notes": tuple(notes), "triages": tuple(triages)})

    IncidentBook(settings.state_dir).update(only(settings).id, aged)


def test_it_is_overdue_once_nobody_attends(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    hear_of(settings, alert())
    opened_at = only(settings).opened_at

    assert not is_overdue(settings, opened_at)
    assert is_overdue(settings, opened_at + MINUTE)
    attend(settings, look=FOUND)
    assert not is_overdue(settings, opened_at + MINUTE)
    assert is_overdue(settings, opened_at + 11 * MINUTE)


def test_an_incident_opened_by_hand_is_looked_at(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    made = open_by_hand(settings, "all is slow\x1b[31m", Severity.WARNING, "ann")
    attend(settings, look=finds())

    assert made.title == "all is slow\\x1b[31m"
    assert subjects(settings) == ["all is slow\\x1b[31m"]


def test_a_secret_in_an_alert_is_kept_nowhere(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, pg_password="geheim-geheim", api_public_url="http://api")
    planted = alert("Down")
    planted["annotations"]["summary"] = "cannot reach postgresql://onyx:geheim-geheim@db"
    hear_of(settings, planted)

    attend(settings, look=finds())

    assert "[secret]" in only(settings).title
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"geheim" not in kept


def test_markup_in_an_alert_is_text_in_slack(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    planted = alert("<!channel>")
    planted["annotations"]["summary"] = "<http://evil|click> *bold*\n@here"
    hear_of(settings, planted)
    attend(settings, look=finds())

    (event,) = waiting_events(settings.state_dir)

    assert "<!channel>" not in str(slack_message([event]))
    assert "<http://evil" not in str(slack_message([event]))


class Killed(BaseException):
    """What is not caught, as a kill is not."""


def _killed_at(step: int, patch: pytest.MonkeyPatch, work: Callable[[], object]) -> bool:
    """Whether the process would have ended before its write of that number."""
    numbers = itertools.count(1)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any, **named: Any) -> Any:
            # A channel's answer is noted by its own thread.
            if current_thread() is main_thread() and next(numbers) == step:
                raise Killed
            return real(*given, **named)

        return write

    with patch.context() as during:
        for module in (book_module, box):
            during.setattr(module, "replace_durably", counted(module.replace_durably))
        try:
            work()
        except Killed:
            return True
    return False


def test_a_kill_between_any_two_writes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = alert("RedisDown"), alert()

    for step in itertools.count(1):
        settings = settings_in(tmp_path / str(step))

        def all_of_it(settings: Settings = settings) -> None:
            hear_of(settings, *two)
            attend(settings, look=FOUND)
            acknowledge(settings, only(settings).id, "ann")
            attend(settings, look=FOUND)

        was_killed = _killed_at(step, monkeypatch, all_of_it)
        # Alertmanager and ann say it again, as neither had an answer.
        all_of_it()

        found = only(settings)
        assert [each.name for each in found.alerts] == ["RedisDown", "PostgresqlDown"], step
        assert [each.what for each in found.notes if each.what is not What.JOINED] == [
            What.OPENED,
            What.TRIAGED,
            What.ACKNOWLEDGED,
        ]
        told = waiting_events(settings.state_dir)
        assert [each.outcome for each in told] == [Outcome.FAILED, Outcome.CANCELLED], step
        if not was_killed:
            break
    assert step > 5


def test_a_damaged_record_hides_no_other(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    hear_of(settings, alert())
    (tmp_path / "incidents" / "20260101T000000Z-0000.json").write_text("{")

    assert only(settings).title == "PostgresqlDown in a sentence"


@pytest.mark.parametrize("wanted", ["", "2099", "x"])
def test_what_is_not_there_is_not_found(wanted: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    hear_of(settings, alert())

    with pytest.raises(NotFoundError, match="no incident"):
        IncidentBook(settings.state_dir).find(wanted)


def test_latest_is_the_newest_that_is_open(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    older = open_by_hand(settings, "older", Severity.WARNING, "ann")
    newer = open_by_hand(settings, "newer", Severity.WARNING, "ann")
    close(settings, newer.id, "ann", "")

    assert IncidentBook(settings.state_dir).find("latest").id == older.id
