"""A store, a pair of keys, and who writes a set with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.vault.sets import KeyPair, make_key, make_store, new_id


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    return make_key(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return make_store(tmp_path / "store")


@pytest.fixture
def writer(store: LocalStore, pair: KeyPair) -> SetWriter:
    return SetWriter(store, new_id(), [pair.recipient])
