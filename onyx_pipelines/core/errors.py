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
    """A setting is missing, malformed or contradicts another one.

    Cause: a variable that is not set, a value of the wrong kind, two that exclude each other.
    Remedy: correct what the message names; `onyx doctor` looks at all of them.
    """

    code = "settings"


class KeyFileError(OnyxError):
    """A key file is missing, unreadable for us, readable for others, or the wrong one.

    Cause: a file that was not copied to this machine, mode bits for group or others, a key to
        which the set was not sealed.
    Remedy: `chmod 600` it, restore it from its copy, or name the right file; without it nothing
        is opened.
    """

    code = "key-file"


class SourceError(OnyxError):
    """A source (PostgreSQL, Qdrant, a volume) could not be read whole.

    Cause: a server that does not answer, a missing right, a program that is too old for the
        server.
    Remedy: mend what the message names, then run it again; no half-read set is listed.
    Transient: a lost connection, a server that starts, a lock that another holds.
    """

    code = "source"


class StoreError(OnyxError):
    """A store could not be read or written.

    Cause: credentials, the network, a full disk, a bucket that is not there.
    Remedy: correct what the message names, then run it again; what was stored whole is kept.
    Transient: no complete answer, a rate limit, a server in trouble (HTTP 429 and most of 5xx).
    """

    code = "store"


class RefusedError(StoreError):
    """A store understood and does not allow it: rights, or a lock.

    Cause: the key lacks a right, or Object Lock keeps the object until a date.
    Remedy: give the right that the message names (docs/object_lock.md lists them), or wait for
        the lock's end.
    """

    code = "refused"


class RestoreError(OnyxError):
    """A target could not be restored into. What it held is as it was, unless the text says
    more.

    Cause: no room, a missing extension or right, something else mounted in the directory.
    Remedy: mend what the message names and run the same command: it goes on where it stopped.
    Transient: a target that does not answer for now.
    """

    code = "restore"


class IntegrityError(OnyxError):
    """Stored bytes are not what the manifest says, or a manifest is not authentic.

    Cause: a disk or a transfer that damaged them, or somebody who changed them.
    Remedy: use another set or another store's copy, and find out what can write there.
    """

    exit_code: ClassVar[int] = 1
    code = "integrity"


class NotFoundError(OnyxError):
    """No such backup set, object, run or store.

    Cause: a mistyped id, another prefix in the store's address, or it was pruned.
    Remedy: `onyx catalog list` shows the sets that there are.
    """

    code = "not-found"


class AlreadyRunningError(OnyxError):
    """Another process holds the lock, or a restore was left half done.

    Cause: a backup, restore or load test of this host is under way, or one was killed.
    Remedy: wait for its end; a restore that was killed is finished by its own command, or
        aborted with `onyx restore --abort`.
    """

    code = "already-running"
