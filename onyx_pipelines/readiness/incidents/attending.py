"""What an incident waits for is done: somebody looks what is wrong, people are told, and where
nobody answers, more of them. Whoever comes by does it: the API's thread, Dagster's job, a command.

The order of the writes: the note, the message in the outbox, that it was told, then delivery. A
kill after the note tells it at the next pass; one after the outbox puts the same message under the
same key, which changes nothing. Only a kill between a channel's answer and the note of it sends a
message twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import count_text, number_text
from onyx_pipelines.host.locks import lock
from onyx_pipelines.notify.configured import channels_of, without_secrets
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines.readiness.diagnosis import Triage
from onyx_pipelines.readiness.incidents.actions import rules_of
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.deciding import escalated, looked_at, to_tell, waits_since
from onyx_pipelines.readiness.incidents.links import acknowledge_link
from onyx_pipelines.readiness.incidents.record import Incident, TriageSeen, triage_seen
from onyx_pipelines.readiness.incidents.wording import Addresses, event_of
from onyx_pipelines.readiness.triage import triage

# A channel that hangs keeps the next incident waiting for no longer.
_PATIENCE_S: Final = 10.0
# The API's thread does within seconds what is to be done.
OVERDUE_AFTER: Final = timedelta(seconds=45)
_log = logger("incidents")
Look = Callable[[Settings], Triage]


@dataclass(frozen=True)
class Attended:
    """One pass. `busy`: another process makes one, and this did nothing."""

    looked_at: tuple[str, ...] = ()
    told: int = 0
    delivered: int = 0
    busy: bool = False

    @property
    def sentence(self) -> str:
        """For a log."""
        if self.busy:
            return "Another process is at it."
        return (
            f"{count_text(len(self.looked_at), 'incident')} looked at,"
            f" {count_text(self.told, 'message')} put, {number_text(self.delivered)} delivered."
        )


def attend(settings: Settings, *, look: Look = triage) -> Attended:
    """Do what is due now.

    Raises:
        IncidentError: the records cannot be read or written.
        OSError: the state directory cannot be written.
    """
    book = IncidentBook(settings.state_dir)
    book.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(book.folder / "attend.lock") as alone:
        if not alone:
            return Attended(busy=True)
        looked = _looked(settings, book, look)
        told = sum(_told(settings, book, each) for each in reversed(book.all()))
        delivered = Outbox(settings.state_dir).deliver(
            channels_of(settings), patience_s=_PATIENCE_S
        )
    return Attended(looked, told, delivered)


def is_overdue(settings: Settings, now: datetime) -> bool:
    """Whether something waits that should have been done by now: whoever does it is down.

    Raises:
        IncidentError: the records cannot be read.
    """
    rules = rules_of(settings)
    moments = (waits_since(each, rules) for each in IncidentBook(settings.state_dir).all())
    return any(each is not None and now - each > OVERDUE_AFTER for each in moments)


def _looked(settings: Settings, book: IncidentBook, look: Look) -> tuple[str, ...]:
    """One look for all that want one: it asks the whole stack."""
    waiting = [each for each in book.all() if each.wants_triage]
    if not waiting:
        return ()
    found = _seen(settings, look)
    for each in waiting:
        book.update(each.id, partial(_with_look, found=found, of_notes=len(each.notes)))
    return tuple(each.id for each in waiting)


def _with_look(incident: Incident, *, found: TriageSeen, of_notes: int) -> Incident:
    return looked_at(incident, found.model_copy(update={"of_notes": of_notes}))


def _with_told(incident: Incident, *, number: int) -> Incident:
    return incident.model_copy(update={"told": number + 1})


def _seen(settings: Settings, look: Look) -> TriageSeen:
    try:
        return triage_seen(look(settings), of_notes=0)
    except Exception as error:  # noqa: BLE001  (people are told of the incident whatever broke here)
        _log.exception("An incident could not be looked at.")
        return TriageSeen(
            at=datetime.now(UTC),
            took_s=0.0,
            of_notes=0,
            sentence=f"What is wrong could not be looked at ({type(error).__name__}).",
        )


def _told(settings: Settings, book: IncidentBook, incident: Incident) -> int:
    """Escalate it where that is due, and put what people do not know yet into the outbox."""
    rules, now = rules_of(settings), datetime.now(UTC)
    if escalated(incident, now, rules) != incident:
        incident = book.update(incident.id, lambda each: escalated(each, now, rules))
    channels, count = channels_of(settings), 0
    for number, _ in list(to_tell(incident)):
        link = acknowledge_link(settings, incident.id, now)
        event = event_of(incident, number, Addresses(settings.docs_url.rstrip("/"), link))
        key = f"incident {incident.id} {number}"
        Outbox(settings.state_dir).put(without_secrets(event, settings), channels, key)
        book.update(incident.id, partial(_with_told, number=number))
        count += 1
    return count
