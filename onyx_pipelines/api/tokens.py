"""Tokens of the API: shown once, stored as hashes, each with a name and scopes.

They are random (256 bits), so a plain SHA-256 is enough: there is nothing to guess slowly.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines.host.durable_files import replace_durably

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
_PREFIX: Final = "onyx_"


class Scope(StrEnum):
    """Each includes those before it; but who may only read tells of no alerts."""

    ALERT = "alert"
    READ = "read"
    OPERATE = "operate"
    RESTORE = "restore"

    def includes(self, other: Scope) -> bool:
        if other is Scope.ALERT:
            return self is not Scope.READ
        order = list(Scope)
        return order.index(self) >= order.index(other)


class Token(BaseModel):
    """What is stored of one; `sha256` of the text that its holder sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scope: Scope
    sha256: str
    created_at: AwareDatetime


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tokens: tuple[Token, ...] = ()


class TokenFile:
    """A JSON file for its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> tuple[Token, ...]:
        """None where there is no file yet.

        Raises:
            SettingsError: others can read it, or it is damaged.
        """
        if not self._path.exists():
            return ()
        if self._path.stat().st_mode & 0o077:
            raise SettingsError(
                f"{self._path} is readable for group or others.",
                remedy=f"chmod 600 {self._path}",
            )
        try:
            return _File.model_validate_json(self._path.read_bytes()).tokens
        except ValidationError:
            raise SettingsError(
                f"{self._path} is no file of API tokens.",
                remedy="Restore it from a copy, or delete it and create the tokens anew.",
            ) from None

    def create(self, name: str, scope: Scope) -> str:
        """The token's text, which nobody can be shown again.

        Raises:
            SettingsError: the name is taken or not one.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"{name!r} is no name for a token.",
                remedy="Use letters, digits and . _ @ - only, at most 63.",
            )
        tokens = self.all()
        if any(token.name == name for token in tokens):
            raise SettingsError(
                f"There is a token {name} already.", remedy="Revoke it first, or take another name."
            )
        text = _PREFIX + secrets.token_urlsafe(32)
        made = Token(name=name, scope=scope, sha256=_hash(text), created_at=datetime.now(UTC))
        self._write((*tokens, made))
        return text

    def revoke(self, name: str) -> None:
        """Raises NotFoundError: there is none of that name."""
        tokens = self.all()
        kept = tuple(token for token in tokens if token.name != name)
        if len(kept) == len(tokens):
            raise NotFoundError(
                f"There is no token {name}.", remedy="`onyx api token list` shows them."
            )
        self._write(kept)

    def _write(self, tokens: Iterable[Token]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = _File(tokens=tuple(tokens)).model_dump_json(indent=1) + "\n"
        replace_durably(self._path, text.encode())


def find_token(tokens: Iterable[Token], text: str) -> Token | None:
    """The one that this text is of; looks at all of them, so that time tells nothing."""
    digest = _hash(text)
    found = None
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
