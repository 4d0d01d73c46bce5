"""A source through the vault's writer into a directory, as the nightly job does it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from onyx_pipelines.progress import silent
from onyx_pipelines.sources.source import Source
from onyx_pipelines.vault.keys import Recipient, create_private_key
from onyx_pipelines.vault.manifest import BackupType, Manifest
from onyx_pipelines.vault.stores import LocalStore
from onyx_pipelines.vault.writing import SetWriter


def recipient(directory: Path) -> Recipient:
    return create_private_key(directory / f"{uuid.uuid4()}.json", "bench")


def back_up_for(source: Source, store: LocalStore, key_file: Path) -> str:
    """The same to a new key in `key_file`, to be opened again; gives the set's id."""
    return back_up(source, store, create_private_key(key_file, "bench")).backup_id


def back_up(source: Source, store: LocalStore, to: Recipient) -> Manifest:
    """One component as a whole set."""
    writer = SetWriter(store, str(uuid.uuid4()), [to])
    began = datetime.now(UTC)
    sink = writer.component(source.component)
    sink.finish(source.back_up(sink, silent), began)
    return writer.complete(
        components=[source.component],
        timestamp=began,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host="bench",
    )
