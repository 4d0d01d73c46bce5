"""Signing keys: proof of which host wrote something into a store, without any private key of
recipients. A signature covers all that a record says, where it stands, and when it was signed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import tink
from pydantic import Field
from tink import json_proto_keyset_format, signature

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.core.text import moment_text
from onyx_pipelines.vault.key_files import KeyFile, KeyFileKind, public_half, serialized
from onyx_pipelines.vault.public_keys import KeyKind, PublicKey, canonical_keyset, key_id
from onyx_pipelines.vault.records import Base64, KeyId, Record, UtcDatetime, canonical_json

signature.register()


class Signature(Record):
    """Stands in the signed record itself. What it says of its signer proves nothing: whose
    signatures count is in signers.json; `public_keyset` is there to be compared with it."""

    signer_id: KeyId
    signer_name: Annotated[str, Field(max_length=200)]
    signed_at: UtcDatetime
    public_keyset: Annotated[str, Field(max_length=4096)]
    value: Base64

    def message(self, place: bytes, body: bytes) -> bytes:
        """What is signed: the place, the signature's own members but `value`, and the body."""
        header = self.model_dump(mode="json", exclude={"value"})
        return place + b"\n" + canonical_json(header) + b"\n" + body

    def holds_for(self, signer_keyset: str, place: bytes, body: bytes) -> bool:
        try:
            value = base64.b64decode(self.value, validate=True)
            _verifier(signer_keyset).verify(value, self.message(place, body))
        except (tink.TinkError, binascii.Error):
            return False
        return True

    def offered_signer(self) -> Signer | None:
        """Who says to have signed, if the key that stands here has the id that stands here."""
        text = canonical_keyset(self.public_keyset, signature.PublicKeyVerify)
        if text is None or key_id(text) != self.signer_id:
            return None
        return Signer(name=self.signer_name, id=self.signer_id, public_keyset=text)


class Signer(PublicKey):
    """Whose signatures count: all of them, or those signed before it was retired."""

    retired_at: UtcDatetime | None = None


SIGNERS: KeyKind[Signer] = KeyKind(
    model=Signer,
    primitive=signature.PublicKeyVerify,
    noun="signer",
    variable="ONYX_SIGNERS_FILE",
    without_any="no backup set would count",
)


class DistrustReason(StrEnum):
    """Why something in a store does not count."""

    UNSIGNED = "unsigned"
    UNKNOWN_SIGNER = "unknown_signer"
    RETIRED_SIGNER = "retired_signer"
    FORGED = "signature_does_not_hold"
    MISPLACED = "stands_under_another_id"
    OTHER_STACK = "of_another_stack"


@dataclass(frozen=True)
class Distrust:
    """Why a signature does not count: the kind of reason, and a sentence for people."""

    reason: DistrustReason
    what: str


@dataclass(frozen=True)
class Signers:
    """Those whose signatures count, and of which stack sets do; None: of any."""

    listed: tuple[Signer, ...] = ()
    stack: str | None = None

    @classmethod
    def of(cls, signers: Iterable[Signer]) -> Signers:
        """In this order; of two with one id the first counts."""
        return cls(tuple(signers))

    def distrust(self, signed: Signature | None, place: bytes, body: bytes) -> Distrust | None:
        """What keeps the signature from counting; None: it holds, by a signer that counts."""
        if signed is None:
            return Distrust(DistrustReason.UNSIGNED, "It is not signed.")
        signer = next((each for each in self.listed if each.id == signed.signer_id), None)
        if signer is None:
            named = f"{signed.signer_name!r} ({signed.signer_id})"
            what = f"Its signer {named} is not among the signers."
            return Distrust(DistrustReason.UNKNOWN_SIGNER, what)
        if not signed.holds_for(signer.public_keyset, place, body):
            what = f"It was not signed by {signer} as it stands there."
            return Distrust(DistrustReason.FORGED, what)
        if signer.retired_at is not None and signed.signed_at >= signer.retired_at:
            what = f"It was signed at {moment_text(signed.signed_at)}, {signer} being retired."
            return Distrust(DistrustReason.RETIRED_SIGNER, what)
        return None


class SigningKeyFile(KeyFile):
    format: Literal["onyx-signing-key"] = "onyx-signing-key"
    format_version: Literal[1] = 1
    signer_id: str


_FILE = KeyFileKind(SigningKeyFile, "signing key", "ONYX_SIGNING_KEY_FILE")


@dataclass(frozen=True)
class SigningKey:
    """What makes `signer`'s signatures. Its `repr` holds no secret."""

    signer: Signer
    _handle: Any = field(repr=False, compare=False)

    def sign(self, place: bytes, body: bytes, *, at: datetime | None = None) -> Signature:
        """Bind `body` to the place where it will stand; `at` is now unless said otherwise (UTC)."""
        unsigned = Signature(
            signer_id=self.signer.id,
            signer_name=self.signer.name[:200],
            signed_at=at or datetime.now(UTC),
            public_keyset=self.signer.public_keyset,
            value="AAAA",
        )
        value = self._handle.primitive(signature.PublicKeySign).sign(unsigned.message(place, body))
        return unsigned.model_copy(update={"value": base64.b64encode(value).decode()})


def create_signing_key(path: Path, name: str) -> Signer:
    """Make a key pair; the secret half goes to a new file (mode 0600), the public one is returned.

    Raises:
        KeyFileError: the file exists (it is never overwritten) or cannot be written.
    """
    handle = tink.new_keyset_handle(signature.signature_key_templates.ED25519)
    signer = SIGNERS.make(name, public_half(handle))
    _FILE.create(
        path, SigningKeyFile(name=name, signer_id=signer.id, private_keyset=serialized(handle))
    )
    return signer


def load_signing_key(path: Path) -> SigningKey:
    """The signing key in a file.

    Raises:
        KeyFileError: it is missing, unreadable for us, readable for group or others, or no key.
    """
    content = _FILE.read(path)
    handle = content.handle(signature.PublicKeySign)
    if handle is None:
        raise _FILE.damaged(path)
    signer = SIGNERS.make(content.name, public_half(handle))
    if signer.id != content.signer_id:
        raise _FILE.damaged(path)
    return SigningKey(signer, handle)


def check_signing_key(key: SigningKey, signers: Signers) -> Signer:
    """The signer that is this key's, after a test message went through both halves.

    Raises:
        KeyFileError: what it signs now would not count, or the halves do not fit.
    """
    place, body = b"check", b"message"
    distrust = signers.distrust(key.sign(place, body), place, body)
    if distrust is not None:
        raise KeyFileError(
            f"What the signing key {key.signer} signs does not count: {distrust.what}",
            remedy="Add it with `onyx keys signers add`, or make one with `onyx keys create`.",
        )
    return key.signer


@lru_cache(maxsize=256)
def _verifier(public_keyset: str) -> Any:
    handle = json_proto_keyset_format.parse_without_secret(public_keyset)
    return handle.primitive(signature.PublicKeyVerify)
