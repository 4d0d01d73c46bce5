"""Keys: a recipient's public half, which seals, and the private half, which opens.

A host that only writes backups needs no private key. A lost private key loses what was sealed to
it alone, hence the escrow copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tink
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from tink import hybrid, json_proto_keyset_format, secret_key_access

from onyx_pipelines.errors import KeyFileError
from onyx_pipelines.vault.durable_files import create_durably
from onyx_pipelines.vault.manifest import canonical_json

KEY_TEMPLATE = "DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM"
_KEY_FILE_LIMIT_BYTES = 64 * 1024

hybrid.register()


@dataclass(frozen=True)
class Recipient:
    """Whoever sets are sealed to.

    `public_keyset` is a Tink keyset as canonical JSON text, `id` the first 16 hex digits of the
    SHA-256 of that text.
    """

    name: str
    id: str
    public_keyset: str = field(repr=False)

    def encrypt(self, plain: bytes, context: bytes) -> bytes:
        """HPKE; opens only with this recipient's private key and the same context."""
        handle = json_proto_keyset_format.parse_without_secret(self.public_keyset)
        sealed: bytes = handle.primitive(hybrid.HybridEncrypt).encrypt(plain, context)
        return sealed


@dataclass(frozen=True)
class PrivateKey:
    """What opens the sets that were sealed to `recipient`. Its `repr` holds no secret."""

    recipient: Recipient
    _handle: Any = field(repr=False, compare=False)

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


class _KeyFile(BaseModel):
    """The content of a private key file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    format: Literal["onyx-private-key"] = "onyx-private-key"
    format_version: Literal[1] = 1
    name: str = Field(min_length=1)
    recipient_id: str
    private_keyset: SecretStr


def make_recipient(name: str, public_keyset: str) -> Recipient:
    """A recipient from a public Tink keyset in JSON, in whatever layout.

    Raises:
        KeyFileError: it is no public keyset for hybrid encryption, or the name is empty.
    """
    if not name.strip() or not name.isprintable():
        raise KeyFileError(
            "A recipient's name must be printable and not empty.",
            remedy="Give a name that people recognise, such as the host's.",
        )
    try:
        handle = json_proto_keyset_format.parse_without_secret(public_keyset)
        handle.primitive(hybrid.HybridEncrypt)
        text = canonical_json(
            json.loads(json_proto_keyset_format.serialize_without_secret(handle))
        ).decode()
    except (tink.TinkError, ValueError):
        text = ""
    if not text:
        raise KeyFileError(
            f"The public key of recipient {name!r} is not a public Tink keyset of HPKE keys.",
            remedy="Take it again from that recipient's `onyx keys recipients`.",
        )
    return Recipient(name, hashlib.sha256(text.encode()).hexdigest()[:16], text)


def create_private_key(path: Path, name: str) -> Recipient:
    """Make a key pair; the private half goes to a new file (mode 0600), the public one is returned.

    Raises:
        KeyFileError: the file exists (it is never overwritten) or cannot be written.
    """
    handle = tink.new_keyset_handle(getattr(hybrid.hybrid_key_templates, KEY_TEMPLATE))
    recipient = make_recipient(
        name, json_proto_keyset_format.serialize_without_secret(handle.public_keyset_handle())
    )
    content = {
        "format": "onyx-private-key",
        "format_version": 1,
        "name": name,
        "recipient_id": recipient.id,
        "private_keyset": json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN),
    }
    _create(path, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
    return recipient


def load_private_key(path: Path) -> PrivateKey:
    """The private key in a file.

    Raises:
        KeyFileError: it is missing, unreadable for us, readable for group or others, or no key.
    """
    content = _parse_key_file(_read_secret(path))
    key = _key_from(content) if content else None
    # Raised here and not where parsing fails, so that no chained error carries the file's text.
    if content is None or key is None or key.id != content.recipient_id:
        raise KeyFileError(
            f"{path} is not a private key of this program, or it is damaged.",
            remedy="Restore it from its escrow copy, or name the right file in"
            " ONYX_PRIVATE_KEY_FILE.",
        )
    return key


def copy_to_escrow(path: Path, destination: Path) -> Recipient:
    """Copy a private key file to a new file (mode 0600) and read the copy back.

    Raises:
        KeyFileError: the key is not good, the destination exists or cannot be written, or the copy
            does not read back the same.
    """
    key = load_private_key(path)
    data = _read_secret(path)
    _create(destination, data)
    if _read_secret(destination) != data or load_private_key(destination).id != key.id:
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
        names = ", ".join(f"{recipient.name} ({recipient.id})" for recipient in recipients)
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


def _create(path: Path, data: bytes) -> None:
    try:
        create_durably(path, data, mode=0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists; a key file is never overwritten.",
            remedy="Choose another path, or move that file away if no set is sealed to it.",
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be written ({error.strerror}).",
            remedy="Choose a directory that this user can write to.",
        ) from None


def _read_secret(path: Path) -> bytes:
    try:
        # Non-blocking, so that a named pipe does not hang us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyFileError(
            f"The private key file {path} does not exist.",
            remedy="Create one with `onyx keys create`, restore it from its escrow copy, or set"
            " ONYX_PRIVATE_KEY_FILE.",
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"The private key file {path} cannot be read ({error.strerror}).",
            remedy="Run as the user that owns it.",
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(
                f"The private key file {path} is not a regular file.",
                remedy="Name the key file itself in ONYX_PRIVATE_KEY_FILE.",
            )
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(
                f"The private key file {path} is open to group or others"
                f" (mode {stat.S_IMODE(status.st_mode):04o}).",
                remedy=f"Run `chmod 600 {path}` (Docker secret: mode 0400).",
            )
        return os.read(descriptor, _KEY_FILE_LIMIT_BYTES)
    finally:
        os.close(descriptor)


def _parse_key_file(data: bytes) -> _KeyFile | None:
    try:
        return _KeyFile.model_validate_json(data)
    except ValidationError:
        return None


def _key_from(content: _KeyFile) -> PrivateKey | None:
    try:
        handle = json_proto_keyset_format.parse(
            content.private_keyset.get_secret_value(), secret_key_access.TOKEN
        )
        handle.primitive(hybrid.HybridDecrypt)
        public = json_proto_keyset_format.serialize_without_secret(handle.public_keyset_handle())
        return PrivateKey(make_recipient(content.name, public), handle)
    except (tink.TinkError, KeyFileError):
        return None
