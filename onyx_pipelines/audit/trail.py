"""The trail of one host: a file to which many processes append, and the head file beside it.

What a killed or failed writer leaves is sealed off by the next one and never removed. A trail whose
end was cut off goes on from where the head file says, so that the gap stays visible.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from onyx_pipelines.audit.chain import Line, split_lines
from onyx_pipelines.audit.records import (
    AuditEvent,
    AuditRecord,
    Head,
    fragment_of,
    make_record,
    parse_record,
)
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import HostSettings
from onyx_pipelines.host.durable_files import replace_durably, sync_folder
from onyx_pipelines.host.locks import lock

_LOCK_PATIENCE_S = 30.0


class AuditError(OnyxError):
    """The audit trail cannot be written or read.

    Cause: a full disk, a missing right, another process that keeps its lock.
    Remedy: correct that first: nothing is done by hand that could not be noted.
    """

    code = "audit"


class Trail:
    """The audit trail in `folder`. Making one touches nothing.

    Args:
        host: under which its copies lie in the stores.
    """

    def __init__(self, folder: Path, host: str) -> None:
        self.folder = folder
        self.host = host
        self.path = folder / "trail.jsonl"
        self._head_path = folder / "head.json"

    @classmethod
    def of(cls, settings: HostSettings) -> Trail:
        return cls(settings.state_dir / "audit", settings.host)

    def append(self, event: AuditEvent) -> AuditRecord:
        """Write a record; it is durable when this returns.

        Raises:
            AuditError: it is not written (full disk, no permission, a lock held for long).
        """
        try:
            with self._locked(), self._opened() as fd:
                return self._append(fd, event)
        except OSError as error:
            raise AuditError(
                f"The audit trail {self.path} cannot be written ({_reason(error)}).",
                remedy="Give this user that directory and free space, or set ONYX_STATE_DIR.",
            ) from error

    def lines(self) -> list[Line]:
        """Every line of the file; none where no record was ever written.

        Raises:
            AuditError: it cannot be read.
        """
        return list(split_lines(self.path.name, self._read(self.path)))

    def records(self) -> Iterator[AuditRecord]:
        """The intact records, in the file's order. Raises AuditError as `lines` does."""
        return (line.record for line in self.lines() if line.record)

    def head(self) -> Head | None:
        """The last record by the head file; None where that is missing or damaged.

        Raises:
            AuditError: it is there and cannot be read.
        """
        with suppress(ValidationError):
            return Head.model_validate_json(self._read(self._head_path))
        return None

    def snapshot(self) -> tuple[list[Line], Head | None]:
        """Lines and head that belong together, while others append. Raises AuditError."""
        if not self.folder.is_dir():
            return [], None
        try:
            with self._locked():
                return self.lines(), self.head()
        except OSError as error:
            if error.errno == errno.EROFS:  # then nobody appends either
                return self.lines(), self.head()
            raise _unreadable(self.folder, error) from error

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _unreadable(path, error) from error

    def _append(self, fd: int, event: AuditEvent) -> AuditRecord:
        size_bytes = os.fstat(fd).st_size
        written = os.pread(fd, size_bytes, 0)
        last, torn = _end_of(written)
        # A file behind its head was cut off, or rewritten without it; see `chain`.
        noted = self.head()
        if noted and (last is None or noted.sequence >= last.sequence):
            last = noted
        record = make_record(
            event,
            after=last or Head(trail=secrets.token_hex(8)),
            time=datetime.now(UTC),
            sealed=fragment_of(torn),
        )
        line_break = b"\n" if written and not written.endswith(b"\n") else b""
        rest = line_break + record.line() + b"\n"
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
            replace_durably(self._head_path, record.head.model_dump_json().encode() + b"\n")
            self._give_to_owner(self._head_path)
        except BaseException:
            self._take_back(fd, size_bytes, record)
            raise
        return record

    def _take_back(self, fd: int, size_bytes: int, record: AuditRecord) -> None:
        """Not possible where the file has the append-only attribute: then it is a torn line."""
        with suppress(OSError, AuditError):
            if self.head() != record.head:
                os.ftruncate(fd, size_bytes)
                os.fsync(fd)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the trail. The kernel frees it when a process dies."""
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._give_to_owner(self.folder)
        path = self.folder / "lock"
        with lock(path, patience_s=_LOCK_PATIENCE_S) as alone:
            if not alone:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))
            self._give_to_owner(path)
            yield

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        is_new = not self.path.exists()
        fd = os.open(self.path, flags, 0o600)
        try:
            if is_new:
                self._give_to_owner(self.path)
                sync_folder(self.folder)
            yield fd
        finally:
            os.close(fd)

    def _give_to_owner(self, path: Path) -> None:
        """What root makes belongs to the user of the state directory, who must append as well."""
        if os.geteuid() == 0:
            owner = self.folder.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _end_of(trail: bytes) -> tuple[Head | None, bytes]:
    """The last intact record, and what stands after it."""
    end = len(trail)
    while end >= 0:
        start = trail.rfind(b"\n", 0, end) + 1
        if record := parse_record(trail[start:end]):
            return record.head, trail[end + 1 :].removesuffix(b"\n")
        end = start - 1
    return None, trail.removesuffix(b"\n")


def _unreadable(path: Path, error: OSError) -> AuditError:
    return AuditError(
        f"The audit trail {path} cannot be read ({_reason(error)}).",
        remedy="Run this as the user that the backups run as, or as root.",
    )


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__
