"""A directory against the facts of its archive: every path of both, read together in one order.

Memory: one block, one directory's names, and inodes with several names.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from onyx_pipelines.archive.attributes import NO_ATTRIBUTES, read_attributes
from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.text import count_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.volumes.differences import Difference, differences
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines.restore.volumes.selection import WHOLE, Parts, Reach, Selection, parts_of
from onyx_pipelines.restore.volumes.volume_findings import VolumeFindings, shown
from onyx_pipelines.sources.volumes.content import error_name, open_for_reading
from onyx_pipelines.sources.volumes.describing import describe
from onyx_pipelines.sources.volumes.facts import Entry, EntryStatus
from onyx_pipelines.sources.volumes.walking import Found, Walk

_DEVICES: Final = frozenset({EntryType.CHARACTER_DEVICE, EntryType.BLOCK_DEVICE})
_BLOCK_BYTES: Final = 1 << 20


class Comparison:
    """Compares one directory once; what it finds goes into `findings`.

    Args:
        limits: those that were met when the directory was extracted.
        selection: the part of the volume that was extracted.
        kept: of a volume in its place, paths that are in no backup; what was not chosen lies there
            too. None: the directory holds what was extracted, and nothing else.
        count_bytes: hears of every byte that is read back.
    """

    def __init__(
        self,
        findings: VolumeFindings,
        limits: AbstractSet[Limit],
        *,
        selection: Selection = WHOLE,
        kept: frozenset[Parts] | None = None,
        count_bytes: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._findings = findings
        self._limits = limits
        self._selection = selection
        self._is_in_place = kept is not None
        self._kept = kept or frozenset()
        self._above_kept = {parts[:length] for parts in self._kept for length in range(len(parts))}
        self._count_bytes = count_bytes
        self._counts: Counter[str] = Counter()
        self._statuses: Counter[EntryStatus] = Counter()
        self._inodes: dict[int, tuple[bytes, int]] = {}
        self._first_chosen: dict[bytes, bytes] = {}
        self._unlisted: Parts | None = None
        self._buffer = memoryview(bytearray(_BLOCK_BYTES))

    def run(self, root_fd: int, entries: Iterable[Entry]) -> None:
        """Read both to their ends.

        Raises:
            IntegrityError: the facts are damaged; what was found is worth nothing then.
        """
        expected = self._expected(entries)
        found = self._found(root_fd)
        entry, file = next(expected, None), next(found, None)
        while entry is not None or file is not None:
            order = _order(entry, file)
            if entry is not None and order < 0:
                self._report_missing(entry)
            elif file is not None and order > 0:
                self._report_extra(file)
            elif entry is not None and file is not None:
                self._compare(entry, file)
            if order <= 0:
                entry = next(expected, None)
            if order >= 0:
                file = next(found, None)
        self._summarise()

    def _expected(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            reach = self._selection.reach(parts_of(entry.path))
            if reach is Reach.OUTSIDE or (self._is_in_place and reach is Reach.ABOVE):
                continue
            self._statuses[entry.status] += 1
            if entry.status is EntryStatus.UNREADABLE:
                self._findings.leave_unverified(
                    entry.path, f"could not be read when it was backed up ({entry.error})"
                )
            if entry.archived:
                yield entry

    def _found(self, root_fd: int) -> Iterator[Found]:
        for file in Walk(root_fd, self._is_left_out):
            if not self._is_in_place or self._selection.reach(parts_of(file.path)) is Reach.CHOSEN:
                yield file

    def _is_left_out(self, path: bytes, *, is_directory: bool) -> bool:  # noqa: ARG002  (others need it)
        if not self._is_in_place:
            return False
        parts = parts_of(path)
        return parts in self._kept or self._selection.reach(parts) is Reach.OUTSIDE

    def _compare(self, entry: Entry, file: Found) -> None:
        self._counts["entries"] += 1
        if file.file is None or file.error is not None:
            if entry.type is EntryType.DIRECTORY:
                self._unlisted = parts_of(entry.path)
            self._leave_unreadable(entry.path, file.error)
            return
        kind = stat.S_IFMT(file.file.st_mode)
        earlier = None if kind == stat.S_IFDIR else self._earlier_name(entry, file.file)
        # One inode is read once: its further names have the same content.
        is_read = earlier is not None and earlier == self._expected_link(entry)
        try:
            found = self._described(file, file.file, known_sha256=entry.sha256 if is_read else None)
        except OSError as error:
            self._leave_unreadable(entry.path, error)
            return
        for difference in differences(entry, found, self._limits):
            # A staging directory in a mount point, and its removal, changed that one's time.
            if not (self._is_in_place and entry.path == b"." and difference.aspect == "time"):
                self._report(entry.path, difference)
        if entry.type is found.type is EntryType.FILE:
            self._counts["files"] += 1
        if entry.type is found.type is not EntryType.DIRECTORY:
            self._compare_link(entry, earlier)

    def _described(self, file: Found, status: os.stat_result, *, known_sha256: str | None) -> Entry:
        """What the disk has. Raises OSError."""
        name = b"/proc/self/fd/%d/%s" % (file.parent_fd, file.name)
        if stat.S_ISREG(status.st_mode):
            fd = open_for_reading(file.name, file.parent_fd)
            try:
                return describe(
                    file.path,
                    status,
                    read_attributes(fd),
                    EntryStatus.OK,
                    sha256=known_sha256 or self._sha256(fd),
                )
            finally:
                os.close(fd)
        link = None
        if stat.S_ISLNK(status.st_mode):
            link = os.readlink(file.name, dir_fd=file.parent_fd)
        attributes = read_attributes(name if file.fd is None else file.fd)
        return describe(file.path, status, attributes, EntryStatus.OK, link_target=link)

    def _sha256(self, fd: int) -> str:
        digest = hashlib.sha256()
        position = 0
        while length := os.preadv(fd, [self._buffer], position):
            digest.update(self._buffer[:length])
            position += length
            self._count_bytes(length)
        self._counts["bytes"] += position
        return digest.hexdigest()

    def _earlier_name(self, entry: Entry, status: os.stat_result) -> bytes | None:
        """The first path of the same inode, if this is not the first."""
        if status.st_nlink == 1:
            return None
        first, names_left = self._inodes.get(status.st_ino, (entry.path, status.st_nlink))
        if names_left > 1:
            self._inodes[status.st_ino] = (first, names_left - 1)
        else:
            self._inodes.pop(status.st_ino, None)
        return None if first == entry.path else first

    def _expected_link(self, entry: Entry) -> bytes | None:
        """Where only some names of an inode were chosen, the first of those stands for it."""
        source = entry.hard_link_to
        if source is None or self._selection.reach(parts_of(source)) is Reach.CHOSEN:
            return source
        first = self._first_chosen.setdefault(source, entry.path)
        return None if first == entry.path else first

    def _compare_link(self, entry: Entry, earlier: bytes | None) -> None:
        wanted = self._expected_link(entry)
        if wanted != earlier:
            self._report(
                entry.path,
                Difference("hard link", _link_words(wanted), _link_words(earlier)),
            )

    def _report(self, path: bytes, difference: Difference) -> None:
        if difference.limit is not None:
            self._findings.leave_unverified(
                path, f"{difference.limit} cannot be restored by this user or on this file system"
            )
            return
        self._findings.fail(
            path,
            difference.aspect,
            f"Its {difference.aspect} is not as it was.",
            difference.expected,
            difference.found,
        )

    def _report_missing(self, entry: Entry) -> None:
        parts = parts_of(entry.path)
        if self._unlisted is not None and parts[: len(self._unlisted)] == self._unlisted:
            self._findings.leave_unverified(entry.path, "lies in a directory that cannot be listed")
        elif entry.type in _DEVICES and Limit.DEVICES in self._limits:
            self._findings.leave_unverified(entry.path, "device nodes were not restored")
        else:
            self._findings.fail(entry.path, "missing", "It is missing.", entry.type, "nothing")

    def _report_extra(self, file: Found) -> None:
        if parts_of(file.path) in self._above_kept:
            return
        self._findings.fail(
            file.path, "extra", "It was not in the volume.", "nothing", _type_of(file)
        )

    def _leave_unreadable(self, path: bytes, error: OSError | None) -> None:
        reason = error_name(error or OSError())
        self._findings.leave_unverified(path, f"cannot be read back by this user ({reason})")

    def _summarise(self) -> None:
        if not self._findings.has_failed:
            counts = self._counts
            self._findings.add(
                Verdict.PASSED,
                "files",
                f"{count_text(counts['entries'], 'path')} with"
                f" {count_text(counts['files'], 'file')} and {count_text(counts['bytes'], 'byte')}"
                " compared: type, size, SHA-256, mode, owner, time, links and attributes.",
            )
        for status, aspect, what in (
            (EntryStatus.CHANGED, "changed meanwhile", "changed while it was backed up"),
            (EntryStatus.VANISHED, "vanished meanwhile", "vanished before it was backed up"),
            (EntryStatus.SKIPPED, "left out", "left out on purpose (socket, or of the kernel)"),
        ):
            if number := self._statuses[status]:
                self._findings.add(
                    Verdict.PASSED, aspect, f"{count_text(number, 'path')} {what}; as recorded."
                )


def _order(entry: Entry | None, file: Found | None) -> int:
    """Below 0: the entry comes first."""
    if entry is None:
        return 1
    if file is None:
        return -1
    wanted, there = parts_of(entry.path), parts_of(file.path)
    return (wanted > there) - (wanted < there)


def _link_words(to: bytes | None) -> str:
    return "a file of its own" if to is None else f"the same file as {shown(to)}"


def _type_of(file: Found) -> str:
    if file.file is None:
        return "something"
    return describe(file.path, file.file, NO_ATTRIBUTES, EntryStatus.OK).type
