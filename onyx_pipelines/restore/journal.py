"""What one restore has put in place so far, on disk, so that the same call goes on after a kill.

It is bound to the set, to what was asked and to the targets, and counts for a day after its last
entry. What it names is compared again before it is taken for done.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.text import second_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.restore.results import ComponentResult, Finding
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.unfinished_restore import JOURNALS

# After that, the same call is a new restore, and nothing of the old one is taken for done.
RESUMED_WITHIN: Final = timedelta(hours=24)
DESPITE: Final = "despite differences"
# What failed without a comparison to its end: nobody can have read all that differs.
UNKNOWN_EXTENT: Final = frozenset({"archive", "facts", "not named"})
_log = logger("restore")


class Finished(BaseModel):
    """An item that is, or is about to be, in its place.

    `placed`: what tells it there from another of its name, and what is needed to compare it again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    component: Component
    item: str
    findings: tuple[Finding, ...]
    placed: dict[str, JsonValue] = {}
    at: AwareDatetime


class RestoreRecord(BaseModel):
    """One restore under way.

    Args:
        changing_by: the command that changes data now, or was killed while it did: backups refuse.
        safety_backup_ids: the newest last; none: none was taken (yet).
        ended_without: components that a call came to its end with something unfinished of; none
            while one is under way, also where it was killed.
        refused: what kept something from its place, as a person was told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = 2
    restore_id: str
    backup_id: str
    request: str
    started_at: AwareDatetime
    written_at: AwareDatetime
    changing_by: str = ""
    safety_backup_ids: tuple[str, ...] = ()
    ended_without: tuple[Component, ...] = ()
    refused: tuple[Finding, ...] = ()
    finished: tuple[Finished, ...] = ()

    def counts_for(self, request: str, now: datetime) -> bool:
        """Whether the same call goes on with it. A date that is to come is no better than an old
        one."""
        return self.request == request and abs(now - self.written_at) < RESUMED_WITHIN


def request_digest(*asked: object) -> str:
    """The same for the same set, choice and targets, and for no others."""
    text = json.dumps(asked, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def still_the_same(earlier: Finished, now: Collection[Finding]) -> tuple[Finding, ...]:
    """What is said of an item that an earlier call put in place, and that was compared again."""
    failed = [finding for finding in now if finding.verdict is Verdict.FAILED]
    if not failed:
        return earlier.findings
    changed = Finding.failed(
        earlier.item,
        "in place",
        f"It was put in place at {second_text(earlier.at)} by a call that was"
        " interrupted, and is not what it was then, so it is left as it is. `onyx restore"
        " --abort`, and then the same command, restores it once more.",
    )
    return (*failed, changed)


def has_failed(findings: Collection[Finding]) -> bool:
    """One that could not be verified has not."""
    return worst(finding.verdict for finding in findings) is Verdict.FAILED


class RestoreJournal:
    """`<state directory>/restores/<request>.json`; absent when that restore is not unfinished.

    `went_stale`: there was one that was too old to go on with.
    """

    def __init__(
        self, file: RecordFile[RestoreRecord], record: RestoreRecord, *, went_stale: bool = False
    ) -> None:
        self._file = file
        self._record = record
        self._is_forced = False
        self.went_stale = went_stale

    @classmethod
    def open(cls, state_dir: Path, backup_id: str, request: str, now: datetime) -> Self:
        """Of an earlier call, if that counts still; else a new one, which is written.

        Raises:
            RestoreError: the state directory cannot be written.
        """
        file = RecordFile(state_dir / JOURNALS / f"{request[:24]}.json", RestoreRecord)
        try:
            earlier = file.read()
        except ValidationError:
            _log.warning("the record of an interrupted restore cannot be read; it begins anew")
            earlier = None
        except OSError as error:
            raise _unusable(file.path, error) from None
        if earlier is not None and earlier.counts_for(request, now):
            _log.info("going on with restore %s", earlier.restore_id)
            return cls(file, earlier)
        new = RestoreRecord(
            restore_id=str(uuid.uuid4()),
            backup_id=backup_id,
            request=request,
            started_at=now,
            written_at=now,
        )
        journal = cls(file, new, went_stale=earlier is not None)
        journal._write()
        return journal

    @property
    def restore_id(self) -> str:
        """A UUID; calls that go on with the same restore share it."""
        return self._record.restore_id

    @property
    def started_at(self) -> datetime:
        """When the first of these calls began, in UTC."""
        return self._record.started_at

    @property
    def safety_backup_ids(self) -> tuple[str, ...]:
        """Sets that hold what this restore has replaced, the oldest first."""
        return self._record.safety_backup_ids

    def to_back_up(self, overwritten: Collection[Component]) -> frozenset[Component]:
        """Of what would be overwritten: what is still as it was, so that it can be backed up.

        All of it at first. Where a call came to its end, what that left; it has changed since.
        Where one was killed, what was there is in the backup of that call.
        """
        if self._record.ended_without:
            return frozenset(overwritten) & {*self._record.ended_without}
        is_new = not self._record.safety_backup_ids and not self._record.finished
        return frozenset(overwritten) if is_new else frozenset()

    def force(self, backup_id: str) -> None:
        """Let those differences pass that an earlier call has named.

        Raises:
            RestoreError: none has named any.
        """
        if not self._record.refused:
            raise RestoreError(
                "No restore with these options has named differences within a day, so nobody can"
                " have read them.",
                remedy=f"Run the same restore of {backup_id} without --force-despite-differences"
                " first: it leaves what differs alone, and names each difference.",
            )
        self._is_forced = True

    def lets_pass(self, findings: Collection[Finding]) -> bool:
        """Whether an item may take its place: it is the same, or somebody wants it as it is."""
        failed = [finding for finding in findings if finding.verdict is Verdict.FAILED]
        known = {_key(finding) for finding in self._record.refused}
        return not failed or (
            self._is_forced
            and all(each.aspect not in UNKNOWN_EXTENT and _key(each) in known for each in failed)
        )

    def finished(self, component: Component, item: str) -> Finished | None:
        """What an earlier try put in place: to be looked for there, and compared again."""
        found = (
            each
            for each in self._record.finished
            if (each.component, each.item) == (component, item)
        )
        return next(found, None)

    def add(
        self,
        component: Component,
        item: str,
        findings: Sequence[Finding],
        *,
        placed: dict[str, JsonValue] | None = None,
    ) -> None:
        """This item is, or is about to be, in place; durable when it returns. One that failed its
        comparison is never finished."""
        if has_failed(findings):
            return
        one = Finished(
            component=component,
            item=item,
            findings=tuple(findings),
            placed=placed or {},
            at=datetime.now(UTC),
        )
        others = [e for e in self._record.finished if (e.component, e.item) != (component, item)]
        self._write(finished=(*others, one))

    def begin(self, safety_backup_id: str) -> None:
        """The safety backup is taken: empty if there is none."""
        ids = (*self.safety_backup_ids, *filter(None, [safety_backup_id]))
        self._write(safety_backup_ids=ids, ended_without=())

    @contextmanager
    def changing(self, command: str, components: Sequence[Component]) -> Iterator[None]:
        """Data changes in the block, of the first of these. If it fails, none of them is wholly
        restored; if it is killed, the data may be half replaced."""
        self._write(changing_by=command)
        try:
            yield
        except BaseException:
            self._write(ended_without=tuple(components))
            raise
        finally:
            self._write(changing_by="")

    def end(self, results: Sequence[ComponentResult]) -> None:
        """The call is over; the same one goes on if it left anything unfinished."""
        left = [result for result in results if result.unfinished]
        if not left:
            self.close()
            return
        refused = [f for result in left for f in result.findings if f.verdict is Verdict.FAILED]
        ended = tuple(result.component for result in left)
        self._write(ended_without=ended, refused=tuple(refused))

    def close(self) -> None:
        """The whole restore is finished: the next one starts from its beginning."""
        self._file.remove()

    def _write(self, **changes: object) -> None:
        changes["written_at"] = datetime.now(UTC)
        self._record = self._record.model_copy(update=changes)
        try:
            self._file.write(self._record)
        except OSError as error:
            raise _unusable(self._file.path, error) from None


def forget_all(state_dir: Path) -> Sequence[Path]:
    """Remove the journals of every interrupted restore; gives those that were there."""
    found = sorted((state_dir / JOURNALS).glob("*.json"))
    for path in found:
        path.unlink(missing_ok=True)
    return found


def despite_differences(item: str, findings: Collection[Finding]) -> list[Finding]:
    """For the record of an item that takes its place although it differs; else nothing."""
    failed = sum(finding.verdict is Verdict.FAILED for finding in findings)
    if not failed:
        return []
    count = f"{failed} difference{'' if failed == 1 else 's'}"
    message = f"Put in place despite {count}, as somebody who has read them asked."
    return [Finding.passed(item, DESPITE, message)]


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.item, finding.aspect, finding.message


def _unusable(path: Path, error: OSError) -> RestoreError:
    return RestoreError(
        f"The journal of restores {path} cannot be used ({error.strerror}).",
        remedy="Make ONYX_STATE_DIR writable for this user.",
    )
