"""The stand-in's state: its collections, aliases and snapshot files."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.sandbox.qdrant_standin.collection import PEER_ID, Collection, new_config
from onyx_pipelines.sandbox.qdrant_standin.faults import Faults
from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sources.qdrant.snapshot_archive import unpack_snapshot

VERSION = "1.20.0-edge-dev"
_BAD_NAME = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_UNPACKED_LIMIT_BYTES = 64 * 1024**3


class Node:
    """One node with its data in `directory`."""

    def __init__(self, directory: Path, *, api_key: str = "", read_only_key: str = "") -> None:
        self.api_key = api_key
        self.read_only_key = read_only_key
        self.faults = Faults()
        self.cuts_left = 0
        self._storage = directory / "storage" / "collections"
        self._temporary = directory / "storage" / "tmp"
        self.snapshots = directory / "snapshots"
        self._aliases_file = directory / "storage" / "aliases.json"
        shutil.rmtree(self._temporary, ignore_errors=True)
        for folder in (self._storage, self._temporary, self.snapshots):
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

    def set_faults(self, faults: Faults) -> None:
        self.faults = faults
        self.cuts_left = faults.cut_times

    def collection(self, name: str) -> Collection:
        """By its name or an alias."""
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise ApiError(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, name: str, request: Json) -> bool:
        if _BAD_NAME.search(name) or len(name) > 255:
            raise ApiError(422, f"Validation error in path parameters: collection name {name!r}")
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

    def snapshot_dir(self, collection: Collection) -> Path:
        return self.snapshots / collection.name

    def list_snapshots(self, name: str) -> list[Json]:
        directory = self.snapshot_dir(self.collection(name))
        return [self._describe(path) for path in sorted(directory.glob("*.snapshot"))]

    def snapshot_path(self, collection: str, snapshot: str) -> Path:
        path = self.snapshot_dir(self.collection(collection)) / snapshot
        if snapshot != path.name or not path.is_file():
            raise ApiError(404, f"Not found: Snapshot {snapshot} not found")
        return path

    def delete_snapshot(self, collection: str, snapshot: str) -> bool:
        path = self.snapshot_path(collection, snapshot)
        if self.faults.delete_status:
            raise ApiError(self.faults.delete_status, "Service internal error: planted fault")
        path.unlink()
        _checksum_path(path).unlink(missing_ok=True)
        return True

    def create_snapshot(self, name: str) -> Json:
        collection = self.collection(name)
        if self.faults.create_status:
            raise ApiError(self.faults.create_status, "Service internal error: planted fault")
        stamp = f"{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}"
        target = self.snapshot_dir(collection) / f"{collection.name}-{PEER_ID}-{stamp}.snapshot"
        target.parent.mkdir(parents=True, exist_ok=True)
        collection.snapshots_running += 1
        try:
            time.sleep(self.faults.create_delay_s)
            with tempfile.NamedTemporaryFile(dir=self._temporary, delete=False) as temporary:
                collection.write_snapshot(temporary)
            _checksum_path(target).write_text(_sha256(Path(temporary.name)), encoding="ascii")
            Path(temporary.name).rename(target)
            collection.snapshots_made += 1
        finally:
            collection.snapshots_running -= 1
        return self._describe(target)

    def _describe(self, path: Path) -> Json:
        status = path.stat()
        described: Json = {
            "name": path.name,
            "creation_time": datetime.fromtimestamp(int(status.st_mtime), UTC).strftime(
                "%Y-%m-%dT%H:%M:%S"
            ),
            "size": status.st_size,
        }
        checksum = _checksum_path(path)
        if self.faults.wrong_checksum:
            described["checksum"] = "0" * 64
        elif checksum.exists() and not self.faults.null_checksum:
            described["checksum"] = checksum.read_text(encoding="ascii")
        return described

    def recover(self, name: str, snapshot: Path, checksum: str | None) -> bool:
        """Replace or make a collection from a snapshot file."""
        if checksum and _sha256(snapshot) != checksum.lower():
            raise ApiError(400, "Bad request: Snapshot checksum mismatch")
        place = Path(tempfile.mkdtemp(dir=self._temporary)) / "unpacked"
        try:
            with snapshot.open("rb") as source:
                unpacked = unpack_snapshot(source, place, max_bytes=_UNPACKED_LIMIT_BYTES)
            if list(unpacked.shards) != [0]:
                raise unsupported(f"a snapshot of the shards {sorted(unpacked.shards)}")
            (place / "config.json").write_bytes(unpacked.files["config.json"])
            with self._lock:
                self._replace(name, place, unpacked.config)
        except IntegrityError as error:
            raise ApiError(400, f"Wrong input: {error.what}") from None
        finally:
            shutil.rmtree(place.parent, ignore_errors=True)
        return True

    def _replace(self, name: str, place: Path, config: Json) -> None:
        present = self.collections.get(name)
        if present is not None:
            if present.config["params"]["vectors"] != config["params"]["vectors"]:
                raise ApiError(400, "Wrong input: Snapshot is not compatible: other vectors")
            del self.collections[name]
            present.close()
            shutil.rmtree(present.directory)
        place.rename(self._storage / name)
        self.collections[name] = Collection(self._storage / name, name)


def _checksum_path(snapshot: Path) -> Path:
    return snapshot.with_name(snapshot.name + ".checksum")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
