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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from onyx_pipelines.audit.chain import Line, split_lines
from onyx_pipelines.audit.records import (
    FIRST_PREVIOUS,
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

TRAIL_FILE = "trail.jsonl"
_HEAD_FILE = "head.json"
_LOCK_FILE = "lock"
_BLOCK_BYTES = 64 * 1024
_LOCK_PATIENCE_S = 30.0


class AuditError(OnyxError):
    """The audit trail cannot be written or read.

    Cause: a full disk, a missing right, another process that keeps its lock.
    Remedy: correct that first: nothing is done by hand that could not be noted.
    """

    code = "audit"


@dataclass(frozen=True)
class _End:
    """Where the next record goes.

    Args:
        last: the last record that is intact, as the file or the head file has it.
        size_bytes: of the file.
        open_line: the file does not end with a line break.
        torn: what stands after the last intact record.
    """

    last: Head | None
    size_bytes: int
    open_line: bool
    torn: bytes


class Trail:
    """The audit trail in `folder`. Making one touches nothing.

    Args:
        host: under which its copies lie in the stores.
    """

    def __init__(self, folder: Path, host: str) -> None:
        self.folder = folder
        self.host = host

    @classmethod
    def of(cls, settings: HostSettings) -> Trail:
        return cls(settings.state_dir / "audit", settings.host)

    @property
    def path(self) -> Path:
        return self.folder / TRAIL_FILE

    def append(self, event: AuditEvent) -> AuditRecord:
        """Write a record; it is durable when this returns.

        Raises:
            AuditError: it is not written (full disk, no permission, a lock held for long).
        """
        try:
            with self._locked(), self._opened() as fd:
                return self._append(fd, event)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            raise AuditError(
                f"The audit trail {self.path} cannot be written ({reason}).",
                remedy="Give this user that directory and free space, or set ONYX_STATE_DIR.",
            ) from error

    def lines(self) -> list[Line]:
        """Every line of the file; none where no record was ever written.

        Raises:
            AuditError: it cannot be read.
        """
        return list(split_lines(self.path.name, self._read(self.path)))

    def records(self) -> Iterator[AuditRecord]:
        """The intact records, in the file's order."""
        return filter(None, (parse_record(line.data) for line in self.lines()))

    def head(self) -> Head | None:
        """The last record by the head file; None where that is missing or damaged.

        Raises:
            AuditError: it is there and cannot be read.
        """
        data = self._read(self.folder / _HEAD_FILE)
        with suppress(ValidationError):
            return Head.model_validate_json(data)
        return None

    def snapshot(self) -> tuple[list[Line], Head | None]:
        """Lines and head that belong together, while others append."""
        if not self.folder.is_dir():
            return [], None
        try:
            with self._locked():
                return self.lines(), self.head()
        except OSError as error:
            if error.errno == errno.EROFS:  # then nobody appends either
                return self.lines(), self.head()
            raise self._unreadable(self.folder, error) from error

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _append(self, fd: int, event: AuditEvent) -> AuditRecord:
        end = self._end(fd)
        last = end.last
        record = make_record(
            event,
            trail=last.trail if last else secrets.token_hex(8),
            sequence=last.sequence + 1 if last else 1,
            previous=last.hash if last else FIRST_PREVIOUS,
            time=datetime.now(UTC),
            sealed=fragment_of(end.torn),
        )
        line = (b"\n" if end.open_line else b"") + record.line() + b"\n"
        try:
            _write_all(fd, line)
            os.fsync(fd)
            self._write_head(record.head)
        except BaseException:
            self._take_back(fd, end.size_bytes, record)
            raise
        return record

    def _take_back(self, fd: int, size_bytes: int, record: AuditRecord) -> None:
        """Not possible where the file has the append-only attribute: then it is a torn line."""
        with suppress(OSError, AuditError):
            noted = self.head()
            if noted is None or noted.hash != record.hash:
                os.ftruncate(fd, size_bytes)
                os.fsync(fd)

    def _end(self, fd: int) -> _End:
        size = os.fstat(fd).st_size
        start, tail, found = size, b"", None
        while start > 0 and found is None:
            start = max(0, start - _BLOCK_BYTES)
            tail = os.pread(fd, size - start, start)
            found = _last_record(tail, whole=start == 0)
        in_file, rest = found if found else (None, tail)
        # Rewritten only by whoever also made the head file anew; see `chain`.
        noted = self.head()
        ahead = noted is not None and (in_file is None or noted.sequence >= in_file.sequence)
        return _End(
            last=noted if ahead else in_file,
            size_bytes=size,
            open_line=size > 0 and not tail.endswith(b"\n"),
            torn=rest.removesuffix(b"\n"),
        )

    def _write_head(self, head: Head) -> None:
        path = self.folder / _HEAD_FILE
        replace_durably(path, head.model_dump_json().encode() + b"\n")
        self._give_to_owner(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the trail. The kernel frees it when a process dies."""
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._give_to_owner(self.folder)
        path = self.folder / _LOCK_FILE
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

    def _unreadable(self, path: Path, error: OSError) -> AuditError:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return AuditError(
            f"The audit trail {path} cannot be read ({reason}).",
            remedy="Run this as the user that the backups run as, or as root.",
        )


def _last_record(tail: bytes, *, whole: bool) -> tuple[Head, bytes] | None:
    """The last intact record in the file's end, and what stands after it."""
    pieces = tail.split(b"\n")
    # The first piece may have begun before this block.
    for index in range(len(pieces) - 1, -1 if whole else 0, -1):
        record = parse_record(pieces[index]) if pieces[index] else None
        if record is not None:
            rest = b"\n".join(pieces[index + 1 :])
            return record.head, rest
    return None


def _write_all(fd: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
