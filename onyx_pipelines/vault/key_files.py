"""Files with secret keys: made once, for their owner only, and never quoted in an error."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import tink
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from tink import json_proto_keyset_format, secret_key_access

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.host.durable_files import create_durably

_LIMIT_BYTES = 64 * 1024


class KeyFile(BaseModel):
    """What every key file has; subclasses add `format` and the public half's id."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1)
    private_keyset: SecretStr

    def handle(self, primitive: type[Any]) -> Any:
        """The Tink keyset, or None where it is none for this primitive."""
        try:
            handle = json_proto_keyset_format.parse(
                self.private_keyset.get_secret_value(), secret_key_access.TOKEN
            )
            handle.primitive(primitive)
        except tink.TinkError:
            return None
        return handle


F = TypeVar("F", bound=KeyFile)


@dataclass(frozen=True)
class KeyFileKind(Generic[F]):
    """One kind of key file. `variable`: the setting that names the host's own."""

    model: type[F]
    noun: str
    variable: str

    def read(self, path: Path) -> F:
        """What the file says.

        Raises:
            KeyFileError: it is missing, unreadable for us, readable for group or others, or no key.
        """
        data = self._read_secret(path)
        try:
            return self.model.model_validate_json(data)
        except ValidationError:
            pass
        # Raised here and not where parsing fails, so that no chained error carries the file's text.
        raise self.damaged(path)

    def damaged(self, path: Path) -> KeyFileError:
        return KeyFileError(
            f"{path} is not a {self.noun} of this program, or it is damaged.",
            remedy=f"Restore it from its copy, or name the right file in {self.variable}.",
        )

    def create(self, path: Path, content: F) -> None:
        """A new file of mode 0600.

        Raises:
            KeyFileError: the file exists (it is never overwritten) or cannot be written.
        """
        values = content.model_dump(mode="json", exclude_none=True)
        values["private_keyset"] = content.private_keyset.get_secret_value()
        data = json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n"
        try:
            create_durably(path, data, mode=0o600)
        except FileExistsError:
            raise KeyFileError(
                f"{path} exists; a key file is never overwritten.",
                remedy="Choose another path, or move that file away if no set needs it.",
            ) from None
        except OSError as error:
            raise KeyFileError(
                f"{path} cannot be written ({error.strerror}).",
                remedy="Choose a directory that this user can write to.",
            ) from None

    def _read_secret(self, path: Path) -> bytes:
        try:
            # Non-blocking, so that a named pipe does not hang us.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyFileError(
                f"The {self.noun} file {path} does not exist.",
                remedy="Create one with `onyx keys create`, restore it from its copy, or set"
                f" {self.variable}.",
            ) from None
        except OSError as error:
            raise KeyFileError(
                f"The {self.noun} file {path} cannot be read ({error.strerror}).",
                remedy="Run as the user that owns it.",
            ) from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(
                    f"The {self.noun} file {path} is not a regular file.",
                    remedy=f"Name the key file itself in {self.variable}.",
                )
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyFileError(
                    f"The {self.noun} file {path} is open to group or others"
                    f" (mode {stat.S_IMODE(status.st_mode):04o}).",
                    remedy=f"Run `chmod 600 {path}` (Docker secret: mode 0400).",
                )
            return os.read(descriptor, _LIMIT_BYTES)
        finally:
            os.close(descriptor)


def serialized(handle: Any) -> SecretStr:
    """A private Tink keyset as JSON."""
    return SecretStr(json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN))


def public_half(handle: Any) -> str:
    """The public Tink keyset of a private one, as JSON."""
    public: str = json_proto_keyset_format.serialize_without_secret(handle.public_keyset_handle())
    return public
