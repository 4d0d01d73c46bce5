"""Where an error tracker takes envelopes, by its DSN. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from onyx_pipelines import __version__
from onyx_pipelines.core.errors import SettingsError

MEDIA_TYPE: Final = "application/x-sentry-envelope"
_CLIENT: Final = f"onyx-pipelines/{__version__}"


@dataclass(frozen=True)
class Endpoint:
    """`key`: what the tracker knows the project by; it allows to report errors, and nothing else.

    Args:
        tls: whether it speaks TLS.
        path: of the address.
    """

    tls: bool
    host: str
    port: int
    path: str
    key: SecretStr

    @property
    def headers(self) -> dict[str, str]:
        """Of each request."""
        key = self.key.get_secret_value()
        return {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": _CLIENT,
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client={_CLIENT}, sentry_key={key}",
        }


def endpoint_of(dsn: SecretStr) -> Endpoint:
    """From `https://KEY@host[:port][/path]/PROJECT`.

    Raises:
        SettingsError: it is not of that form.
    """
    try:
        found = urlsplit(dsn.get_secret_value().strip())
        before, _, project = found.path.rpartition("/")
        if found.scheme in ("http", "https") and found.hostname and found.username and project:
            tls = found.scheme == "https"
            return Endpoint(
                tls=tls,
                host=found.hostname,
                port=found.port or (443 if tls else 80),
                path=f"{before}/api/{project}/envelope/",
                key=SecretStr(found.username),
            )
    except ValueError:  # as below
        pass
    raise SettingsError(
        "ONYX_SENTRY_DSN is not of the form https://KEY@host/PROJECT.",
        remedy="Copy it from the project's settings in the error tracker.",
    )
