"""Errors meant for a person: what happened, to what, and what to do.

The command line maps them to exit codes, Dagster to failures with or without a retry.
"""

from __future__ import annotations

from typing import ClassVar


class OnyxError(Exception):
    """Something that a person must read.

    `what` names the thing and what happened to it, `remedy` says what to do. `transient` is true
    only where the same call may succeed later with nobody's help (a lost connection, a server that
    starts): nothing else is ever retried. Neither text may hold a secret. `code` names the kind of
    error for programs; each class has its own, and it never changes.
    """

    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "error"

    def __init__(self, what: str, *, remedy: str, transient: bool = False) -> None:
        super().__init__(f"{what} {remedy}")
        self.what = what
        self.remedy = remedy
        self.transient = transient

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.remedy, self.transient)


def _rebuild(
    kind: type[OnyxError],
    what: str,
    remedy: str,
    transient: bool,
) -> OnyxError:
    return kind(what, remedy=remedy, transient=transient)


class SettingsError(OnyxError):
    """A setting is missing, malformed or contradicts another one."""

    code = "settings"


class KeyFileError(OnyxError):
    """A key file is missing, unreadable for us, readable for others, or the wrong one."""

    code = "key-file"


class SourceError(OnyxError):
    """A source (PostgreSQL, Qdrant, a volume) could not be read whole."""

    code = "source"


class StoreError(OnyxError):
    """A store could not be read or written."""

    code = "store"


class RefusedError(StoreError):
    """A store understood and does not allow it: rights, or a lock."""

    code = "refused"


class RestoreError(OnyxError):
    """A target could not be restored into. What it held is as it was, unless the text says more."""

    code = "restore"


class IntegrityError(OnyxError):
    """Stored bytes are not what the manifest says, or a manifest is not authentic."""

    exit_code: ClassVar[int] = 1
    code = "integrity"


class NotFoundError(OnyxError):
    """No such backup set, object or store."""

    code = "not-found"


class AlreadyRunningError(OnyxError):
    """Another process holds the lock."""

    code = "already-running"
