"""Mail over SMTP: STARTTLS, TLS or neither. Each recipient is a channel of its own: one whom the
server refuses keeps nobody else from being told, is tried again alone, and is seen."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from enum import StrEnum
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.core.exchange import Exchange
from onyx_pipelines.core.text import printable
from onyx_pipelines.notify.channels.channel import DeliveryError, body_lines
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.exchange import certificate_fault, too_slow
from onyx_pipelines.notify.headline import headline
from onyx_pipelines.notify.pacing import FOR_PEOPLE, Pace
from onyx_pipelines.notify.routing import Routes

_LIMIT_S: Final = 30.0
_WHO: Final = "The mail server"


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
    """One message to one recipient; its header names `everyone` who gets it.

    Args:
        limit_s: for all of one message.
    """

    pace: Pace | None = FOR_PEOPLE

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipient: str,
        routes: Routes,
        *,
        everyone: Sequence[str] = (),
        limit_s: float = _LIMIT_S,
    ) -> None:
        self.name = f"mail {printable(recipient)}"
        self._server = server
        self._sender = sender
        self._recipient = recipient
        self._everyone = tuple(everyone) or (recipient,)
        self._routes = routes
        self._limit_s = limit_s

    def wants(self, event: Event) -> bool:
        return self._routes.wants(event)

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        for address in (self._sender, self._recipient):
            if _address(address) is None:
                raise _no_address(address)
        with Exchange(self._limit_s) as exchange:
            try:
                mail = message(events, self._sender, self._everyone)
                with _connected(self._server, exchange) as connection:
                    connection.send_message(mail, self._sender, [self._recipient])
                    # Taken: what its server says to the farewell changes nothing.
                    with suppress(smtplib.SMTPException, OSError):
                        connection.quit()
            except (smtplib.SMTPException, OSError, ValueError) as error:
                if exchange.is_over:
                    raise too_slow(_WHO, self._limit_s) from None
                raise self._fault(error) from None

    def _fault(self, error: Exception) -> DeliveryError:
        """In our words: those of a server may repeat what we sent. A code from 500 on is final."""
        certificate = certificate_fault(f"the mail server {self._server.host}", error)
        if certificate is not None:
            return certificate
        match error:
            case smtplib.SMTPRecipientsRefused():
                code = next(iter(error.recipients.values()))[0]
                return _refusal(f"takes nothing for {self._recipient}", code)
            case smtplib.SMTPAuthenticationError():
                return _refusal(f"refuses the login of {self._server.user}", error.smtp_code)
            case smtplib.SMTPSenderRefused():
                return _refusal(f"takes nothing from {self._sender}", error.smtp_code)
            case smtplib.SMTPResponseException():
                return _refusal("does not take the message", error.smtp_code)
            case smtplib.SMTPNotSupportedError() | ValueError():
                return _no_address(self._recipient)
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
                pass
            case ssl.SSLError():
                return DeliveryError(
                    f"{_WHO} speaks no TLS on port {self._server.port} that we understand"
                    f" ({error.reason}). See ONYX_SMTP_SECURITY.",
                    transient=False,
                )
        return DeliveryError(f"{_WHO} does not answer ({type(error).__name__}).", transient=True)


def _address(text: str) -> Address | None:
    """None: it is no address. The library's parser fails in many ways on those."""
    name, spec = parseaddr(text) if text.isprintable() else ("", "")
    try:
        return Address(name, addr_spec=spec) if spec else None
    except Exception:  # noqa: BLE001  (whatever it stumbles over, it is none)
        return None


def _no_address(text: str) -> DeliveryError:
    return DeliveryError(
        f"{_WHO} cannot be given the address {text!a}: it is none, or has letters that the server"
        " does not take.",
        transient=False,
    )


def _refusal(what: str, code: int) -> DeliveryError:
    return DeliveryError(f"{_WHO} {what} ({code}).", transient=code < 500)


class _Watched(smtplib.SMTP):
    """Its connection is cut when the exchange has taken too long."""

    exchange: Exchange

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # Where smtplib makes its connection, which its types do not know.
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # smtplib's own, which typeshed does not have
        self.exchange.watch(connection)
        return connection


class _Connection(_Watched):
    def __init__(self, server: MailServer, exchange: Exchange) -> None:
        self.exchange = exchange
        super().__init__(server.host, server.port, timeout=exchange.limit_s)

    def __exit__(self, *_: object) -> None:
        self.close()


class _TlsConnection(smtplib.SMTP_SSL, _Watched):
    """TLS from the beginning; the socket below it is the one that is watched."""

    def __init__(self, server: MailServer, exchange: Exchange) -> None:
        self.exchange = exchange
        context = ssl.create_default_context()
        super().__init__(server.host, server.port, timeout=exchange.limit_s, context=context)

    def __exit__(self, *_: object) -> None:
        self.close()


def _connected(server: MailServer, exchange: Exchange) -> smtplib.SMTP:
    if server.security is SmtpSecurity.TLS:
        connection: smtplib.SMTP = _TlsConnection(server, exchange)
    else:
        connection = _Connection(server, exchange)
    try:
        if server.security is SmtpSecurity.STARTTLS:
            _require(connection, "starttls", "STARTTLS", "ONYX_SMTP_SECURITY")
            connection.starttls(context=ssl.create_default_context())
        if server.user:
            _require(connection, "auth", "a login", "ONYX_SMTP_USER")
            _log_in(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


def _require(connection: smtplib.SMTP, extension: str, what: str, setting: str) -> None:
    connection.ehlo_or_helo_if_needed()
    if not connection.has_extn(extension):
        raise DeliveryError(f"{_WHO} does not offer {what}. See {setting}.", transient=False)


def _log_in(connection: smtplib.SMTP, server: MailServer) -> None:
    try:
        connection.login(server.user, server.password.get_secret_value())
    except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
        raise
    except smtplib.SMTPException:
        raise DeliveryError(
            f"{_WHO} offers no kind of login that we know. See ONYX_SMTP_USER.", transient=False
        ) from None


def message(events: Sequence[Event], sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Plain text, and HTML where the newest event has it. A line break in a subject cannot become a
    header: it is taken out. An address that is none costs nobody else the mail."""
    newest = events[-1]
    mail = EmailMessage()
    mail["From"] = _address(sender)
    mail["To"] = [each for each in map(_address, recipients) if each is not None]
    mail["Subject"] = " ".join(headline(events).split())
    mail["Date"] = formatdate(newest.occurred_at.timestamp())
    mail["Message-ID"] = make_msgid(domain="onyx-pipelines.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(body_lines(events)))
    if newest.html:
        mail.add_alternative(newest.html, subtype="html")
    return mail
