"""Asks Prometheus, PostgreSQL and the addresses that people use."""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.settings import MonitoringSettings, PostgresSettings, Settings
from onyx_pipelines.core.whole_answer import unanswered, whole_answer
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.readiness.launch.facts import (
    SeenCertificate,
    SeenEndpoint,
    SeenFigure,
    SeenPage,
    SeenPages,
)
from onyx_pipelines.readiness.launch.looking.unable import UnableError
from onyx_pipelines.readiness.launch.verification import (
    OfDatabase,
    OfEndpoint,
    OfMetrics,
    setting_words,
)
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors

_ANSWER_S: Final = 10.0
_PAGE_BYTES: Final = 8 << 20
_HTTPS: Final = 443


def metrics(settings: Settings, asked: OfMetrics) -> SeenFigure:
    """What Prometheus gives. Raises OnyxError."""
    found = Prometheus(settings, limit_s=_ANSWER_S).instant(asked.query)
    if not found or not math.isfinite(found[0].points[0][1]):
        return SeenFigure(value=None)
    return SeenFigure(value=found[0].points[0][1], of=_named(found[0].labels))


def _named(labels: Mapping[str, str]) -> str:
    name = labels.get("service") or labels.get("job", "")
    return " at ".join(filter(None, [name, labels.get("instance", "")]))


def database(settings: PostgresSettings, asked: OfDatabase) -> SeenFigure:
    """What PostgreSQL gives, in transactions that may not write. Raises OnyxError."""
    target = PostgresTarget.from_settings(settings)
    name = settings.pg_maintenance_database
    with target.connect(name) as connection, postgres_errors(target, name):
        connection.execute("SET default_transaction_read_only = on")
        connection.execute(f"SET statement_timeout = {1000 * _ANSWER_S:.0f}".encode())
        row = connection.execute(asked.query.encode()).fetchone()
    return SeenFigure(value=None if row is None or row[0] is None else float(row[0]))


def endpoint(settings: Settings, asked: OfEndpoint) -> SeenEndpoint:
    """How an address answers, whoever signed its certificate. Raises OnyxError."""
    base = str(getattr(settings, asked.base)).rstrip("/")
    path = asked.path.replace("{login_path}", settings.login_path).lstrip("/")
    url = f"{base}/{path}"
    if asked.insecure:
        url = _insecure(url)
    answer = _get(url, _any_certificate(), asked.base)
    wanted = {*asked.headers, *asked.lacks}
    return SeenEndpoint(
        url=_shown(url),
        status=answer.status_code,
        headers={name: answer.headers[name] for name in sorted(wanted) if name in answer.headers},
    )


def certificate(settings: Settings) -> SeenCertificate:
    """Of the address at which people use the stack, as programs see it. Raises OnyxError."""
    address = urlsplit(settings.public_url)
    host = address.hostname or ""
    if address.scheme != "https" or not host:
        raise UnableError(
            f"{_shown(settings.public_url)} is no address with https.",
            remedy="Set ONYX_PUBLIC_URL to the one that people use.",
        )
    place = (host, address.port or _HTTPS)
    try:
        with (
            socket.create_connection(place, timeout=_ANSWER_S) as plain,
            usual_certificates().wrap_socket(plain, server_hostname=host) as secured,
        ):
            ends = (secured.getpeercert() or {}).get("notAfter")
    except ssl.SSLCertVerificationError as error:
        return SeenCertificate(host=host, ends_at=None, problem=error.verify_message)
    except (OSError, ValueError) as error:
        raise UnableError(
            f"{host} does not answer by https ({type(error).__name__}).",
            remedy=_remedy("public_url"),
        ) from None
    ends_at = ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None
    return SeenCertificate(
        host=host, ends_at=None if ends_at is None else datetime.fromtimestamp(ends_at, UTC)
    )


def playbooks(settings: MonitoringSettings) -> SeenPages:
    """Where the alerts of these settings lead. Raises OnyxError."""
    links = [each.link(settings.docs_url.rstrip("/")) for each in Playbook]
    pages = dict.fromkeys(link.partition("#")[0] for link in links)
    return SeenPages(pages=tuple(_page(url, Playbook) for url in pages))


def _page(url: str, anchors: Iterable[str]) -> SeenPage:
    answer = _get(url, usual_certificates(), "docs_url", follow=True)
    if answer.status_code != httpx.codes.OK:
        return SeenPage(url=_shown(url), status=answer.status_code)
    # A forge gives anchors a prefix of its own.
    lacks = [each for each in anchors if f'{each}"' not in answer.text]
    return SeenPage(url=_shown(url), status=answer.status_code, lacks=tuple(lacks))


def _get(
    url: str, trusted: ssl.SSLContext, setting: str, *, follow: bool = False
) -> httpx.Response:
    try:
        with httpx.Client(
            timeout=_ANSWER_S, trust_env=False, verify=trusted, follow_redirects=follow
        ) as client:
            return whole_answer(client, "GET", url, limit_s=_ANSWER_S, limit_bytes=_PAGE_BYTES)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise UnableError(unanswered(_shown(url), error), remedy=_remedy(setting)) from None


def _remedy(setting: str) -> str:
    return f"See whether it runs, and whether {setting_words(setting)} is right."


def _any_certificate() -> ssl.SSLContext:
    """Nothing secret is sent, and whether it is trusted is an item of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _insecure(url: str) -> str:
    address = urlsplit(url)
    return f"http://{address.hostname}{address.path}"


def _shown(url: str) -> str:
    """Without a password that an address may hold."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
