"""Public keys by name, and the files that list them: recipients.json and signers.json.

No secret in either; whoever can write to them decides who opens new sets, and which sets count.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import tink
from pydantic import Field, RootModel, ValidationError
from tink import json_proto_keyset_format

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.vault.records import KeyId, Record, canonical_json


class PublicKey(Record):
    """A public Tink keyset as canonical JSON text; `id`: 16 hex digits of its SHA-256."""

    name: str
    id: KeyId
    public_keyset: str = Field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


K = TypeVar("K", bound=PublicKey)


def canonical_keyset(public_keyset: str, primitive: type[Any]) -> str | None:
    """The keyset's canonical text, or None where it is no public keyset for this primitive."""
    try:
        handle = json_proto_keyset_format.parse_without_secret(public_keyset)
        handle.primitive(primitive)
        return canonical_json(
            json.loads(json_proto_keyset_format.serialize_without_secret(handle))
        ).decode()
    except (tink.TinkError, ValueError):
        return None


def key_id(canonical_text: str) -> str:
    return hashlib.sha256(canonical_text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeyKind(Generic[K]):
    """What one kind of public key is for.

    Args:
        model: the class, as entries of the file are.
        primitive: what Tink must be able to make of it.
        noun: "recipient"; the file's list has its plural's name.
        variable: the setting that names the file.
        without_any: what it means that there is none.
    """

    model: type[K]
    primitive: type[Any]
    noun: str
    variable: str
    without_any: str

    @property
    def plural(self) -> str:
        return f"{self.noun}s"

    def make(self, name: str, public_keyset: str) -> K:
        """A key from a public keyset in JSON, in whatever layout.

        Raises:
            KeyFileError: it is no public keyset of this kind, or the name is empty.
        """
        if not name.strip() or not name.isprintable():
            raise KeyFileError(
                f"A {self.noun}'s name must be printable and not empty.",
                remedy="Give a name that people recognise, such as the host's.",
            )
        text = canonical_keyset(public_keyset, self.primitive)
        if text is None:
            raise KeyFileError(
                f"The public key of {self.noun} {name!r} is not a public Tink keyset of the right"
                " kind.",
                remedy=f"Take it again from that {self.noun}'s `onyx keys {self.plural} --json`.",
            )
        return self.model(name=name, id=key_id(text), public_keyset=text)


@dataclass(frozen=True)
class KeyList(Generic[K]):
    """A file with public keys of one kind, in its order."""

    path: Path
    kind: KeyKind[K]

    def load(self) -> tuple[K, ...]:
        """At least one.

        Raises:
            KeyFileError: it is missing, unreadable, damaged, empty, or an id does not fit its key.
        """
        keys = self._load()
        if not keys:
            raise KeyFileError(
                f"{self.path} names no {self.kind.noun}: {self.kind.without_any}.",
                remedy=f"Add one with `onyx keys create` or `onyx keys {self.kind.plural} add`.",
            )
        return keys

    def add(self, key: K) -> tuple[K, ...]:
        """Add one at the end, creating the file if need be; gives the new list.

        Raises:
            KeyFileError: the name or the key is in the list already, or the file is not good.
        """
        keys = self._load() if self.path.exists() else ()
        for present in keys:
            if key.id == present.id or key.name == present.name:
                raise KeyFileError(
                    f"{self.path} has {self.kind.noun} {present.name!r} ({present.id}) already.",
                    remedy="Remove that one first, or give the new one another name.",
                )
        return self.save((*keys, key))

    def remove(self, name_or_id: str) -> tuple[K, ...]:
        """Remove one; gives the new list.

        Raises:
            KeyFileError: there is no such key, or it is the last one.
        """
        keys = self.load()
        wanted = self.one(keys, name_or_id)
        if len(keys) == 1:
            raise KeyFileError(
                f"{name_or_id!r} is the last {self.kind.noun} in {self.path}.",
                remedy=f"Add its successor first; else {self.kind.without_any}.",
            )
        return self.save(tuple(key for key in keys if key is not wanted))

    def one(self, keys: tuple[K, ...], name_or_id: str) -> K:
        """Raises KeyFileError where there is none of that name or id."""
        for key in keys:
            if name_or_id in (key.name, key.id):
                return key
        raise KeyFileError(
            f"{self.path} has no {self.kind.noun} {name_or_id!r}.",
            remedy=f"Name one of: {', '.join(map(str, keys))}.",
        )

    def save(self, keys: tuple[K, ...]) -> tuple[K, ...]:
        """Instead of what was there, in one step."""
        entries = [key.model_dump(mode="json", exclude_none=True) for key in keys]
        content = {self.kind.plural: entries}
        data = json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
        try:
            replace_durably(self.path, data, mode=0o644)
        except OSError as error:
            raise KeyFileError(
                f"The {self.kind.plural} file {self.path} cannot be written ({error.strerror}).",
                remedy=f"Run as a user that may write there, or set {self.kind.variable}.",
            ) from None
        return keys

    def _load(self) -> tuple[K, ...]:
        # Which model it is, the kind says only now.
        content = RootModel[dict[str, tuple[self.kind.model, ...]]]  # type: ignore[name-defined]  # a type that is known when it runs
        try:
            lists = content.model_validate_json(self.path.read_bytes()).root
        except FileNotFoundError:
            raise KeyFileError(
                f"The {self.kind.plural} file {self.path} does not exist.",
                remedy=f"Create a key with `onyx keys create`, or set {self.kind.variable}.",
            ) from None
        except OSError as error:
            raise KeyFileError(
                f"The {self.kind.plural} file {self.path} cannot be read ({error.strerror}).",
                remedy="Make it readable for this user; it holds no secret.",
            ) from None
        except ValidationError:
            lists = {}
        if set(lists) != {self.kind.plural}:
            raise self._damaged(f"it is not a list of {self.kind.plural}")
        keys: tuple[K, ...] = lists[self.kind.plural]
        for key in keys:
            if self.kind.make(key.name, key.public_keyset).id != key.id:
                raise self._damaged(f"the id of {key.name!r} does not fit its public key")
        if len({key.id for key in keys}) < len(keys):
            raise self._damaged(f"a {self.kind.noun} stands there twice")
        return keys

    def _damaged(self, problem: str) -> KeyFileError:
        return KeyFileError(
            f"The {self.kind.plural} file {self.path} is damaged: {problem}.",
            remedy=f"Restore it, or add them again with `onyx keys {self.kind.plural} add`.",
        )
