"""Verification: is what a store really holds what the manifest says? Every damaged object is named.

Without a key the sealed bytes and the signature are checked; with one also the MAC, and what
unseals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.core.errors import (
    IntegrityError,
    KeyFileError,
    NotFoundError,
    OnyxError,
    StoreError,
)
from onyx_pipelines.core.progress import Meter, ProgressCallback, silent
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.authenticity import authenticate, distrust_of
from onyx_pipelines.vault.binding import component_purpose, object_context
from onyx_pipelines.vault.keys import PrivateKey
from onyx_pipelines.vault.layout import (
    MANIFEST_NAME,
    MARKS_FOLDER,
    component_record_key,
    manifest_key,
    object_key,
    set_prefix,
)
from onyx_pipelines.vault.manifest import (
    Manifest,
    NewerFormatError,
    ObjectRecord,
    component_checksum,
)
from onyx_pipelines.vault.reading import load_manifest, sealing_keyset
from onyx_pipelines.vault.signing import Distrust, DistrustReason, Signers
from onyx_pipelines.vault.stores.store import ObjectReader, Store
from onyx_pipelines.vault.unsealing import Unsealer
from onyx_pipelines.vault.wrapping import unwrap

# Its bytes are not those that were signed: that is damage. Else nobody known has signed it.
_DAMAGE = frozenset({DistrustReason.FORGED, DistrustReason.MISPLACED})
_READ_BYTES = 1024 * 1024
NOBODY = Signers()


@dataclass(frozen=True)
class ObjectVerdict:
    """`key` is relative to the set; `problem` is None where the object is good."""

    key: str
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """In full length, with the checksums that the manifest lists."""
        return self.problem is None


class VerificationVerdict(StrEnum):
    """On a set in a store, in words for people and the audit trail."""

    INTACT = "intact"
    DAMAGED = "damaged"
    NOT_AUTHENTICATED = "not authenticated"


@dataclass(frozen=True)
class Verification:
    """The verdicts on one set in one store.

    Args:
        distrust: why the manifest is not proved to be what a known host wrote; None: it is.
            Without that the objects fit a manifest that anybody may have written.
        deep: every object was unsealed too.
    """

    backup_id: str
    store: str
    objects: tuple[ObjectVerdict, ...]
    distrust: str | None
    deep: bool

    @property
    def authenticated(self) -> bool:
        """The manifest is proved to be what a known host wrote."""
        return self.distrust is None

    @property
    def intact(self) -> bool:
        """Every object is as the manifest says, whoever wrote that."""
        return all(verdict.ok for verdict in self.objects)

    @property
    def ok(self) -> bool:
        """Intact, and the manifest is authentic."""
        return self.intact and self.authenticated

    @property
    def verdict(self) -> VerificationVerdict:
        """Damage first: a damaged set is that, whoever wrote it."""
        if not self.intact:
            return VerificationVerdict.DAMAGED
        if not self.authenticated:
            return VerificationVerdict.NOT_AUTHENTICATED
        return VerificationVerdict.INTACT

    @property
    def reservation(self) -> str:
        """What there is to say of a set that is intact and not authenticated; else nothing."""
        if self.verdict is not VerificationVerdict.NOT_AUTHENTICATED:
            return ""
        return (
            f"Not authenticated, whoever can write to the store may have made it: {self.distrust}"
        )

    @property
    def problems(self) -> tuple[ObjectVerdict, ...]:
        """The objects that are not as the manifest says."""
        return tuple(verdict for verdict in self.objects if not verdict.ok)


def verify(
    store: Store,
    backup_id: str,
    private_key: PrivateKey | None = None,
    *,
    signers: Signers = NOBODY,
    deep: bool = False,
    progress: ProgressCallback = silent,
) -> Verification:
    """Read a set from a store and compare it with its manifest, byte by byte.

    Any missing, short, long, flipped, exchanged or older object is found and named, and so is an
    object that the manifest does not list. An edited manifest is found with certainty only if its
    signer is known: whoever can write to the store can make an object and a manifest that fit.

    Args:
        private_key: of a recipient; with it the manifest's MAC is checked too.
        signers: whose signatures authenticate it.
        deep: unseal each object too and compare its plain bytes (needs the key).

    Raises:
        NotFoundError: there is no such set in this store.
        NewerFormatError: the set is in a later format; nothing was verified.
        StoreError: the store failed in a way that may pass; nothing is said about the set.
    """
    if deep and private_key is None:
        raise ValueError("a deep verification needs the private key")
    stored = {item.key: item.size_bytes for item in store.list(set_prefix(backup_id))}
    try:
        manifest = load_manifest(store, backup_id)
    except NewerFormatError:
        raise
    except IntegrityError as error:
        verdict = ObjectVerdict(MANIFEST_NAME, error.what)
        return Verification(backup_id, store.name, (verdict,), distrust=error.what, deep=False)
    distrust = distrust_of(manifest, backup_id, signers)
    verdicts = [_verdict_on_manifest(manifest, private_key, distrust)]
    opening_key = private_key if deep and verdicts[0].ok else None
    for record in manifest.objects:
        problem = _problem_of_object(store, manifest, record, stored, opening_key, progress)
        verdicts.append(ObjectVerdict(record.key, problem))
    verdicts.extend(_unlisted(manifest, stored))
    return Verification(
        backup_id,
        store.name,
        tuple(verdicts),
        distrust=verdicts[0].problem or (distrust.what if distrust else None),
        deep=opening_key is not None,
    )


def _verdict_on_manifest(
    manifest: Manifest, key: PrivateKey | None, distrust: Distrust | None
) -> ObjectVerdict:
    if distrust is not None and distrust.reason in _DAMAGE:
        return ObjectVerdict(MANIFEST_NAME, distrust.what)
    for name, component in manifest.components.items():
        if component.checksum != component_checksum(component.objects):
            return ObjectVerdict(MANIFEST_NAME, f"The checksum of {name} does not fit its objects.")
    if key is None:
        return ObjectVerdict(MANIFEST_NAME)
    try:
        authenticate(manifest, key)
        for component in manifest.components.values():
            purpose = component_purpose(component.component)
            unwrap(component.keyset, backup_id=manifest.backup_id, purpose=purpose, key=key)
    except (IntegrityError, KeyFileError) as error:
        return ObjectVerdict(MANIFEST_NAME, error.what)
    return ObjectVerdict(MANIFEST_NAME)


def _problem_of_object(
    store: Store,
    manifest: Manifest,
    record: ObjectRecord,
    stored: Mapping[str, int],
    key: PrivateKey | None,
    progress: ProgressCallback,
) -> str | None:
    store_key = object_key(manifest.backup_id, record.key)
    if problem := record.size_problem(stored.get(store_key)):
        return problem
    meter = Meter(
        progress,
        component=record.component.value,
        item=record.key,
        total_bytes=record.sealed_bytes,
    )
    try:
        with store.open(store_key) as source:
            hashing = _HashingReader(source, meter)
            unsealing_problem = _drain(hashing, manifest, record, key)
    except NotFoundError:
        return "is missing"
    except StoreError as error:
        if error.transient:
            raise
        return f"cannot be read: {error.what}"
    meter.finish()
    if problem := record.size_problem(hashing.count):
        return problem
    sha256 = hashing.digest.hexdigest()
    if sha256 != record.sealed_sha256:
        other = next((o.key for o in manifest.objects if o.sealed_sha256 == sha256), None)
        if other:
            return f"holds the bytes of {other}"
        return f"has SHA-256 {sha256} instead of {record.sealed_sha256}"
    return unsealing_problem


def _drain(
    source: _HashingReader, manifest: Manifest, record: ObjectRecord, key: PrivateKey | None
) -> str | None:
    """Read the source to its end; with a key, say what keeps it from unsealing."""
    problem = None
    if key is not None:
        try:
            keyset = sealing_keyset(manifest, record, key)
            context = object_context(manifest.backup_id, record.key)
            unsealer = Unsealer(source, keyset, context, record)
            while unsealer.read(_READ_BYTES):
                pass
        except StoreError:
            raise
        except OnyxError as error:
            problem = error.what
    while source.read(_READ_BYTES):
        pass
    return problem


def _unlisted(manifest: Manifest, stored: Mapping[str, int]) -> Iterator[ObjectVerdict]:
    prefix = set_prefix(manifest.backup_id)
    # A crash between the manifest and the end may leave a component's record: harmless.
    expected = {
        manifest_key(manifest.backup_id),
        *(object_key(manifest.backup_id, record.key) for record in manifest.objects),
        *(component_record_key(manifest.backup_id, component.value) for component in Component),
    }
    for store_key in stored:
        key = store_key.removeprefix(prefix)
        if store_key not in expected and not key.startswith(MARKS_FOLDER):
            yield ObjectVerdict(key, "is not in the manifest")


class _HashingReader:
    """Hashes and counts the sealed bytes that pass."""

    def __init__(self, source: ObjectReader, meter: Meter) -> None:
        self._source = source
        self._meter = meter
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        self.count += len(data)
        self._meter.add(len(data))
        return data
