"""The manifest's MAC: whoever holds a recipient's key refuses a manifest that was edited.

It does not say who wrote the set: any host that knows the recipients' public keys can write one.
"""

from __future__ import annotations

import base64
import binascii

import tink
from tink import mac

from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.vault.binding import MANIFEST_PURPOSE
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.manifest import Manifest, canonical_bytes
from onyx_pipelines.vault.wrapping import Keyset, unwrap

UNSIGNED = "AAAA"


def with_mac(manifest: Manifest, keyset: Keyset) -> Manifest:
    """The same manifest with the MAC of everything else in it."""
    tag = keyset.primitive(mac.Mac).compute_mac(canonical_bytes(manifest))
    return manifest.model_copy(update={"mac": base64.b64encode(tag).decode()})


def authenticate(manifest: Manifest, key: PrivateKey) -> None:
    """Return if the manifest is as its writer left it.

    Raises:
        KeyFileError: the set is not sealed to this key.
        IntegrityError: the MAC or its keyset does not fit.
    """
    keyset = unwrap(
        manifest.keyset, backup_id=manifest.backup_id, purpose=MANIFEST_PURPOSE, key=key
    )
    try:
        tag = base64.b64decode(manifest.mac, validate=True)
        keyset.primitive(mac.Mac).verify_mac(tag, canonical_bytes(manifest))
    except (tink.TinkError, binascii.Error):
        raise IntegrityError(
            f"The manifest of backup set {manifest.backup_id} was altered: its MAC does not fit.",
            remedy="Take the manifest of the other store, or another backup set.",
        ) from None
