"""A server that is restored into, with what is made there written down before it is made.

The server keeps every uploaded file under the name of its collection, also where no collection
could be made of it or that collection was deleted, and then no call lists it. So a file is deleted
before its collection is, and where there is no collection, a bare one is made to delete it from.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.progress import Meter
from onyx_pipelines.core.threads import begun
from onyx_pipelines.restore.engine import Leftover, Work
from onyx_pipelines.restore.journal import has_failed
from onyx_pipelines.restore.qdrant.collections import CollectionObjects
from onyx_pipelines.restore.qdrant.comparison import compare_collection
from onyx_pipelines.restore.qdrant.leftovers import Leftovers, Upload
from onyx_pipelines.restore.qdrant.server import TargetQdrant
from onyx_pipelines.restore.qdrant.versions import same_minor
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.sources.qdrant.condition import all_active, is_sharded_by_keys
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.qdrant.scratch_names import is_scratch, new_scratch_name
from onyx_pipelines.vault.manifest import ObjectRecord

_OF_AN_ALIAS: Final = re.compile(r"-\d{8}T\d{6}-[0-9a-f]{6}$")
_POLL_S: Final = 0.5
_log = logger("restore")


class JournaledServer:
    """Restores collections of a set, and takes away again what a restore or a drill made.

    `journal`: what is under way there.
    """

    def __init__(self, server: TargetQdrant, work: Work) -> None:
        self.server = server
        self.journal = Leftovers(work.settings.state_dir, server.url)
        self.work = work
        self._deleting: Future[None] | None = None

    def begin_staged(self) -> str:
        """A name for a collection that is taken away again."""
        name = new_scratch_name()
        self.journal.begin(name)
        return name

    def upload_as(self, name: str, collection: CollectionObjects, *, step: str = "") -> None:
        """A collection `name` of the snapshot, whose file is deleted beside what comes next.

        Raises:
            SourceError, IntegrityError: as `TargetQdrant.upload`; no file is left.
        """
        _refuse(collection)
        size = collection.snapshot.plain_bytes
        item = f"{collection.name} ({step})" if step else collection.name
        with self.work.clock.step(Step.RESTORE, item, plain_bytes=size):
            upload = self._upload(name, collection, item)
        self._deleting = begun(partial(self._delete_file, upload), "file deleted")

    def compare(
        self, name: str, collection: CollectionObjects, *, step: str = ""
    ) -> tuple[Finding, ...]:
        """What the server has under `name`, once its replicas agree. Raises SourceError."""
        item = f"{collection.name} ({step})" if step else collection.name
        with self.work.clock.step(Step.COMPARE, item):
            try:
                found = once_settled(
                    lambda: self.server.cluster(name),
                    lambda: self._compare_now(name, collection.facts),
                    lambda found: not has_failed(found),
                    lambda seconds: self.server.patience.sleep(seconds, name),
                )
            finally:
                self._wait_for_deletion()
        return tuple(found)

    def take_away(self, collection: str) -> None:
        """Or leave it to the next call, with a warning."""
        with self.work.clock.step(Step.CLEAN_UP, collection):
            self._wait_for_deletion()
            try:
                self._remove(collection)
            except SourceError as error:
                _log.warning("%s is left for the next restore: %s", collection, error.what)

    def leftovers(self) -> Iterator[Leftover]:
        """What an interrupted restore or drill left under names that are only ours.

        What was being made under its own name stays: somebody may have mended it, and this restore
        puts the data there anyway. What an alias means is in use.

        Raises:
            SourceError: the server is still at it, or does not answer.
        """
        for upload in self.journal.uploads:
            if not self._wait_until_recovered(upload.collection):
                self._refuse_while_recovering(upload.collection)
            what = f"file {upload.file} of collection {upload.collection}"
            yield Leftover(what, partial(self._remove_file, upload))
        in_use = set(self.server.aliases().values()) if self.journal.staged else set()
        for name in self.journal.staged:
            if (is_scratch(name) or _OF_AN_ALIAS.search(name)) and name not in in_use:
                yield Leftover(f"collection {name}", partial(self._remove, name))
            else:
                self.journal.gone(name)

    def _upload(self, name: str, collection: CollectionObjects, item: str) -> Upload:
        upload = self.journal.begin_upload(name)
        pieces = partial(self._pieces, collection.snapshot, item)
        try:
            self.server.upload(name, upload.file, collection, pieces)
        except BaseException as error:
            # Not for an interrupt: who sends one does not wait, and the next call knows of it.
            if isinstance(error, Exception):
                self._wait_until_recovered(name)
            self._delete_file(upload)
            raise
        return upload

    @contextmanager
    def _pieces(self, snapshot: ObjectRecord, item: str) -> Iterator[Iterator[bytes]]:
        """Whoever watches hears of those that were used."""
        meter = self.work.meter(item, snapshot.plain_bytes)
        with closing(self.work.objects.pieces(snapshot)) as pieces:
            yield _metered(pieces, meter)

    def _compare_now(self, name: str, facts: CollectionFacts) -> list[Finding]:
        found = self.server.read(name, facts)
        return compare_collection(
            facts,
            found.config,
            found.payload_schema,
            found.answer,
            of_another_version=not same_minor(self.server.version, facts.server_version),
        )

    def _wait_for_deletion(self) -> None:
        """Until the journal is only ours again."""
        deleting, self._deleting = self._deleting, None
        if deleting is not None:
            deleting.result()

    def _delete_file(self, upload: Upload) -> None:
        """Or leave it to the next call, with a warning."""
        try:
            self._remove_file(upload)
        except SourceError as error:
            _log.warning(
                "the uploaded file %s of the collection %s stays on the server until the next"
                " restore: %s",
                upload.file,
                upload.collection,
                error.what,
            )

    def _remove(self, collection: str) -> None:
        """Raises SourceError: it stays there."""
        self._refuse_while_recovering(collection)
        self.server.delete(collection)
        self.journal.gone(collection)

    def _remove_file(self, upload: Upload) -> None:
        """Raises SourceError: it stays there."""
        name = upload.collection
        self._refuse_while_recovering(name)
        if name not in self.server.collections():
            upload = self.journal.make_bare(upload)
            self.server.make_bare(name)
        self.server.delete_file(name, upload.file)
        if upload.is_bare and self.server.is_bare(name):
            self.server.delete(name)
        self.journal.file_gone(upload)

    def _refuse_while_recovering(self, collection: str) -> None:
        if self.server.is_recovering(collection):
            raise SourceError(
                f"The Qdrant server still unpacks a snapshot for the collection {collection}.",
                remedy="Run it again when the server is done.",
                transient=True,
            )

    def _wait_until_recovered(self, collection: str) -> bool:
        """False: it took too long."""
        while self.server.is_recovering(collection):
            if not self.server.patience.sleep(_POLL_S, collection):
                return False
        return True


def _refuse(collection: CollectionObjects) -> None:
    collection.require_own_snapshot()
    if is_sharded_by_keys(collection.facts.config):
        raise SourceError(
            f"The collection {collection.name} is sharded by keys of its own: a server takes its"
            " snapshot, and then cannot read the collection.",
            remedy="Make it anew, and fill it by other means.",
        )


def _metered(pieces: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    for data in pieces:
        yield data
        meter.add(len(data))
    meter.finish()


_PATIENCE_S: Final = 600.0
# How long a replica that is told as active may still not know better.
_SETTLES_WITHIN_S: Final = 30.0
_SETTLING_POLL_S: Final = 1.0

T = TypeVar("T")


def once_settled(
    cluster: Callable[[], Mapping[str, Any]],
    compare: Callable[[], T],
    is_good: Callable[[T], bool],
    sleep: Callable[[float], bool],
    *,
    patience_s: float = _PATIENCE_S,
    settles_within_s: float = _SETTLES_WITHIN_S,
    poll_s: float = _SETTLING_POLL_S,
) -> T:
    """What comparing finds when every replica is active; at once where there is one node.

    The other nodes take the collection over from the one that it was restored on. Until they have,
    and for a moment before they know that they must, a search may be answered by a replica that has
    nothing yet.

    Where a replica does not become active in time (its node may be gone), what the others answer is
    what counts.

    Args:
        cluster: what the server tells of the collection's shards now.
        is_good: whether it needs no second look.
        sleep: False, and at once, where it has been waited long enough for others too.
    """
    deadline = time.monotonic() + patience_s
    is_late = False
    while True:
        told = cluster()
        if not told["remote_shards"]:
            return compare()
        if all_active(told):
            deadline = min(deadline, time.monotonic() + settles_within_s)
        is_late = is_late or time.monotonic() >= deadline
        if is_late or all_active(told):
            found = compare()
            if is_late or is_good(found):
                return found
        is_late = not sleep(poll_s)
