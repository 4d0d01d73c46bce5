"""What the relay has heard of an issue: the same for every tracker. Pure data, without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import shortened

# Which logger an event is of: no tag of Sentry's own events, and one in what it lists.
LOGGER_TAG: Final = "logger"


class MessageError(OnyxError):
    """What was sent to the relay is none of the messages that it knows.

    Cause: a webhook of another program, or of another version of the tracker.
    Remedy: see docs/errors.md for what Sentry and Bugsink must be told; nothing was passed on.
    """

    code = "error-message"


class Source(StrEnum):
    """From where it was heard. CAPTURED: our own process, which no tracker need have answered."""

    SENTRY = "sentry"
    BUGSINK = "bugsink"
    LIST = "list"
    CAPTURED = "captured"


class Reason(StrEnum):
    """Why it was said. ALERT: a rule of the tracker's; GOES_ON: nothing new, but more of it."""

    NEW = "new"
    REGRESSED = "regressed"
    UNMUTED = "unmuted"
    ALERT = "alert"
    GOES_ON = "goes_on"
    RESOLVED = "resolved"


class Signal(BaseModel):
    """Args:
    key: the same one is the same message, sent again; "" of what a tracker lists.
    service: by the tag of that name, else the tracker's project.
    type: of the exception.
    culprit: where: a function, a transaction.
    level: of Sentry's; "" where it was not said.
    issue: the tracker's id of it.
    fingerprint: that somebody has set by hand.
    count: events of the issue until now, as the tracker counts; 0: it was not said.
    said: more, in the tracker's words: the rule that fired, what an issue was resolved in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    source: Source
    reason: Reason
    service: str
    type: str
    message: str = ""
    culprit: str = ""
    level: str = ""
    release: str = ""
    environment: str = ""
    issue: str = ""
    link: str = ""
    fingerprint: tuple[str, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    count: int = Field(default=0, ge=0)
    first_seen: AwareDatetime
    at: AwareDatetime
    said: str = ""


# Only what people wrote or programs said: ids, enums and moments stay as they are.
_TEXTS = ("service", "type", "message", "culprit", "release", "environment", "said")
_LONGEST: Final = 1000
_NUMBER: Final = re.compile(r"[0-9]{1,20}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def without_secrets(signal: Signal, clean: Callable[[str], str]) -> Signal:
    """Each text as `clean` leaves it, and short; in the link the number of an issue stays."""
    return signal.model_copy(
        update={
            **{name: shortened(clean(getattr(signal, name)), _LONGEST) for name in _TEXTS},
            "link": "/".join(
                part if _NUMBER.fullmatch(part) else clean(part) for part in signal.link.split("/")
            ),
            "fingerprint": tuple(map(clean, signal.fingerprint)),
            "tags": {clean(name): clean(value) for name, value in signal.tags.items()},
        }
    )
