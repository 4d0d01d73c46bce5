"""The stand-in's state: its collections and aliases, and how a snapshot becomes one."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.sandbox.qdrant_standin.access import Keys
from onyx_pipelines.sandbox.qdrant_standin.collection import Collection
from onyx_pipelines.sandbox.qdrant_standin.configuration import (
    as_made_of_a_snapshot,
    incompatibility,
    new_config,
)
from onyx_pipelines.sandbox.qdrant_standin.faults import Faults, hidden_points, with_faults
from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.snapshot_files import (
    SnapshotFiles,
    disk_usage,
    sha256_of,
)
from onyx_pipelines.sources.qdrant.snapshot_archive import UnpackedSnapshot, unpack_snapshot

VERSION = "1.20.0-edge-dev"
_NAME_LIMIT = 255
_BAD_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
# Of a snapshot's size, beside the uploaded file: a server was seen to take 2.4 times it in all.
_UNPACKED_SHARE = 1.4
_UNPACKED_LIMIT_BYTES = 64 * 1024**3


class Node:
    """One node with its data in `directory`."""

    def __init__(self, directory: Path, keys: Keys) -> None:
        # As on the server, one for each start.
        self.identity = str(uuid.uuid4())
        self.started_at = datetime.now(UTC)
        # Answers by method, path and status.
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.keys = keys
        self.faults = Faults()
        self.cuts_left = 0
        self.busy_left = 0
        self._directory = directory
        # Under way, by the name of the collection.
        self.recoveries: Counter[str] = Counter()
        self._restored_at: dict[str, float] = {}
        # Collections, since faults were injected.
        self._changed: set[str] = set()
        self._storage = directory / "storage" / "collections"
        self._temporary = directory / "storage" / "tmp"
        self.snapshots = SnapshotFiles(
            directory / "snapshots", self._temporary, lambda: self.faults
        )
        self._aliases_file = directory / "storage" / "aliases.json"
        shutil.rmtree(self._temporary, ignore_errors=True)
        for folder in (self._storage, self._temporary, self.snapshots.directory):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self.aliases: dict[str, str] = (
            json.loads(self._aliases_file.read_text(encoding="utf-8"))
            if self._aliases_file.exists()
            else {}
        )
        self.collections = {
            path.name: Collection(path, path.name) for path in sorted(self._storage.iterdir())
        }

    def close(self) -> None:
        for collection in self.collections.values():
            collection.close()

    def since_restored_s(self, name: str) -> float:
        """Endless for a collection that was not."""
        return time.monotonic() - self._restored_at.get(name, -math.inf)

    def set_faults(self, faults: Faults) -> None:
        self.faults = faults
        self.cuts_left = faults.cut_times
        self.busy_left = faults.busy_times
        self._changed.clear()

    def told_of(self, collection: Collection) -> Json:
        """What it tells of itself."""
        name = collection.name
        return with_faults(
            self.faults,
            name,
            collection.info(),
            is_changed=name in self._changed,
            restored_s=self.since_restored_s(name),
        )

    def collection(self, name: str) -> Collection:
        """By its name or an alias."""
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise ApiError(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def to_read(self, name: str) -> Collection:
        """The same, with what is hidden of it now."""
        found = self.collection(name)
        found.hidden_points = hidden_points(self.faults, self.since_restored_s(found.name))
        return found

    def to_change(self, name: str) -> Collection:
        """The same, of what is changed now."""
        found = self.collection(name)
        self._changed.add(found.name)
        return found

    def create(self, name: str, request: Json) -> bool:
        _require_valid(name)
        with self._lock:
            if name in self.collections:
                raise ApiError(409, f"Wrong input: Collection `{name}` already exists!")
            directory = self._storage / name
            self.collections[name] = Collection(directory, name, new_config(request))
        return True

    def drop(self, name: str) -> bool:
        with self._lock:
            collection = self.collections.pop(name, None)
            if collection is None:
                return False
            collection.close()
            shutil.rmtree(collection.directory)
            self._restored_at.pop(name, None)
            self._set_aliases({a: c for a, c in self.aliases.items() if c != name})
        return True

    def change_aliases(self, actions: list[Json]) -> bool:
        """All of them or none."""
        with self._lock:
            aliases = dict(self.aliases)
            for action in actions:
                if "create_alias" in action:
                    wanted = action["create_alias"]
                    self.collection(wanted["collection_name"])
                    aliases[wanted["alias_name"]] = wanted["collection_name"]
                elif "delete_alias" in action:
                    aliases.pop(action["delete_alias"]["alias_name"], None)
                else:
                    raise unsupported(f"alias action {sorted(action)}")
            self._set_aliases(aliases)
        return True

    def _set_aliases(self, aliases: dict[str, str]) -> None:
        self.aliases = aliases
        self._aliases_file.write_text(json.dumps(aliases), encoding="utf-8")

    def take_upload(self, name: str, received: Path, file_name: str, checksum: str | None) -> bool:
        """What was received whole is kept, also where no collection can be made of it."""
        if checksum:
            found = sha256_of(received)
            if found != checksum.lower():
                raise ApiError(400, f"Checksum mismatch: expected {found}, actual {checksum}")
        folder = self.snapshots.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / file_name
        received.rename(kept)
        return self.recover(name, kept)

    @contextmanager
    def receiving(self) -> Iterator[Path]:
        """A directory for an upload; what an interrupted one leaves there goes with it."""
        with tempfile.TemporaryDirectory(dir=self._temporary) as directory:
            yield Path(directory)

    def recover_from(self, name: str, location: str, checksum: str | None) -> bool:
        """From a `file://` URL of a file below the directory of snapshots, as on a server."""
        url = urlsplit(location)
        if url.scheme in ("http", "https"):
            raise ApiError(
                500,
                "Service internal error: Http request error: error sending request for url"
                f" ({location})",
            )
        if url.scheme != "file":
            raise unsupported("recovery from a URL of this kind")
        path = Path(unquote(url.path)).resolve()
        root = self.snapshots.directory.resolve()
        if root not in path.parents:
            raise ApiError(
                403,
                f'Forbidden: Snapshot file path must be inside the snapshots directory "{root}"',
            )
        if not path.is_file():
            raise ApiError(400, f"Bad request: Snapshot file {path.name} does not exist")
        if checksum and sha256_of(path) != checksum.lower():
            raise ApiError(400, "Bad request: Snapshot checksum mismatch")
        return self.recover(name, path)

    def recover(self, name: str, snapshot: Path) -> bool:
        """Make a collection from a snapshot file, or put its data into the one that is there.

        It goes on to its end when the client has gone, as on a server.
        """
        _require_valid(name)
        self.recoveries[name] += 1
        try:
            time.sleep(self.faults.recover_delay_s)
            return self._recover(name, snapshot)
        finally:
            self.recoveries[name] -= 1

    def _recover(self, name: str, snapshot: Path) -> bool:
        place = Path(tempfile.mkdtemp(dir=self._temporary)) / "unpacked"
        try:
            self._require_room(name, snapshot)
            with snapshot.open("rb") as source:
                unpacked = unpack_snapshot(source, place, max_bytes=_UNPACKED_LIMIT_BYTES)
            if "config.json" not in unpacked.files:
                raise ApiError(400, "Wrong input: not the snapshot of a collection")
            for file_name, content in unpacked.files.items():
                (place / file_name).write_bytes(content)
            with self._lock:
                self._replace(name, place, unpacked)
        except IntegrityError as error:
            raise ApiError(500, f"Service internal error: File IO error: {error.what}") from None
        finally:
            shutil.rmtree(place.parent, ignore_errors=True)
        return True

    def _require_room(self, name: str, snapshot: Path) -> None:
        limit = self.faults.disk_bytes
        needed = int(_UNPACKED_SHARE * snapshot.stat().st_size)
        if limit is not None and disk_usage(self._directory) + needed > limit:
            raise ApiError(
                500,
                "Service internal error: File IO error: failed to unpack"
                f" `{self._temporary}/col-{name}-recovery-XXXXXX/0/segments`",
            )

    def _replace(self, name: str, place: Path, unpacked: UnpackedSnapshot) -> None:
        """Of a collection that is there, only the data become others."""
        present = self.collections.get(name)
        config, indexes = unpacked.config, unpacked.payload_schema
        if present is not None:
            problem = incompatibility(present.config, config)
            if problem:
                raise ApiError(
                    400,
                    "Wrong input: Snapshot is not compatible with existing collection: " + problem,
                )
            config, indexes = present.config, {**indexes, **present.indexes}
        else:
            config = as_made_of_a_snapshot(config)
        (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (place / "payload_index.json").write_text(json.dumps({"schema": indexes}), encoding="utf-8")
        if present is not None:
            del self.collections[name]
            present.close()
            shutil.rmtree(present.directory)
        place.rename(self._storage / name)
        self.collections[name] = Collection(self._storage / name, name)
        self._restored_at[name] = time.monotonic()


def _require_valid(name: str) -> None:
    bad = _BAD_NAME.search(name)
    if not 1 <= len(name.encode()) <= _NAME_LIMIT:
        problem = f'value "{name}" invalid, must be from 1 to {_NAME_LIMIT} characters'
    elif bad:
        problem = f'collection name cannot contain "{bad[0]}" char'
    elif name in (".", ".."):
        problem = f'collection name cannot be "{name}"'
    else:
        return
    raise ApiError(422, f"Validation error in path parameters: [collection_name: {problem}]")
