"""Who may do what: two fixed keys, and tokens (JWT, HS256) that are signed with the first of them.

The words of the refusals are a server's; those of tokens were read in its source, not seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from typing import Final, TypeAlias

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError

# Either over everything ("r" reads, "m" does all), or "r" or "rw" by collection.
Access: TypeAlias = "str | dict[str, str]"

_MANAGE: Final = "m"
_READING_POST: Final = re.compile(r"/points(/(scroll|count|query))?$")
# What a token for one collection may change in it; all else is for who may do everything.
_WRITING: Final = re.compile(r"/(points(/.+)?|index(/[^/]+)?|snapshots(/[^/]+)?)$")
_MANAGING: Final = re.compile(r"/snapshots/(upload|recover)$")
_LEEWAY_S: Final = 30
_NO_KEY: Final = "Must provide an API key or an Authorization bearer token"


class KeyRefusedError(ApiError):
    """Before anything else was looked at; a server says it without a content type."""


@dataclass(frozen=True)
class Keys:
    """Without an `api_key` everybody may do everything."""

    api_key: str = ""
    read_only_key: str = ""

    def access_of(self, key: str) -> Access:
        """Raises KeyRefusedError: 401 for what is no key, 403 for a token that does not hold."""
        if not self.api_key or key == self.api_key:
            return _MANAGE
        if self.read_only_key and key == self.read_only_key:
            return "r"
        claims = _claims(key)
        if claims is None:
            raise KeyRefusedError(401, "Invalid API key or JWT" if key else _NO_KEY)
        head, _, signature = key.rpartition(".")
        if not hmac.compare_digest(signature, _signature(head, self.api_key)):
            raise KeyRefusedError(403, "InvalidSignature")
        if claims.get("exp", time.time()) < time.time() - _LEEWAY_S:
            raise KeyRefusedError(403, "ExpiredSignature")
        access = claims.get("access", _MANAGE)
        if isinstance(access, str):
            return access
        return {each["collection"]: each["access"] for each in access}


def require(access: Access, method: str, path: str, collection: str | None) -> None:
    """Raises ApiError: 403.

    Args:
        collection: that the path names; None: it names none.
    """
    if access == _MANAGE:
        return
    is_text = path.endswith("/snapshots/upload")
    reads = method == "GET" or (method == "POST" and _READING_POST.search(path) is not None)
    if isinstance(access, str):
        if not reads:
            raise ApiError(403, "Forbidden: Global manage access is required", is_text=is_text)
    elif collection is None:
        if path not in ("/", "/collections", "/aliases"):
            raise ApiError(403, "Forbidden: Global access is required")
    elif not reads and (_MANAGING.search(path) or not _WRITING.search(path)):
        raise ApiError(403, "Forbidden: Global access is required", is_text=is_text)
    elif collection not in access:
        raise ApiError(403, f"Forbidden: Access to collection {collection} is required")
    elif not reads and access[collection] != "rw":
        raise ApiError(403, f"Forbidden: Write access to collection {collection} is required")


def sees(access: Access, collection: str) -> bool:
    return isinstance(access, str) or collection in access


def make_token(api_key: str, access: object, *, expires_at: float | None = None) -> str:
    """As an administrator makes one; `access` is the claim of that name."""
    claims: Json = {"access": access}
    if expires_at is not None:
        claims["exp"] = int(expires_at)
    head = ".".join(_encoded(json.dumps(each).encode()) for each in (_HEADER, claims))
    return f"{head}.{_signature(head, api_key)}"


_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


def _claims(token: str) -> Json | None:
    """None: this is no token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def _signature(head: str, secret: str) -> str:
    return _encoded(hmac.digest(secret.encode(), head.encode(), hashlib.sha256))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
