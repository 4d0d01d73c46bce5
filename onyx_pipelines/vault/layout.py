"""Where things lie in a store: pure functions from a backup set's id to keys.

docs/format.md describes the same layout for people.
"""

from __future__ import annotations

import re

SETS_PREFIX = "sets/"
AUDIT_PREFIX = "audit/"
MANIFEST_NAME = "manifest.json"
SEALED_SUFFIX = ".zst.sealed"
COMPONENTS_FOLDER = "components/"
MARKS_FOLDER = "marks/"

BACKUP_ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

_BACKUP_ID = re.compile(BACKUP_ID_PATTERN)
_KEY_PART = re.compile(r"^(?!\.)[A-Za-z0-9_=~.-]+$")


def is_backup_id(text: str) -> bool:
    """True for a lower-case UUID string."""
    return _BACKUP_ID.match(text) is not None and not text.endswith("\n")


def set_prefix(backup_id: str) -> str:
    """`sets/<backup_id>/`, under which everything of a set lies."""
    if not is_backup_id(backup_id):
        raise ValueError(f"{backup_id!r} is not a lower-case UUID")
    return f"{SETS_PREFIX}{backup_id}/"


def manifest_key(backup_id: str) -> str:
    """Of the object that makes the set one; it is written last."""
    return set_prefix(backup_id) + MANIFEST_NAME


def object_key(backup_id: str, key: str) -> str:
    """The key in the store of an object whose key in the set is `key`."""
    return set_prefix(backup_id) + key


def component_record_key(backup_id: str, component: str) -> str:
    """Of the record by which a re-execution knows that a component is finished."""
    return f"{set_prefix(backup_id)}{COMPONENTS_FOLDER}{component}.json"


def mark_key(backup_id: str, mark: str) -> str:
    """`mark` is held, verified or drilled."""
    return f"{set_prefix(backup_id)}{MARKS_FOLDER}{mark}.json"


def backup_id_of(store_key: str) -> str | None:
    """The set that a store's key belongs to, or None where the key is not one of a set."""
    if not store_key.startswith(SETS_PREFIX):
        return None
    candidate, separator, _ = store_key[len(SETS_PREFIX) :].partition("/")
    return candidate if separator and is_backup_id(candidate) else None


def is_object_key(key: str) -> bool:
    """True for a key that an object of a set may have: relative, of safe characters, not ours.

    Safe are letters, digits and `_ = ~ . -`; no part is empty or begins with a dot.
    """
    if not key.endswith(SEALED_SUFFIX) or key.startswith((COMPONENTS_FOLDER, MARKS_FOLDER)):
        return False
    return "\n" not in key and all(_KEY_PART.match(part) for part in key.split("/"))


def is_written_once(store_key: str) -> bool:
    """True for what is never changed nor deleted before retention says so: sealed objects,
    manifests (a new one after a rewrap is another version) and copies of the audit trail. Marks
    change daily, and losing one loses no data.
    """
    backup_id = backup_id_of(store_key)
    if backup_id is None:
        return store_key.startswith(AUDIT_PREFIX)
    key = store_key.removeprefix(set_prefix(backup_id))
    return key == MANIFEST_NAME or is_object_key(key)
