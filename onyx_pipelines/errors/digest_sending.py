"""Who was sent the digest of which day: each recipient once, also when a run is repeated.

The message is put into the outbox under a key of its day, and then noted: a kill between the two
puts the same one again, which changes nothing while it waits.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, RootModel, ValidationError

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.names import Asset, Job
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.errors.digest import Digest
from onyx_pipelines.errors.digest_rendering import digest_mail, digest_text
from onyx_pipelines.host.locks import lock
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.notify.channels.channel import Channel
from onyx_pipelines.notify.configured import channels_of, deliver_pending, without_secrets
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.outbox import Outbox

# Longer than any day is made up.
_REMEMBERED: Final = timedelta(days=60)
_PATIENCE_S: Final = 60.0
_log = logger("errors")


class DigestSendingError(OnyxError):
    """It is not known to whom a digest was sent, so nobody is sent it.

    Cause: the state directory cannot be written, or another process has sent for a minute.
    Remedy: make room or give the right there, and launch the digest of that day again.
    """

    code = "digest-sending"


class _Noted(RootModel[dict[date, dict[str, AwareDatetime]]]):
    """Day → name of the channel → when its message was put."""


@dataclass(frozen=True)
class Sending:
    """`put`: channels that have a message now; `known`: those that had had theirs."""

    put: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def send_digest(settings: Settings, digest: Digest, *, resend: bool = False) -> Sending:
    """To everyone who is told of digests and has not had that of the day; deliver what can be.

    Args:
        resend: also to those who have had it.

    Raises:
        DigestSendingError: nobody knows who has had it.
    """
    event = without_secrets(digest_event(settings, digest), settings)
    if resend:
        # A message of one group is not sent twice within minutes, unless a person wants it.
        event = replace(event, group=f"{event.group} {uuid.uuid4()}")
    channels = [each for each in channels_of(settings) if each.wants(event)]
    try:
        sending = _put(settings.state_dir, digest.day, event, channels, resend=resend)
        deliver_pending(settings)
    except (OSError, ValidationError) as error:
        raise DigestSendingError(
            f"Who has had the digest of {digest.day} cannot be noted ({type(error).__name__}).",
            remedy=f"See whether {settings.state_dir} can be written.",
        ) from None
    return sending


def digest_event(settings: Settings, digest: Digest) -> Event:
    """The message; with a link to Dagster, where its address is set."""
    base = settings.dagster_public_url.rstrip("/")
    page = f"{base}/assets/{Asset.ERROR_DIGEST}?partition={digest.day}" if base else ""
    prefix = f"{settings.stack}: " if settings.stack else ""
    return Event(
        outcome=Outcome.REPORTED,
        subject=f"{prefix}{digest.subject}",
        run_id=digest.day.isoformat(),
        job=Job.ERROR_DIGEST,
        summary=digest_text(digest),
        links={"Dagster": page} if page else {},
        group=f"{Job.ERROR_DIGEST} {digest.day}",
        html=digest_mail(digest, stack=settings.stack, page=page),
    )


def sent_answer(settings: Settings, day: date) -> tuple[Verdict, str]:
    """Whether everyone has the digest of the day: what the check says."""
    outbox, key = Outbox(settings.state_dir), _key(day)
    probe = Event(Outcome.REPORTED, "", "", Job.ERROR_DIGEST, "")
    channels = [each for each in channels_of(settings) if each.wants(probe)]
    if not channels:
        said = "Nobody is sent it: ONYX_SMTP_HOST or ONYX_SMTP_TO is empty."
        return Verdict.COULD_NOT_VERIFY, said
    noted = _noted(settings.state_dir).get(day, {})
    states = {each.name: each for each in outbox.states(channels)}
    missing = [each.name for each in channels if each.name not in noted]
    waiting = [each.name for each in channels if outbox.waits(each, key)]
    given_up = [
        name
        for name, at in noted.items()
        if name in states
        and name not in waiting
        and ((last := states[name].last_success) is None or last < at)
    ]
    for names, said in ((missing, "Not sent"), (given_up, "Not delivered"), (waiting, "Waits")):
        if names:
            return Verdict.FAILED, f"{said}: {', '.join(sorted(names))}."
    return Verdict.PASSED, "Everyone has it."


def sent_days(state_dir: Path) -> tuple[date, ...]:
    """Days of which somebody was sent a digest."""
    return tuple(sorted(_noted(state_dir)))


def _put(
    state_dir: Path, day: date, event: Event, channels: Sequence[Channel], *, resend: bool
) -> Sending:
    """Raises OSError, ValidationError: it cannot be noted, so nothing is put."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(state_dir / "digests.lock", patience_s=_PATIENCE_S) as alone:
        if not alone:
            raise TimeoutError("another process sends")
        file = _file(state_dir)
        record = file.read() or _Noted({})
        put, known = [], []
        for channel in channels:
            if channel.name in record.root.get(day, {}) and not resend:
                known.append(channel.name)
                continue
            Outbox(state_dir).put(event, [channel], key=_key(day))
            now = datetime.now(UTC)
            record = _with(record, day, channel.name, now)
            file.write(record)
            put.append(channel.name)
    return Sending(tuple(put), tuple(known))


def _with(record: _Noted, day: date, name: str, now: datetime) -> _Noted:
    kept = {d: each for d, each in record.root.items() if d > now.date() - _REMEMBERED}
    return _Noted({**kept, day: {**kept.get(day, {}), name: now}})


def _noted(state_dir: Path) -> dict[date, dict[str, AwareDatetime]]:
    """Nothing of what cannot be read, which is logged."""
    try:
        record = _file(state_dir).read()
    except (OSError, ValidationError) as error:
        _log.warning("who was sent digests cannot be read (%s)", type(error).__name__)
        return {}
    return record.root if record else {}


def _file(state_dir: Path) -> RecordFile[_Noted]:
    return RecordFile(state_dir / "digests.json", _Noted)


def _key(day: date) -> str:
    return f"{Job.ERROR_DIGEST} {day}"
