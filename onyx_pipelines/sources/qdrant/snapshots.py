"""The life of a server snapshot: asked for, named in the journal, used, deleted whatever happens.

A server goes on creating a snapshot after its client has gone, so a request that never answered
leaves one too. Which one is ours follows from what stood there before and the time in its name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.failures import NotThereError, RefusedError
from onyx_pipelines.sources.qdrant.journal import JournalEntry, SnapshotJournal
from onyx_pipelines.sources.qdrant.patience import Patience
from onyx_pipelines.sources.qdrant.snapshot_api import ServerSnapshot, SnapshotApi

# The server names a snapshot when it begins, which is soon after the request.
_BEGINS_WITHIN_S: Final = 60.0
# Its Date header and its names have whole seconds.
_SAME_CLOCK_SLACK_S: Final = 5.0
_OTHER_CLOCK_SLACK_S: Final = 120.0
# Where the server does not say whether it still makes one.
_FORGET_AFTER_S: Final = 24 * 3600.0
_POLL_S: Final = 0.5

Warn = Callable[[str], None]


class Snapshots:
    """The snapshots that we make on one server.

    Args:
        create_timeout_s: how long one may take.
        patience: for one that a timed-out request left in the making.
    """

    def __init__(
        self,
        api: SnapshotApi,
        url: str,
        journal: SnapshotJournal,
        *,
        create_timeout_s: float,
        patience: Patience,
    ) -> None:
        self._api = api
        self._url = url
        self._journal = journal
        self._create_timeout_s = create_timeout_s
        self._patience = patience

    @contextmanager
    def snapshot(self, collection: str, warn: Warn) -> Iterator[ServerSnapshot]:
        """A snapshot that is deleted at the end of the block; `warn` hears where that failed.

        Raises:
            SourceError: it could not be created, or the journal not be written.
        """
        listing = self._api.list(collection)
        told = listing.server_time
        entry = JournalEntry(
            url=self._url,
            collection=collection,
            present=tuple(sorted(listing.names)),
            requested_at=time.time() if told is None else told,
            clock_slack_s=_OTHER_CLOCK_SLACK_S if told is None else _SAME_CLOCK_SLACK_S,
        )
        slot = self._journal.add(entry)
        try:
            created = self._api.create(collection, timeout_s=self._create_timeout_s)
        except RefusedError:
            self._journal.forget(slot)
            raise
        except Exception:
            # Not for an interrupt: who sends one does not wait, and the next run has the journal.
            self._wait_until_made(collection)
            self._remove(slot, entry, warn)
            raise
        if created.name in entry.present:
            # Made within the same second as another one: both are one file, and not ours to delete.
            self._journal.forget(slot)
            warn(f"the snapshot {created.name} on the Qdrant server was made twice, so it stays")
            yield created
            return
        entry = entry.model_copy(update={"snapshot": created.name})
        try:
            self._journal.write(slot, entry)
            yield created
        finally:
            self._remove(slot, entry, warn)

    def remove_orphans(self, warn: Warn) -> None:
        """Delete what an earlier run of ours left on this server."""
        for slot, entry in self._journal.read().items():
            if entry.url == self._url:
                self._remove(slot, entry, warn)

    def _remove(self, slot: str, entry: JournalEntry, warn: Warn) -> None:
        """Delete the entry's snapshot, and the entry if nothing is left to do about it."""
        try:
            if entry.snapshot:
                self._api.delete(entry.collection, entry.snapshot)
            elif not self._remove_unnamed(entry, warn):
                return
        except NotThereError:
            # The collection is gone, and its snapshots with it.
            self._journal.forget(slot)
        except SourceError as error:
            warn(
                f"a snapshot of the collection {entry.collection!r} stays on the Qdrant server"
                f" until the next backup: {error.what}"
            )
        else:
            self._journal.forget(slot)

    def _remove_unnamed(self, entry: JournalEntry, warn: Warn) -> bool:
        """True if the entry is settled, False if its snapshot may still come."""
        creating = self._api.is_creating(entry.collection)
        listing = self._api.list(entry.collection)
        names = possible_names(entry, listing.names)
        if len(names) > 1:
            warn(
                f"the collection {entry.collection!r} has {len(names)} new snapshots on the Qdrant"
                f" server ({', '.join(names)}); which one a backup left there is not known, so none"
                " was deleted"
            )
            return True
        if names:
            self._api.delete(entry.collection, names[0])
            return True
        if creating:
            warn(
                f"a snapshot of the collection {entry.collection!r} is still in the making on the"
                " Qdrant server; the next backup deletes it"
            )
            return False
        now = listing.server_time or time.time()
        return creating is False or now - entry.requested_at > _FORGET_AFTER_S

    def _wait_until_made(self, collection: str) -> None:
        """Until the server says that it makes none, or cannot say."""
        while self._api.is_creating(collection) and self._patience.sleep(_POLL_S, collection):
            pass


def possible_names(entry: JournalEntry, names: Iterable[str]) -> list[str]:
    """Those of a collection's snapshots that an unanswered request of ours may have made."""
    pattern = re.compile(
        re.escape(entry.collection) + r"-\d+-(\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)\.snapshot"
    )
    earliest = entry.requested_at - entry.clock_slack_s
    latest = entry.requested_at + entry.clock_slack_s + _BEGINS_WITHIN_S
    found = []
    for name in sorted(set(names) - set(entry.present)):
        match = pattern.fullmatch(name)
        made_at = _posix_time(match[1]) if match else None
        if made_at is not None and earliest <= made_at <= latest:
            found.append(name)
    return found


def _posix_time(stamp: str) -> float | None:
    try:
        return datetime.strptime(stamp, "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
