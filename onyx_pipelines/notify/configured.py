"""From settings to channels, and from an event to all of them. Above `notify`, which knows no
settings."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Thread
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import Redactor, logger
from onyx_pipelines.core.names import Job, escalation_job
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import NotificationSettings, Settings
from onyx_pipelines.core.text import duration_text
from onyx_pipelines.notify import Event, LogNotifier, Outcome, notify
from onyx_pipelines.notify.box import ChannelState
from onyx_pipelines.notify.channels.channel import Channel
from onyx_pipelines.notify.channels.dead_man_switch import DeadManSwitch
from onyx_pipelines.notify.channels.mail import MailChannel, MailServer, SmtpSecurity
from onyx_pipelines.notify.channels.other import OtherChannel
from onyx_pipelines.notify.channels.slack import SlackChannel
from onyx_pipelines.notify.check_news import CheckOutcome, KnownChecks, known_after, news_of
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines.notify.routing import Routes, routes

_log = logger("notify")
_PATIENCE_S = 20.0
WITH_PLAYBOOK: Final = frozenset({Outcome.FAILED, Outcome.WARNED})


def channels_of(settings: NotificationSettings) -> list[Channel]:
    """Those that are configured."""
    found: list[Channel] = []
    if settings.slack_webhook_url.get_secret_value():
        found.append(
            SlackChannel(
                settings.slack_webhook_url, routes(settings.slack_notify_on or settings.notify_on)
            )
        )
    if settings.smtp_host:
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=SmtpSecurity(settings.smtp_security),
            user=settings.smtp_user,
            password=settings.smtp_password,
        )
        found += [
            MailChannel(server, settings.smtp_from, each, wanted, everyone=everyone)
            for each, wanted, everyone in _mailed(settings)
        ]
    addresses = settings.notify_urls.get_secret_value().split()
    wanted = routes(settings.other_notify_on or settings.notify_on)
    found += [
        OtherChannel(SecretStr(address), wanted, number=number)
        for number, address in enumerate(addresses, 1)
    ]
    pings = {
        Job.BACKUP: settings.ping_url_backup,
        Job.DRILL: settings.ping_url_drill,
        Job.LOAD_TEST: settings.ping_url_load_test,
    }
    set_ones = {job: url for job, url in pings.items() if url.get_secret_value()}
    if set_ones:
        found.append(DeadManSwitch(set_ones))
    return found


def _mailed(
    settings: NotificationSettings,
) -> Iterator[tuple[str, Routes, Sequence[str]]]:
    """Each recipient, what it is told, and who stands in the header."""
    usual, digest = settings.smtp_to, settings.error_digest_to or settings.smtp_to
    wanted, asked = settings.mail_notify_on or settings.notify_on, settings.incident_escalate_to
    levels = len(settings.incident_escalate_after_minutes)
    for each in dict.fromkeys((*usual, *digest, *asked)):
        told = wanted if each in usual else ()
        if each in digest:
            told = (*told, f"{Job.ERROR_DIGEST}:{Outcome.REPORTED}")
        if each in asked:
            first = min(asked.index(each) + 1, levels)
            from_then_on = range(first, levels + 1) if levels else ()
            told = (*told, *(f"{escalation_job(n)}:{Outcome.FAILED}" for n in from_then_on))
        everyone = usual if each in usual else digest if each in digest else (each,)
        yield each, routes(told), everyone


def keep(settings: Settings, event: Event) -> bool:
    """Log it, and store it for every channel that wants it; false if none does. Where the stack
    has a name, it is said.

    Raises:
        OSError: the state directory cannot be written.
    """
    if settings.stack:
        event = replace(event, details={"stack": settings.stack, **event.details})
    event = without_secrets(event, settings)
    notify(event, [LogNotifier()])
    LastRuns(settings.state_dir).note(event)
    return Outbox(settings.state_dir).put(event, channels_of(settings))


def tell(settings: Settings, event: Event, *, wait: bool = True) -> Thread | None:
    """Keep it, and try to deliver. Raises nothing: what is reported on must not fail for its
    report.

    Args:
        wait: until the channels have answered; without it they are told from a thread, and what
            that does not finish is delivered by the sensor. Gives the thread.
    """
    try:
        if not keep(settings, event):
            return None
        if wait:
            deliver_pending(settings)
            return None
        delivering = Thread(target=deliver_pending, args=(settings,), daemon=True)
        delivering.start()
        return delivering
    except Exception:  # noqa: BLE001  (see above)
        _log.exception("The event could not be stored for its channels.")
        return None


def without_secrets(event: Event, settings: Settings) -> Event:
    """What broke unexpectedly may have said anything."""
    redactor = Redactor(secret_values(settings))
    return replace(
        event,
        subject=redactor.clean(event.subject),
        summary=redactor.clean(event.summary),
        html=redactor.clean(event.html),
        details={
            name: redactor.clean(value) if isinstance(value, str) else value
            for name, value in event.details.items()
        },
        sections={name: redactor.clean(text) for name, text in event.sections.items()},
    )


@dataclass
class Telling:
    """What will be told of a piece of work; `problems` make it a failure, `warnings` are told when
    they change."""

    details: dict[str, str | int | float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@contextmanager
def notified(settings: Settings, job: str) -> Iterator[Telling]:
    """Tell how work begins and ends that Dagster does not run. What a person interrupts is not
    told; an error goes on."""
    run_id, begun = str(uuid.uuid4()), time.monotonic()
    where = {"host": settings.host}

    def event(
        outcome: Outcome,
        summary: str,
        details: Mapping[str, str | int | float] = MappingProxyType({}),
    ) -> Event:
        return Event(
            outcome=outcome,
            subject=f"{job} {outcome.value}",
            run_id=run_id,
            job=job,
            summary=summary,
            details={**where, **details},
            playbook=settings.playbook_url if outcome in WITH_PLAYBOOK else "",
        )

    # A channel that is slow must not keep the work waiting.
    beginning = tell(settings, event(Outcome.STARTED, "It began."), wait=False)
    telling = Telling()
    try:
        yield telling
    except Exception as error:
        what = error.what if isinstance(error, OnyxError) else f"It broke ({type(error).__name__})."
        _finish(beginning)
        tell(settings, event(Outcome.FAILED, what))
        raise
    _finish(beginning)
    details = {**telling.details, "took": duration_text(time.monotonic() - begun)}
    if telling.problems:
        found = "; ".join((*telling.problems, *telling.warnings))
        tell(settings, event(Outcome.FAILED, found, details))
        return
    said = "It succeeded, with warnings." if telling.warnings else "All went well."
    tell(settings, event(Outcome.SUCCEEDED, said, details))
    warned = event(Outcome.WARNED, "; ".join(telling.warnings), details)
    if _is_news(settings, warned):
        tell(settings, warned)


def _is_news(settings: NotificationSettings, warned: Event) -> bool:
    """Whether it warns of anything, and people were not told of that before."""
    checks, now = KnownChecks(settings.state_dir), datetime.now(UTC)
    found = CheckOutcome("warnings", passed=not warned.summary, is_error=False, says=warned.summary)
    known = checks.of(warned.job)
    news = news_of([found], known, now)
    was_told = any(channel.wants(warned) for channel in channels_of(settings))
    try:
        checks.put(warned.job, known_after(news, known, now, was_told=was_told))
    except OSError:
        _log.exception("What people were told could not be noted.")
    return bool(news.told)


def _finish(delivering: Thread | None) -> None:
    """One process delivers at a time, and what follows should find its turn."""
    if delivering is not None:
        delivering.join(_PATIENCE_S)


def channel_states(settings: NotificationSettings) -> list[ChannelState]:
    """For people: when each channel last took a message, and what it has not taken."""
    return Outbox(settings.state_dir).states(channels_of(settings))


def deliver_pending(settings: NotificationSettings) -> int:
    """What could not be delivered before; gives the number of messages."""
    return Outbox(settings.state_dir).deliver(channels_of(settings))
