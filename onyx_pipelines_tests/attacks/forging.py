"""What somebody with a store's credentials and no key can put into it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

from onyx_pipelines.vault.layout import manifest_key, mark_key
from onyx_pipelines.vault.stores.store import Store


def forge_set(store: Store, model_id: str, *, at: datetime) -> str:
    """A manifest like that of a real set, under a new id, one component without objects, and the
    mark of a passed drill. Gives the id."""
    document = json.loads(store.get(manifest_key(model_id)))
    forged_id = str(uuid.uuid4())
    moment = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    (name, component), *_ = document["components"].items()
    document |= {
        "backup_id": forged_id,
        "timestamp": moment,
        "completed_at": moment,
        "components": {name: component | {"objects": []}},
        "mac": "AAAA",
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    store.put(manifest_key(forged_id), f"{text}\n".encode())
    put_mark(store, forged_id, "drilled", at=moment, passed=True, last_passed_at=moment)
    return forged_id


def put_mark(store: Store, backup_id: str, mark: str, **content: object) -> None:
    """An unsigned one, as a version before signatures wrote it."""
    store.put(mark_key(backup_id, mark), json.dumps(content, default=str).encode())


def later(moment: datetime) -> datetime:
    """On the same day, if that is possible."""
    return moment + timedelta(seconds=1)
