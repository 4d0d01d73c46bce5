"""The link in a message by which its reader acknowledges an incident: signed, and for some time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.host.durable_files import create_durably

LIFETIME: Final = timedelta(hours=24)
_PURPOSE: Final = "acknowledge"
_KEY_BYTES: Final = 32


def acknowledge_link(settings: Settings, incident_id: str, now: datetime) -> str:
    """Where people acknowledge it; "" where the API has no address for them.

    Raises:
        OSError: the key of this host's links cannot be made or read.
    """
    base = settings.api_public_url.rstrip("/")
    if not base:
        return ""
    until = int((now + LIFETIME).timestamp())
    asked = {"stack": settings.stack} if settings.stack else {}
    signature = _signature(_key(settings.state_dir), settings.stack, incident_id, until)
    query = urlencode({**asked, "until": until, "signature": signature})
    return f"{base}/incidents/{incident_id}/acknowledge?{query}"


def is_signed(settings: Settings, incident_id: str, until: int, signature: str) -> bool:
    """Whether such a link was made here, however long ago. Raises OSError."""
    expected = _signature(_key(settings.state_dir), settings.stack, incident_id, until)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def _signature(key: bytes, stack: str, incident_id: str, until: int) -> str:
    said = "\n".join((_PURPOSE, stack, incident_id, str(until)))
    digest = hmac.digest(key, said.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _key(state_dir: Path) -> bytes:
    """Made when it is first needed; without it every link that is out is worthless."""
    path = state_dir / "incidents" / "link.key"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process was quicker
            create_durably(path, secrets.token_hex(_KEY_BYTES).encode(), mode=0o600)
    return bytes.fromhex(path.read_text(encoding="ascii"))
