"""Each way in which a mail server can refuse has its own words, and is tried again only where that
may help."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.channels.mail import MailChannel, MailServer, SmtpSecurity
from onyx_pipelines.notify.configured import channel_states, channels_of, tell
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines.notify.routing import routes
from onyx_pipelines_tests.notify.servers import MailHost, mail_host, self_signed
from onyx_pipelines_tests.notify.test_channels import EVENT

SECRET = "planted-password"


def refused(
    host: MailHost,
    recipient: str = "ops@example.org",
    *,
    sender: str = "onyx@example.org",
    **server: object,
) -> DeliveryError:
    """What the channel says when it is told."""
    options = {"security": SmtpSecurity.NONE, **server}
    mail_server = MailServer("127.0.0.1", host.port, **options)  # type: ignore[arg-type]  # keywords that a test names
    channel = MailChannel(mail_server, sender, recipient, routes(["failed"]))
    with pytest.raises(DeliveryError) as caught:
        channel.send([EVENT])
    assert SECRET not in str(caught.value)
    return caught.value


def test_starttls_that_is_not_offered() -> None:
    with mail_host() as host:
        error = refused(host, security=SmtpSecurity.STARTTLS)

    assert str(error) == "The mail server does not offer STARTTLS. See ONYX_SMTP_SECURITY."
    assert not error.transient


def test_a_certificate_that_does_not_fit(tmp_path: Path) -> None:
    with mail_host() as host:
        host.extensions = ("STARTTLS",)
        host.certificate = self_signed(tmp_path, "elsewhere.test")
        error = refused(host, security=SmtpSecurity.STARTTLS)

    assert "certificate of the mail server 127.0.0.1 does not fit" in str(error)
    assert not error.transient


def test_a_server_that_speaks_no_tls() -> None:
    with mail_host() as host:
        error = refused(host, security=SmtpSecurity.TLS)

    assert "speaks no TLS" in str(error)
    assert not error.transient


def test_a_login_that_is_not_offered() -> None:
    with mail_host() as host:
        host.extensions = ()
        error = refused(host, user="me", password=SecretStr(SECRET))

    assert str(error) == "The mail server does not offer a login. See ONYX_SMTP_USER."
    assert not error.transient


def test_a_login_of_a_kind_that_nobody_knows() -> None:
    with mail_host() as host:
        host.extensions = ("AUTH SMOKE-SIGNALS",)
        error = refused(host, user="me", password=SecretStr(SECRET))

    assert "no kind of login that we know" in str(error)
    assert not error.transient


@pytest.mark.parametrize(("code", "transient"), [(535, False), (454, True)])
def test_a_login_that_is_refused(code: int, transient: bool) -> None:
    with mail_host() as host:
        host.refuse_login = code
        error = refused(host, user="me", password=SecretStr(SECRET))

    assert str(error) == f"The mail server refuses the login of me ({code})."
    assert error.transient is transient


@pytest.mark.parametrize(("code", "transient"), [(550, False), (451, True)])
def test_a_recipient_that_is_refused(code: int, transient: bool) -> None:
    with mail_host() as host:
        host.refuse = code
        error = refused(host)

    assert str(error) == f"The mail server takes nothing for ops@example.org ({code})."
    assert error.transient is transient


@pytest.mark.parametrize("recipient", ["jürgen@example.org", "a@exa\nmple.org"])
def test_a_recipient_that_cannot_be_written(recipient: str) -> None:
    with mail_host() as host:
        error = refused(host, recipient)

    assert "cannot be given the address" in str(error)
    assert not error.transient


@pytest.mark.parametrize("sender", ["önyx@example.org", "on\nyx@example.org", "a@\udcff.org"])
def test_a_sender_that_cannot_be_written(sender: str) -> None:
    with mail_host() as host:
        error = refused(host, sender=sender)

    assert f"cannot be given the address {sender!a}" in str(error)
    assert not error.transient


def test_a_message_that_is_refused() -> None:
    with mail_host() as host:
        host.refuse_message = 552
        error = refused(host)

    assert str(error) == "The mail server does not take the message (552)."
    assert not error.transient


def test_a_farewell_that_is_none_does_not_send_it_again(tmp_path: Path) -> None:
    with mail_host() as host:
        host.farewell = "500 what?"
        settings = settings_for(host, tmp_path, "a@example.org")
        tell(settings, replace(EVENT, occurred_at=datetime.now(UTC)))

    (state,) = channel_states(settings)
    assert (state.pending, state.given_up, len(host.messages)) == (0, 0, 1)


class TestSomeRecipients:
    def test_the_others_are_told_and_the_refused_one_is_seen(self, tmp_path: Path) -> None:
        with mail_host() as host:
            host.refused = {"gone@example.org": 550, "busy@example.org": 451}
            settings = settings_for(
                host, tmp_path, "ops@example.org,gone@example.org,busy@example.org"
            )
            tell(settings, replace(EVENT, occurred_at=datetime.now(UTC)))

        states = {each.name: each for each in channel_states(settings)}
        assert host.recipients == ["ops@example.org"]
        assert states["mail ops@example.org"].last_success is not None
        assert states["mail gone@example.org"].given_up == 1
        assert "gone@example.org (550)" in states["mail gone@example.org"].last_error
        assert states["mail busy@example.org"].pending == 1

    @pytest.mark.parametrize("odd", ["jürgen@example.org", "a@exa\nmple.org", "\udcff@x", "@", "<"])
    def test_an_address_that_is_none_costs_nobody_else_the_mail(
        self, tmp_path: Path, odd: str
    ) -> None:
        with mail_host() as host:
            tell(
                settings_for(host, tmp_path, f"{odd},ops@example.org"),
                replace(EVENT, occurred_at=datetime.now(UTC)),
            )

        assert "ops@example.org" in host.recipients

    def test_only_the_one_who_waits_is_told_later(self, tmp_path: Path) -> None:
        with mail_host() as host:
            host.refused = {"busy@example.org": 451}
            settings = settings_for(host, tmp_path, "ops@example.org,busy@example.org")
            tell(settings, replace(EVENT, occurred_at=datetime.now(UTC)))
            host.refused = {}
            (entry,) = (tmp_path / "notify").rglob("*.event.json")
            entry.write_text(entry.read_text().replace('"due": "2', '"due": "1'))
            sent = Outbox(tmp_path).deliver(channels_of(settings))

        assert sent == 1
        assert host.recipients == ["ops@example.org", "busy@example.org"]
        assert "To: ops@example.org, busy@example.org" in host.messages[1]


def settings_for(host: MailHost, state_dir: Path, to: str) -> Settings:
    return load_settings(
        {
            "state_dir": state_dir,
            "smtp_host": "127.0.0.1",
            "smtp_port": host.port,
            "smtp_security": "none",
            "smtp_to": to,
        }
    )
