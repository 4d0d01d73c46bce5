"""What each ciphertext and signature is bound to: anywhere else it does not open, or hold.

Keysets are bound to their set and purpose (HPKE context info), objects to their set and key
(associated data), signatures to their set and kind. docs/format.md publishes the same strings.
"""

from __future__ import annotations

from onyx_pipelines.sources.source import Component

MANIFEST_PURPOSE = "manifest"


def component_purpose(component: Component) -> str:
    """The purpose of the keyset that a component's objects are sealed with."""
    return f"component/{component.value}"


def keyset_context(backup_id: str, purpose: str) -> bytes:
    """The context info under which a keyset is wrapped."""
    return f"onyx-backup-set/1/keyset/{backup_id}/{purpose}".encode()


def object_context(backup_id: str, key: str) -> bytes:
    """The associated data under which an object is sealed; `key` is relative to the set."""
    return f"onyx-backup-set/1/object/{backup_id}/{key}".encode()


def signature_context(backup_id: str, kind: str) -> bytes:
    """The place that a signature begins with. `kind`: "manifest", or the name of a mark."""
    return f"onyx-backup-set/1/signature/{backup_id}/{kind}".encode()
