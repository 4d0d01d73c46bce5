"""What a backup set says about itself: the models, their exact bytes, and how they are read back.

The manifest can be read without any key. Its signature says which host wrote it, its MAC that it
is what was sealed (see `vault.authenticity`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from onyx_pipelines.core.errors import IntegrityError, StoreError
from onyx_pipelines.sources.source import Component, ComponentStatus
from onyx_pipelines.vault.layout import BACKUP_ID_PATTERN, is_object_key
from onyx_pipelines.vault.records import Base64, KeyId, Record, UtcDatetime, canonical_json
from onyx_pipelines.vault.signing import Signature

FORMAT: Final = "onyx-backup-set"
FORMAT_VERSION: Final = 2
# Of a manifest, and of a component's record: what is larger is not even parsed, since anybody may
# have put it there, and JSON in memory is many times as long. It holds some 15,000 objects.
RECORD_LIMIT_BYTES: Final = 8 << 20
_MISSING: Final = "missing."
_PARTIAL: Final = "partial"
# Of what a stranger may have written.
_SHOWN: Final = 200


class BackupType(StrEnum):
    """What the trigger asked the set to be retained as."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class NewerFormatError(IntegrityError):
    """The set was written by a newer version than this one; nothing is wrong with it.

    Cause: an upgrade on the host that wrote it.
    Remedy: upgrade this host too (docs/upgrading.md).
    """

    code = "newer-format"
    exit_code: ClassVar[int] = 2


def _object_key(key: str) -> str:
    if not is_object_key(key):
        raise ValueError(f"{key!r} is not a key that an object of a set may have")
    return key


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
BackupId = Annotated[str, Field(pattern=BACKUP_ID_PATTERN)]
Count = Annotated[int, Field(ge=0)]


class WrappedCopy(Record):
    """A keyset encrypted to one recipient (Tink HPKE), base64."""

    recipient_id: KeyId
    recipient_name: str
    ciphertext: Base64


class WrappedKeyset(Record):
    """A keyset encrypted to each recipient. `purpose`: "component/<component>" or "manifest"."""

    purpose: str
    copies: Annotated[tuple[WrappedCopy, ...], Field(min_length=1)]


class ObjectRecord(Record):
    """One sealed object. `key` is relative to `sets/<backup_id>/`; `name` is for people."""

    key: Annotated[str, AfterValidator(_object_key)]
    name: str
    component: Component
    media_type: str
    compression: Literal["zstd"] = "zstd"
    compression_level: int
    plain_bytes: Count
    plain_sha256: Sha256
    sealed_bytes: Count
    sealed_sha256: Sha256

    def size_problem(self, stored_bytes: int | None) -> str | None:
        """What is wrong with a stored object of this size; None there: it is not stored."""
        if stored_bytes is None:
            return "is missing"
        difference = stored_bytes - self.sealed_bytes
        if difference == 0:
            return None
        kind = "longer" if difference > 0 else "shorter"
        return f"is {abs(difference)} bytes {kind} than its {self.sealed_bytes} bytes"


class ComponentRecord(Record):
    """One finished component; `checksum` is `component_checksum` of its objects."""

    component: Component
    status: ComponentStatus
    started_at: UtcDatetime
    completed_at: UtcDatetime
    duration_s: Annotated[float, Field(ge=0)]
    size_gb: Annotated[float, Field(ge=0)]
    checksum: Sha256
    summary: dict[str, int | float | str]
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()
    keyset: WrappedKeyset
    objects: tuple[ObjectRecord, ...]

    @property
    def missing(self) -> dict[str, str]:
        """What could not be backed up though it was there, and why."""
        return {
            key.removeprefix(_MISSING): str(why)
            for key, why in self.summary.items()
            if key.startswith(_MISSING)
        }

    @property
    def shown_status(self) -> str:
        """As everybody is told: what completed with warnings is completed, and has them."""
        return _PARTIAL if self.missing else ComponentStatus.COMPLETED.value

    @property
    def sealed_bytes(self) -> int:
        """Of all its objects: what they occupy in one store."""
        return sum(record.sealed_bytes for record in self.objects)

    @property
    def plain_bytes(self) -> int:
        """Of all its objects, uncompressed: what a restore writes."""
        return sum(record.plain_bytes for record in self.objects)

    @model_validator(mode="after")
    def _objects_are_of_this_component(self) -> Self:
        if any(record.component is not self.component for record in self.objects):
            raise ValueError("an object belongs to another component")
        return self


class DoubtKind(StrEnum):
    """In which way a set is less than those before it."""

    SIZE = "size"
    SOURCES = "sources"


class Doubt(Record):
    """Why a set may be no good though every step of it succeeded, found when it was made."""

    kind: DoubtKind
    what: str


