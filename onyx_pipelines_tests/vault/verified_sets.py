"""Two sets in a store, of which a test damages its own copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from onyx_pipelines.vault.layout import object_key
from onyx_pipelines.vault.manifest import Manifest, NewerFormatError
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.verification import Verification, verify
from onyx_pipelines_tests.vault.sets import (
    CONTENT,
    KeyPair,
    make_key,
    make_store,
    signers,
    write_set,
)


@dataclass(frozen=True)
class Sample:
    """Two sets with the same paths in one store; each test gets a copy of it."""

    store: LocalStore
    pair: KeyPair
    manifest: Manifest
    older: Manifest

    def path(self, key: str, manifest: Manifest | None = None) -> Path:
        return self.store.root / object_key((manifest or self.manifest).backup_id, key)

    def verify(self, *, deep: bool = False) -> Verification:
        key = self.pair.private
        return verify(self.store, self.manifest.backup_id, key, signers=signers(), deep=deep)

    def problem_keys(self) -> set[str]:
        """What is named, be it by a verdict or, for a version from the future, by the error."""
        try:
            return {verdict.key for verdict in self.verify().problems}
        except NewerFormatError as error:
            return {error.what.partition(" in the ")[0].rpartition("/")[2]}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("original")
    pair, store = make_key(folder), make_store(folder / "store")
    older = write_set(store, pair.recipient)
    return Sample(store, pair, write_set(store, pair.recipient), older)


def copy_of(sample: Sample, folder: Path) -> Sample:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sample.store.root, folder)
    return Sample(LocalStore(folder), sample.pair, sample.manifest, sample.older)


@pytest.fixture
def sample(original: Sample, tmp_path: Path) -> Sample:
    return copy_of(original, tmp_path / "copy")


KEYS = [f"{path}.zst.sealed" for path in CONTENT]
DUMP, EMPTY, FACTS, TAR = KEYS
