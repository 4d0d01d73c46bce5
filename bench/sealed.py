"""A source through the vault's writer into a directory, as the nightly job does it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.source import Source
from onyx_pipelines.vault.keys import Recipient, create_private_key, load_private_key
from onyx_pipelines.vault.manifest import BackupType, Manifest
from onyx_pipelines.vault.reading import SetObjects, open_set
from onyx_pipelines.vault.signing import Signers, SigningKey, create_signing_key, load_signing_key
from onyx_pipelines.vault.stores import LocalStore
from onyx_pipelines.vault.writing import SetWriter


@dataclass(frozen=True)
class Keys:
    """Whom a set is sealed to, and who signs it."""

    recipient: Recipient
    signing_key: SigningKey


def new_keys(directory: Path, key_file: Path | None = None) -> Keys:
    """The private key goes to `key_file`, if the set is to be opened again."""
    path = key_file or directory / f"{uuid.uuid4()}.json"
    recipient = create_private_key(path, "bench")
    create_signing_key(_signing_file(path), "bench")
    return Keys(recipient, load_signing_key(_signing_file(path)))


def open_again(store: LocalStore, backup_id: str, key_file: Path) -> SetObjects:
    """A set that was sealed with `new_keys` into that file."""
    signers = Signers((load_signing_key(_signing_file(key_file)).signer,))
    return open_set(store, backup_id, load_private_key(key_file), signers)


def _signing_file(key_file: Path) -> Path:
    return key_file.with_suffix(".signing.json")


def back_up(source: Source, store: LocalStore, keys: Keys) -> Manifest:
    """One component as a whole set."""
    writer = SetWriter(store, str(uuid.uuid4()), [keys.recipient])
    began = datetime.now(UTC)
    sink = writer.component(source.component)
    sink.finish(source.back_up(sink, silent), began)
    return writer.complete(
        signing_key=keys.signing_key,
        components=[source.component],
        timestamp=began,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host="bench",
    )
