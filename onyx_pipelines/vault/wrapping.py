"""Data keysets: made new for each component and manifest, wrapped to recipients, unwrapped again.

A keyset travels as Tink's binary keyset, encrypted by HPKE to each recipient on its own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NewType

import tink
from tink import mac, proto_keyset_format, secret_key_access, streaming_aead

from onyx_pipelines.core.errors import IntegrityError, KeyFileError
from onyx_pipelines.vault.binding import keyset_context
from onyx_pipelines.vault.keys import PrivateKey, Recipient
from onyx_pipelines.vault.manifest import WrappedCopy, WrappedKeyset

streaming_aead.register()
mac.register()

# A Tink keyset handle; its repr holds no key material.
Keyset = NewType("Keyset", Any)  # type: ignore[valid-newtype]  # Tink has no type stubs


def new_sealing_keyset() -> Keyset:
    """A fresh AES256_GCM_HKDF_1MB streaming keyset."""
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    return Keyset(tink.new_keyset_handle(template))


def new_mac_keyset() -> Keyset:
    """A fresh HMAC_SHA256_256BITTAG keyset."""
    return Keyset(tink.new_keyset_handle(mac.mac_key_templates.HMAC_SHA256_256BITTAG))


def wrap(
    keyset: Keyset, *, backup_id: str, purpose: str, recipients: Sequence[Recipient]
) -> WrappedKeyset:
    """One encrypted copy for each recipient.

    Raises:
        KeyFileError: there is no recipient.
    """
    if not recipients:
        raise KeyFileError(
            "There is no recipient: nobody could open this backup.",
            remedy="Add one with `onyx keys create` or `onyx keys recipients add`.",
        )
    plain = proto_keyset_format.serialize(keyset, secret_key_access.TOKEN)
    context = keyset_context(backup_id, purpose)
    return WrappedKeyset(
        purpose=purpose,
        copies=tuple(
            WrappedCopy(
                recipient_id=recipient.id,
                recipient_name=recipient.name,
                ciphertext=base64.b64encode(recipient.encrypt(plain, context)).decode(),
            )
            for recipient in recipients
        ),
    )


def unwrap(wrapped: WrappedKeyset, *, backup_id: str, purpose: str, key: PrivateKey) -> Keyset:
    """The keyset, opened with a recipient's private key.

    Raises:
        KeyFileError: it was not wrapped for this key; names those whose key would open it.
        IntegrityError: the copy for this key was altered or belongs to another set or purpose.
    """
    copy = next((c for c in wrapped.copies if c.recipient_id == key.id), None)
    if copy is None:
        names = ", ".join(f"{c.recipient_name} ({c.recipient_id})" for c in wrapped.copies)
        raise KeyFileError(
            f"Backup set {backup_id} is not sealed to the key {key.name!r} ({key.id}), but to:"
            f" {names}.",
            remedy="Use the private key of one of those (ONYX_PRIVATE_KEY_FILE), or have one of"
            " them run `onyx keys rewrap`.",
        )
    try:
        sealed = base64.b64decode(copy.ciphertext, validate=True)
    except binascii.Error:
        sealed = b""
    plain = key.decrypt(sealed, keyset_context(backup_id, purpose))
    try:
        keyset = plain and proto_keyset_format.parse(plain, secret_key_access.TOKEN)
    except tink.TinkError:
        keyset = None
    if not keyset:
        raise IntegrityError(
            f"The {purpose} keyset of backup set {backup_id} does not open: its manifest was"
            " altered.",
            remedy="Take the manifest of the other store, or another backup set.",
        )
    return Keyset(keyset)
