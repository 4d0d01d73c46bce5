"""A set of one source in a directory, sealed to a key of its own and opened again."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.source import Source
from onyx_pipelines.vault.keys import create_private_key, load_private_key
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines.vault.reading import SetObjects, open_set
from onyx_pipelines.vault.stores import LocalStore
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.vault.sets import signers, signing_key


def seal(root: Path, source: Source) -> SetObjects:
    """In `<root>/store`."""
    key_file = root / f"{uuid.uuid4()}.json"
    store = LocalStore(root / "store", name="local")
    backup_id = str(uuid.uuid4())
    writer = SetWriter(store, backup_id, [create_private_key(key_file, "test")])
    began = datetime.now(UTC)
    sink = writer.component(source.component)
    sink.finish(source.back_up(sink, silent), began)
    writer.complete(
        signing_key=signing_key(),
        components=[source.component],
        timestamp=began,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host="test",
    )
    return open_set(store, backup_id, load_private_key(key_file), signers())
