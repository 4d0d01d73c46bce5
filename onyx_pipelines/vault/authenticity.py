"""The two proofs that a manifest carries.

Its signature says which host wrote it, and everybody with a list of signers can ask it. Its MAC can
be asked by whoever holds a recipient's key; any host that knows the recipients can make one.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Final

import tink
from tink import mac

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.vault.binding import MANIFEST_PURPOSE, signature_context
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.manifest import FORMAT_VERSION, Manifest, canonical_bytes
from onyx_pipelines.vault.signing import Distrust, DistrustReason, Signers, SigningKey
from onyx_pipelines.vault.wrapping import Keyset, unwrap

NO_MAC = "AAAA"


def vouched_for(
    manifest: Manifest, keyset: Keyset, key: SigningKey, *, at: datetime | None = None
) -> Manifest:
    """The same manifest in the present format, with its MAC and then its signature."""
    bare = manifest.model_copy(update={"format_version": FORMAT_VERSION, "signature": None})
    tag = keyset.primitive(mac.Mac).compute_mac(canonical_bytes(bare))
    return signed(bare.model_copy(update={"mac": base64.b64encode(tag).decode()}), key, at=at)


def signed(manifest: Manifest, key: SigningKey, *, at: datetime | None = None) -> Manifest:
    """The same manifest with the signature of everything else in it."""
    place = signature_context(manifest.backup_id, MANIFEST_PURPOSE)
    body = canonical_bytes(manifest, without=["signature"])
    return manifest.model_copy(update={"signature": key.sign(place, body, at=at)})


def distrust_of(manifest: Manifest, backup_id: str, signers: Signers) -> Distrust | None:
    """Why what stands under `backup_id` in a store does not count; None: it does."""
    if manifest.backup_id != backup_id:
        what = f"It is the manifest of another set, {manifest.backup_id}."
        return Distrust(DistrustReason.MISPLACED, what)
    if signers.stack is not None and manifest.stack not in ("", signers.stack):
        here = f"the stack {signers.stack}" if signers.stack else "a stack without a name"
        what = f"It is a set of the stack {manifest.stack}, and this is {here}."
        return Distrust(DistrustReason.OTHER_STACK, what)
    place = signature_context(backup_id, MANIFEST_PURPOSE)
    return signers.distrust(
        manifest.signature, place, canonical_bytes(manifest, without=["signature"])
    )


def require_trust(manifest: Manifest, signers: Signers, *, where: str) -> None:
    """Return if the manifest counts.

    Raises:
        UntrustedError: it does not; says why.
    """
    distrust = distrust_of(manifest, manifest.backup_id, signers)
    if distrust is not None:
        raise untrusted_error(manifest.backup_id, where, distrust)


def untrusted_error(backup_id: str, store: str, distrust: Distrust) -> UntrustedError:
    return UntrustedError(
        f"Backup set {backup_id} in the {store} store is not trusted: {distrust.what}",
        remedy=_REMEDIES[distrust.reason],
    )


class UntrustedError(IntegrityError):
    """A manifest whose signature does not count.

    Cause: nobody signed it, a host that is not in this host's list did, or it was changed
        afterwards.
    Remedy: docs/security.md says whose sets count; `onyx keys signers found` shows who signed
        what.
    """

    code = "untrusted"


_LOOK = "Take another set (`onyx catalog list`), and find out who can write to that store."
_REMEDIES: Final = {
    DistrustReason.UNSIGNED: "If it was written before sets were signed, see `onyx keys sign`."
    f" If not: {_LOOK[0].lower()}{_LOOK[1:]}",
    DistrustReason.UNKNOWN_SIGNER: "If you know that signer by its id, see `onyx keys signers"
    f" found`. If not: {_LOOK[0].lower()}{_LOOK[1:]}",
    DistrustReason.RETIRED_SIGNER: _LOOK,
    DistrustReason.FORGED: _LOOK,
    DistrustReason.MISPLACED: _LOOK,
    DistrustReason.OTHER_STACK: "To restore that stack, say so: set ONYX_STACK to its name, and the"
    " stores without it (docs/stacks.md).",
}


def mac_keyset(manifest: Manifest, key: PrivateKey) -> Keyset:
    """The key of the MAC.

    Raises:
        KeyFileError: the set is not sealed to this key.
        IntegrityError: its keyset does not fit.
    """
    return unwrap(manifest.keyset, backup_id=manifest.backup_id, purpose=MANIFEST_PURPOSE, key=key)


def authenticate(manifest: Manifest, key: PrivateKey) -> None:
    """Return if the manifest is as its writer left it.

    Raises:
        KeyFileError: the set is not sealed to this key.
        IntegrityError: the MAC or its keyset does not fit.
    """
    keyset = mac_keyset(manifest, key)
    try:
        tag = base64.b64decode(manifest.mac, validate=True)
        keyset.primitive(mac.Mac).verify_mac(tag, canonical_bytes(manifest))
    except (tink.TinkError, binascii.Error):
        raise IntegrityError(
            f"The manifest of backup set {manifest.backup_id} was altered: its MAC does not fit.",
            remedy="Take the manifest of the other store, or another backup set.",
        ) from None
