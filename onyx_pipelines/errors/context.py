"""The specification's `SentryErrorContext`: what it has, where it stands in an event, and how it is
read from one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

CONTEXT: Final = "error_context"


class RequestContext(BaseModel):
    """`body_size`: in bytes, as the client said it; 0: it said nothing."""

    model_config = ConfigDict(frozen=True)

    url: str = ""
    method: str = ""
    headers: dict[str, str] = {}
    body_size: int = 0


class SystemContext(BaseModel):
    """`cpu_usage_percent`: of one core. `container_id`: "" outside of a container."""

    model_config = ConfigDict(frozen=True)

    service_name: str
    version: str
    container_id: str = ""
    memory_usage_mb: float
    cpu_usage_percent: float


class Breadcrumb(BaseModel):
    """What happened before."""

    model_config = ConfigDict(frozen=True)

    timestamp: str
    message: str = ""
    category: str = ""
    level: str = ""


class SentryErrorContext(BaseModel):
    """`user_id` and `session_id` are pseudonyms; "": there was none, or no key for it."""

    model_config = ConfigDict(frozen=True)

    user_id: str | None = None
    session_id: str = ""
    request_context: RequestContext = RequestContext()
    system_context: SystemContext
    breadcrumbs: tuple[Breadcrumb, ...] = ()

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> SentryErrorContext:
        """From an event as a tracker has it.

        Raises:
            ValidationError: it is of no service that was set up by `start_error_tracking`.
        """
        values = event.get("breadcrumbs", {}).get("values", ())
        return cls.model_validate({**event["contexts"][CONTEXT], "breadcrumbs": values})


def request_context(request: Mapping[str, Any]) -> dict[str, Any]:
    """From what the SDK says of a request; {}: it was none."""
    if not request:
        return {}
    headers = {str(name).lower(): value for name, value in (request.get("headers") or {}).items()}
    size = str(headers.get("content-length", ""))
    return {
        "url": request.get("url", ""),
        "method": request.get("method", ""),
        "headers": headers,
        "body_size": int(size) if size.isdecimal() else 0,
    }


def with_context(
    event: dict[str, Any], system: Mapping[str, Any], process_session: str
) -> dict[str, Any]:
    """The event, with everything that the specification wants to know of it.

    Args:
        process_session: where the work belongs to nobody's session.
    """
    user = event.get("user") or {}
    found = {
        "user_id": user.get("id"),
        "session_id": user.get("session_id") or process_session,
        "request_context": request_context(event.get("request") or {}),
        "system_context": dict(system),
    }
    contexts = {**(event.get("contexts") or {}), CONTEXT: found}
    tags = {"service": system["service_name"], **(event.get("tags") or {})}
    return {**event, "contexts": contexts, "tags": tags}
