"""Each recipient has each day's digest once, through a real mail server."""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.errors.digest_sending import (
    DigestSendingError,
    digest_event,
    send_digest,
    sent_answer,
)
from onyx_pipelines.notify.configured import channels_of
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines_tests.errors.made_digests import DAY, busy_digest, digest
from onyx_pipelines_tests.notify.servers import MailHost, mail_host

BOTH = ("ops@example.org", "lead@example.org")


@pytest.fixture
def mail() -> Iterator[MailHost]:
    with mail_host() as host:
        yield host


@pytest.fixture
def settings(mail: MailHost, tmp_path: Path) -> Settings:
    return load_settings(
        {
            "state_dir": tmp_path,
            "smtp_host": "127.0.0.1",
            "smtp_port": mail.port,
            "smtp_security": "none",
            "smtp_to": BOTH,
        }
    )


def taken(mail: MailHost) -> EmailMessage:
    message = email.message_from_string(mail.messages[-1], policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_everyone_has_it_as_text_and_as_a_page(mail: MailHost, settings: Settings) -> None:
    send_digest(settings, busy_digest())

    message = taken(mail)
    text, page = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert sorted(mail.recipients) == sorted(BOTH)
    assert message["Subject"] == "📋 Errors until 2026-11-27: 2 new, 1 back, 464 events"
    assert text is not None
    assert "ONYX-31" in text.get_content()
    assert page is not None
    assert "ONYX-31" in page.get_content()


def test_a_day_without_errors_is_sent_too(mail: MailHost, settings: Settings) -> None:
    send_digest(settings, digest())

    assert len(mail.messages) == 2


def test_a_run_that_is_repeated_sends_nothing_more(mail: MailHost, settings: Settings) -> None:
    send_digest(settings, digest())

    again = send_digest(settings, busy_digest())

    assert len(mail.messages) == 2
    assert (again.put, len(again.known)) == ((), 2)


def test_whoever_is_added_later_is_sent_it_and_nobody_else(
    mail: MailHost, settings: Settings
) -> None:
    send_digest(settings, digest())
    more = settings.model_copy(update={"smtp_to": (*BOTH, "new@example.org")})

    assert send_digest(more, digest()).put == ("mail new@example.org",)
    assert len(mail.messages) == 3


def test_it_is_sent_again_only_by_force(mail: MailHost, settings: Settings) -> None:
    send_digest(settings, digest())

    send_digest(settings, digest(), resend=True)

    assert len(mail.messages) == 4


def test_two_days_are_two_messages(mail: MailHost, settings: Settings) -> None:
    send_digest(settings, digest())
    send_digest(settings, digest(day=DAY - timedelta(days=1)))

    assert len(mail.messages) == 4


def test_a_kill_before_it_was_noted_doubles_nothing_that_waits(
    mail: MailHost, settings: Settings
) -> None:
    mail.busy = 421
    (first, _) = channels_of(settings)
    event = digest_event(settings, digest())
    Outbox(settings.state_dir).put(event, [first], key=f"daily_error_digest {DAY}")

    send_digest(settings, digest())

    states = Outbox(settings.state_dir).states(channels_of(settings))
    assert [each.pending for each in states] == [1, 1]


def test_it_leads_to_dagster_where_that_has_an_address(settings: Settings) -> None:
    found = settings.model_copy(update={"dagster_public_url": "https://dagster.example.org/"})

    event = digest_event(found, digest())

    page = f"https://dagster.example.org/assets/error_digest?partition={DAY}"
    assert event.links == {"Dagster": page}
    assert f'href="{page}"' in event.html


def test_the_digest_has_recipients_of_its_own(mail: MailHost, settings: Settings) -> None:
    own = settings.model_copy(update={"error_digest_to": ("dev@example.org",)})

    send_digest(own, digest())

    assert mail.recipients == ["dev@example.org"]


class TestWhetherItWasSent:
    def test_when_everyone_has_it(self, settings: Settings) -> None:
        send_digest(settings, digest())

        assert sent_answer(settings, DAY) == (Verdict.PASSED, "Everyone has it.")

    def test_before_it_was(self, settings: Settings) -> None:
        verdict, said = sent_answer(settings, DAY)

        assert verdict is Verdict.FAILED
        assert said.startswith("Not sent: ")

    def test_while_the_mail_server_is_busy(self, mail: MailHost, settings: Settings) -> None:
        mail.busy = 421
        send_digest(settings, digest())

        assert sent_answer(settings, DAY)[1].startswith("Waits: ")

    def test_when_a_recipient_is_refused(self, mail: MailHost, settings: Settings) -> None:
        mail.refused[BOTH[0]] = 550
        send_digest(settings, digest())

        assert sent_answer(settings, DAY) == (
            Verdict.FAILED,
            f"Not delivered: mail {BOTH[0]}.",
        )

    def test_without_a_mail_server_it_is_not_known(self, tmp_path: Path) -> None:
        settings = load_settings({"state_dir": tmp_path})

        assert sent_answer(settings, DAY)[0] is Verdict.COULD_NOT_VERIFY


def test_where_nothing_can_be_noted_nobody_is_sent_it(mail: MailHost, settings: Settings) -> None:
    (settings.state_dir / "digests.json").write_text("{")

    with pytest.raises(DigestSendingError):
        send_digest(settings, digest())

    assert mail.messages == []
