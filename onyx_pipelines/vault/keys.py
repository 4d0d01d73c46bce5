"""Keys: a recipient's public half, which seals, and the private half, which opens.

A host that only writes backups needs no private key. A lost private key loses what was sealed to
it alone, hence the escrow copy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tink
from tink import hybrid, json_proto_keyset_format

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.vault.key_files import KeyFile, KeyFileKind, public_half, serialized
from onyx_pipelines.vault.public_keys import KeyKind, PublicKey
from onyx_pipelines.vault.signing import Signer

KEY_TEMPLATE = "DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM"

hybrid.register()


class Recipient(PublicKey):
    """Whoever sets are sealed to."""

    def encrypt(self, plain: bytes, context: bytes) -> bytes:
        """HPKE; opens only with this recipient's private key and the same context."""
        handle = json_proto_keyset_format.parse_without_secret(self.public_keyset)
        sealed: bytes = handle.primitive(hybrid.HybridEncrypt).encrypt(plain, context)
        return sealed


RECIPIENTS: KeyKind[Recipient] = KeyKind(
    model=Recipient,
    primitive=hybrid.HybridEncrypt,
    noun="recipient",
    variable="ONYX_RECIPIENTS_FILE",
    without_any="nobody could open a backup sealed to nobody",
)


@dataclass(frozen=True)
class PrivateKey:
    """What opens the sets that were sealed to `recipient`. Its `repr` holds no secret.

    `signers` are those that an escrow copy carries: whose sets counted when it was made.
    """

    recipient: Recipient
    _handle: Any = field(repr=False, compare=False)
    signers: tuple[Signer, ...] = ()

    @property
    def id(self) -> str:
        return self.recipient.id

    @property
    def name(self) -> str:
        return self.recipient.name

    def decrypt(self, sealed: bytes, context: bytes) -> bytes | None:
        """The plain bytes, or None where they were not encrypted for this key and context."""
        try:
            plain: bytes = self._handle.primitive(hybrid.HybridDecrypt).decrypt(sealed, context)
        except tink.TinkError:
            return None
        return plain


class PrivateKeyFile(KeyFile):
    """`signers` only in an escrow copy."""

    format: Literal["onyx-private-key"] = "onyx-private-key"
    format_version: Literal[1] = 1
    recipient_id: str
    signers: tuple[Signer, ...] | None = None


_FILE = KeyFileKind(PrivateKeyFile, "private key", "ONYX_PRIVATE_KEY_FILE")


def create_private_key(path: Path, name: str) -> Recipient:
    """Make a key pair; the private half goes to a new file (mode 0600), the public one is returned.

    Raises:
        KeyFileError: the file exists (it is never overwritten) or cannot be written.
    """
    handle = tink.new_keyset_handle(getattr(hybrid.hybrid_key_templates, KEY_TEMPLATE))
    recipient = RECIPIENTS.make(name, public_half(handle))
    keyset = serialized(handle)
    _FILE.create(path, PrivateKeyFile(name=name, recipient_id=recipient.id, private_keyset=keyset))
    return recipient


def load_private_key(path: Path) -> PrivateKey:
    """The private key in a file.

    Raises:
        KeyFileError: it is missing, unreadable for us, readable for group or others, or no key.
    """
    return _key_from(path, _FILE.read(path))


def copy_to_escrow(path: Path, destination: Path, signers: Sequence[Signer]) -> Recipient:
    """Copy a private key to a new file (mode 0600), with those whose signatures count, and read the
    copy back.

    Raises:
        KeyFileError: the key is not good, the destination exists or cannot be written, or the copy
            does not read back the same.
    """
    content = _FILE.read(path)
    key = _key_from(path, content)
    copy = content.model_copy(update={"signers": tuple(signers) or None})
    _FILE.create(destination, copy)
    if _FILE.read(destination) != copy or load_private_key(destination).id != key.id:
        raise KeyFileError(
            f"The escrow copy {destination} does not read back as it was written.",
            remedy="Discard it and copy to another medium.",
        )
    return key.recipient


def check_private_key(key: PrivateKey, recipients: tuple[Recipient, ...]) -> Recipient:
    """The recipient that is this key's, after a test message went through both halves.

    Raises:
        KeyFileError: new sets would not be sealed to this key, or the halves do not fit.
    """
    mine = next((recipient for recipient in recipients if recipient.id == key.id), None)
    if mine is None:
        names = ", ".join(map(str, recipients))
        raise KeyFileError(
            f"The private key {key.name!r} ({key.id}) is not of the recipients: {names or 'none'}.",
            remedy="Add it with `onyx keys recipients add`, or name the right private key.",
        )
    message = os.urandom(64)
    if key.decrypt(mine.encrypt(message, b"check"), b"check") != message:
        raise KeyFileError(
            f"The private key {key.name!r} ({key.id}) does not open what is sealed to it.",
            remedy="Restore the private key file from its escrow copy.",
        )
    return mine


def _key_from(path: Path, content: PrivateKeyFile) -> PrivateKey:
    handle = content.handle(hybrid.HybridDecrypt)
    if handle is None:
        raise _FILE.damaged(path)
    recipient = RECIPIENTS.make(content.name, public_half(handle))
    if recipient.id != content.recipient_id:
        raise _FILE.damaged(path)
    return PrivateKey(recipient, handle, content.signers or ())
