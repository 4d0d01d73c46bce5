"""Mail over SMTP: STARTTLS, TLS or neither."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from enum import StrEnum
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.notify.channels.channel import DeliveryError, body_lines, headline
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.routing import Routes

_TIMEOUT_S: Final = 15.0


class SmtpSecurity(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True)
class MailServer:
    """`user` empty: no login."""

    host: str
    port: int
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    user: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))


class MailChannel:
    """One message to all recipients."""

    name = "mail"
    is_paced = True

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Sequence[str],
        routes: Routes,
    ) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)
        self._routes = routes

    def wants(self, event: Event) -> bool:
        return self._routes.wants(event)

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        mail = message(events, self._sender, self._recipients)
        try:
            with self._connected() as connection:
                connection.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise DeliveryError(
                f"The mail server takes no recipient ({codes[0]}).",
                transient=all(400 <= code < 500 for code in codes),
            ) from None
        except smtplib.SMTPResponseException as error:
            # Its text may repeat what we sent.
            raise DeliveryError(
                f"The mail server answered {error.smtp_code}.", transient=error.smtp_code < 500
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(
                f"The mail server does not answer ({type(error).__name__}).", transient=True
            ) from None

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.security is SmtpSecurity.TLS:
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=_TIMEOUT_S, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
        try:
            if server.security is SmtpSecurity.STARTTLS:
                connection.starttls(context=ssl.create_default_context())
            if server.user:
                connection.login(server.user, server.password.get_secret_value())
        except BaseException:
            connection.close()
            raise
        return connection


def message(events: Sequence[Event], sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Plain text. A line break in a subject cannot become a header: it is taken out."""
    newest = events[-1]
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = " ".join(headline(events).split())
    mail["Date"] = formatdate(newest.occurred_at.timestamp())
    mail["Message-ID"] = make_msgid(domain="onyx-pipelines.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(body_lines(events)))
    return mail