class Manifest(Record):
    """A whole backup set. `timestamp` is when the backup began: the point that it recovers to.

    `missing_components` are those that the host has and the backup was asked to leave out.
    `doubts` and `stack` stand in the file only where there are any; format version 1 knew no
    signatures.
    """

    format: Literal["onyx-backup-set"] = FORMAT
    format_version: Literal[1, 2] = FORMAT_VERSION
    backup_id: BackupId
    timestamp: UtcDatetime
    completed_at: UtcDatetime
    backup_type: BackupType
    status: ComponentStatus
    retention_days: Count
    host: str
    stack: str = ""
    software: str
    components: Annotated[dict[str, ComponentRecord], Field(min_length=1)]
    missing_components: tuple[Component, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    keyset: WrappedKeyset
    mac: Base64
    signature: Signature | None = None

    @property
    def shown_status(self) -> str:
        """As a component's; `partial` where something of one is missing."""
        is_partial = any(component.missing for component in self.components.values())
        return _PARTIAL if is_partial else ComponentStatus.COMPLETED.value

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that should be known of a set that was completed."""
        of_sources = (each for record in self.components.values() for each in record.warnings)
        return (*(doubt.what for doubt in self.doubts), *of_sources)

    @property
    def objects(self) -> Iterator[ObjectRecord]:
        """Of every component; the manifest itself is none."""
        for component in self.components.values():
            yield from component.objects

    @property
    def sealed_bytes(self) -> int:
        """What the set occupies in one store, but for the manifest and marks."""
        return sum(component.sealed_bytes for component in self.components.values())

    @property
    def plain_bytes(self) -> int:
        """Of all objects, uncompressed: what a restore writes."""
        return sum(component.plain_bytes for component in self.components.values())

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_there(
        self, handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        for name in ("doubts", "stack"):
            if not values.get(name):
                values.pop(name, None)
        if self.format_version == 1:
            values.pop("signature", None)
        return values

    def component(self, component: Component) -> ComponentRecord | None:
        """None: the set was made without it."""
        return self.components.get(manifest_component_name(component))

    @model_validator(mode="after")
    def _components_and_keys_are_consistent(self) -> Self:
        for name, component in self.components.items():
            if name != manifest_component_name(component.component):
                raise ValueError(f"component {component.component.value} stands under {name!r}")
        keys = [record.key for record in self.objects]
        if len(set(keys)) != len(keys):
            raise ValueError("an object's key occurs twice")
        return self


def manifest_component_name(component: Component) -> str:
    """The key of a component in `Manifest.components`: the spec calls volumes docker_volumes."""
    return "docker_volumes" if component is Component.VOLUMES else component.value


def missing_entries(missing: Mapping[str, str]) -> dict[str, int | str]:
    """As they stand in a component's summary, which every version reads."""
    if not missing:
        return {}
    return {"missing_count": len(missing), **{_MISSING + name: missing[name] for name in missing}}


def component_checksum(objects: Iterable[ObjectRecord]) -> str:
    """SHA-256 over the sorted lines "<sealed_sha256>  <key>\\n", as `sha256sum` prints them."""
    lines = sorted(f"{record.sealed_sha256}  {record.key}\n" for record in objects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def canonical_bytes(manifest: Manifest, *, without: Iterable[str] = ("mac", "signature")) -> bytes:
    """The canonical JSON of everything except some members: by default, what the MAC covers."""
    return canonical_json(manifest.model_dump(mode="json", exclude=set(without)))


def to_bytes(record: Manifest | ComponentRecord) -> bytes:
    """The exact content of manifest.json, or of a component's record: indented, UTF-8.

    Raises:
        StoreError: nobody would read it, since it is that large.
    """
    text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    data = f"{text}\n".encode()
    if len(data) > RECORD_LIMIT_BYTES:
        raise StoreError(
            f"The list of what this backup holds would be {len(data)} bytes long, of at most"
            f" {RECORD_LIMIT_BYTES}.",
            remedy="Back up fewer databases, collections or volumes at once, or merge collections.",
        )
    return data


def parse_manifest(data: bytes, *, where: str = "manifest.json") -> Manifest:
    """The manifest in `data`; needs no key and says nothing about its authenticity.

    Args:
        data: the file's bytes, which must be exactly what `to_bytes` gives.
        where: names the file in errors.

    Raises:
        NewerFormatError: a later version of this software wrote it.
        IntegrityError: it is not a manifest, or its bytes were edited.
    """
    document = _parse_json(data, where)
    if isinstance(document, dict) and document.get("format") == FORMAT:
        version = document.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise NewerFormatError(
                f"{where} has format version {version}; this version reads up to {FORMAT_VERSION}.",
                remedy="Use the onyx-pipelines version that wrote it, or a later one.",
            )
    return _parse_record(Manifest, data, document, where)


def parse_component_record(data: bytes, *, where: str) -> ComponentRecord:
    """The component record in `data`.

    Raises:
        IntegrityError: it is not one, or its bytes were edited.
    """
    return _parse_record(ComponentRecord, data, _parse_json(data, where), where)


def _parse_json(data: bytes, where: str) -> Any:
    if len(data) > RECORD_LIMIT_BYTES:
        raise _damaged(where, f"it is larger than the {RECORD_LIMIT_BYTES} bytes that any may have")
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(where, f"it is not JSON ({type(error).__name__})") from None


R = TypeVar("R", Manifest, ComponentRecord)


def _parse_record(kind: type[R], data: bytes, document: object, where: str) -> R:
    try:
        record = kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise _damaged(where, f"{place[:_SHOWN]}: {first['msg'][:_SHOWN]}") from None
    # Two files that say the same must be the same bytes: then no byte can change unnoticed.
    if not _has_bytes(record, data):
        raise _damaged(where, "its bytes are not as they were written")
    return record


def _has_bytes(record: Manifest | ComponentRecord, data: bytes) -> bool:
    try:
        return to_bytes(record) == data
    except UnicodeEncodeError:  # JSON has escapes for halves of characters
        return False


def _damaged(where: str, problem: str) -> IntegrityError:
    return IntegrityError(
        f"{where} is damaged: {problem}.",
        remedy="Take the copy of the other store, or another backup set.",
    )
