"""Many real sets quickly: one is sealed by the production code, then planted under other ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.vault.authenticity import signed
from onyx_pipelines.vault.layout import manifest_key, object_key, set_prefix
from onyx_pipelines.vault.manifest import Manifest, to_bytes
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines_tests.vault.sets import make_key, make_store, new_id, signing_key, write_set

NOW = datetime(2026, 3, 20, 3, 0, tzinfo=UTC)
CONTENT = {
    "postgresql/onyx.dump": b"PGDMP" + bytes(range(256)) * 40,
    "postgresql/empty.dump": b"",
    "volumes/uploads.tar": b"tar" * 1000,
}


@dataclass(frozen=True)
class Planter:
    """Puts copies of one sealed set into stores, under new ids and at chosen times."""

    manifest: Manifest
    objects: dict[str, bytes]

    def plant(
        self, *stores: Store, days_ago: float = 0, backup_id: str | None = None, **changes: object
    ) -> str:
        """The new set's id. `changes` are fields of the manifest."""
        identity = backup_id or new_id()
        at = NOW - timedelta(days=days_ago)
        manifest = self.manifest.model_copy(
            update={"backup_id": identity, "timestamp": at, "completed_at": at, **changes}
        )
        content = to_bytes(signed(manifest, signing_key()))
        for store in stores:
            for key, data in self.objects.items():
                store.put(object_key(identity, key), data)
            store.put(manifest_key(identity), content)
        return identity


@pytest.fixture(scope="session")
def planter(tmp_path_factory: pytest.TempPathFactory) -> Planter:
    folder = tmp_path_factory.mktemp("sealed")
    store = make_store(folder / "store")
    manifest = write_set(store, make_key(folder).recipient, content=CONTENT)
    objects = {
        record.key: store.get(object_key(manifest.backup_id, record.key))
        for record in manifest.objects
    }
    return Planter(manifest, objects)


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return make_store(tmp_path / "local")


@pytest.fixture
def offsite(tmp_path: Path) -> LocalStore:
    return make_store(tmp_path / "offsite", name="offsite")


def keys_of(store: Store, backup_id: str) -> list[str]:
    prefix = set_prefix(backup_id)
    return [each.key.removeprefix(prefix) for each in store.list(prefix)]
