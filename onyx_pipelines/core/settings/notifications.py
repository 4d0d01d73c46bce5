"""Settings of what people are told, and by which channels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from onyx_pipelines.core.settings.host import HostSettings
from onyx_pipelines.core.settings.part import Words, joined, split


def _known_outcomes(value: tuple[str, ...]) -> tuple[str, ...]:
    known = "started, succeeded, failed, warned, recovered, cancelled, missed, reported"
    for text in value:
        if text.rpartition(":")[2] not in known.split(", "):
            raise ValueError(f"{text!r} names none of {known}")
    return value


def _ascending(value: tuple[float, ...]) -> tuple[float, ...]:
    if any(each <= 0 for each in value) or list(value) != sorted(set(value)):
        raise ValueError("needs minutes above 0, each more than the one before")
    return value


Outcomes = Annotated[Words, AfterValidator(_known_outcomes)]
_Minutes = Annotated[
    tuple[float, ...], NoDecode, BeforeValidator(split), AfterValidator(_ascending)
]


class NotificationSettings(HostSettings):
    """Channels, and what each is told."""

    notify_on: Outcomes = Field(
        ("failed", "warned", "recovered", "cancelled", "missed"),
        description="What people are told, comma-separated: succeeded, failed, warned,"
        " recovered, cancelled, missed; of one job only: `nightly_backup:succeeded`.",
    )
    slack_notify_on: Outcomes = Field((), description="The same for Slack; empty: ONYX_NOTIFY_ON.")
    mail_notify_on: Outcomes = Field((), description="The same for mail; empty: ONYX_NOTIFY_ON.")
    other_notify_on: Outcomes = Field(
        (), description="The same for ONYX_NOTIFY_URLS; empty: ONYX_NOTIFY_ON."
    )
    notify_urls: Annotated[SecretStr, joined("\n")] = Field(
        SecretStr(""),
        description="Other messengers: addresses of apprise (`ntfy://…`, `matrix://…`), between"
        " spaces or lines.",
    )
    slack_webhook_url: SecretStr = Field(
        SecretStr(""), description="Slack's incoming webhook. Empty: no Slack."
    )
    smtp_host: str = Field("", description="Mail server. Empty: no mail.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`none` only for a server on this host."
    )
    smtp_user: str = Field("", description="User of the mail server. Empty: no login.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Its password.")
    smtp_from: str = Field("onyx-pipelines@localhost", description="Sender of mail.")
    smtp_to: Words = Field((), description="Recipients of mail, comma-separated.")
    error_digest_to: Words = Field(
        (),
        description="Recipients of the daily digest of errors, comma-separated; empty:"
        " ONYX_SMTP_TO.",
    )
    ping_url_backup: SecretStr = Field(
        SecretStr(""),
        description="Dead man's switch of backups (Healthchecks' protocol: URL, /start, /fail).",
    )
    ping_url_drill: SecretStr = Field(SecretStr(""), description="The same of restore drills.")
    ping_url_load_test: SecretStr = Field(SecretStr(""), description="The same of load tests.")
    dagster_public_url: str = Field(
        "", description="Dagster's address for people, for links in messages. Empty: no links."
    )
    playbook_url: str = Field(
        "", description="Page for on-call, linked from what failed. Empty: none."
    )
    incident_escalate_after_minutes: _Minutes = Field(
        (10, 30),
        description="When nobody has acknowledged a critical incident for so many minutes, people"
        " are told again, at each of these; comma-separated. Empty: never.",
        examples=[[10, 30]],
    )
    incident_escalate_to: Words = Field(
        (),
        description="Who is mailed then besides, comma-separated: the first at the first time, the"
        " first two at the second, and so on. Empty: nobody but the channels.",
    )
    incident_reopen_minutes: float = Field(
        30,
        ge=0,
        description="An alert that comes back within so many minutes of its incident's end opens"
        " that again.",
    )
