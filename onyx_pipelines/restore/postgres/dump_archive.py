"""A dump that is unsealed while pg_restore reads it, so that none of it lies on a disk.

Its table of contents comes first (custom format) and is kept in memory: schema, indexes and the
properties of the database are restored from that alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from onyx_pipelines.host.processes import InputStream, ProgramError, text_of
from onyx_pipelines.progress import Meter
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines.vault.stores.store import ObjectReader

_CHUNK: Final = 1024 * 1024
_FIRST_BYTES: Final = 256 * 1024
_LIST_TIMEOUT_S: Final = 300.0


class DumpArchive:
    """One dump, from its beginning to its end, once."""

    def __init__(self, reader: ObjectReader, meter: Meter, head: int) -> None:
        self._reader = reader
        self._meter = meter
        self._head = head

    @property
    def contents(self) -> Path:
        """A file for pg_restore with the table of contents, and no more of the data than came with
        it. In memory; for this process and its children."""
        return Path(f"/proc/{os.getpid()}/fd/{self._head}")

    def read_contents(self, binaries: Binaries) -> None:
        """Unseal as much as holds the table of contents, which pg_restore alone can tell.

        Raises:
            IntegrityError, NotFoundError: the object is not what the manifest says.
            ProgramError: there is none in it.
        """
        wanted = _FIRST_BYTES
        while True:
            ended = self._extend(wanted)
            try:
                text_of(
                    [binaries.path("pg_restore"), "--list", self.contents],
                    timeout_s=_LIST_TIMEOUT_S,
                )
            except ProgramError:
                if ended:
                    raise
                wanted *= 4
            else:
                return

    def drain(self) -> None:
        """Unseal the rest for nobody: whether all of it is what the manifest says.

        Raises:
            IntegrityError, NotFoundError: the object is not what the manifest says.
        """
        while data := self._reader.read(_CHUNK):
            self._meter.add(len(data))
        self._meter.finish()

    def feed(self, program: InputStream) -> None:
        """Write all of it, from the beginning; the rest is unsealed on the way.

        Raises:
            IntegrityError, NotFoundError: the object is not what the manifest says.
            ProgramError: the program does not take it.
        """
        os.lseek(self._head, 0, os.SEEK_SET)
        while data := os.read(self._head, _CHUNK):
            program.write(data)
        while data := self._reader.read(_CHUNK):
            self._meter.add(len(data))
            program.write(data)
        self._meter.finish()

    def _extend(self, wanted: int) -> bool:
        """Keep the first `wanted` bytes; true if there are no more."""
        size = os.lseek(self._head, 0, os.SEEK_END)
        while size < wanted:
            data = self._reader.read(wanted - size)
            if not data:
                return True
            self._meter.add(len(data))
            with os.fdopen(os.dup(self._head), "ab", buffering=0) as file:
                size += file.write(data)
        return False


@contextmanager
def open_dump(work: Work, record: ObjectRecord) -> Iterator[DumpArchive]:
    """Open a dump of a set."""
    head = os.memfd_create("onyx-dump-contents")
    try:
        with work.objects.open(record) as reader:
            yield DumpArchive(reader, work.meter(record.name, record.plain_bytes), head)
    finally:
        os.close(head)
