"""recipients.json: whom new backup sets are sealed to. Public keys only, no secret in it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from onyx_pipelines.errors import KeyFileError
from onyx_pipelines.vault.durable_files import replace_durably
from onyx_pipelines.vault.keys import Recipient, make_recipient


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    public_keyset: str


class _RecipientsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    recipients: tuple[_Entry, ...]


def load_recipients(path: Path) -> tuple[Recipient, ...]:
    """The recipients in a file, in its order; at least one.

    Raises:
        KeyFileError: it is missing, unreadable, damaged, empty, or an id does not fit its key.
    """
    recipients = _load(path)
    if not recipients:
        raise KeyFileError(
            f"{path} names no recipient: nobody could open a backup sealed to it.",
            remedy="Add one with `onyx keys create` or `onyx keys recipients add`.",
        )
    return recipients


def add_recipient(path: Path, recipient: Recipient) -> tuple[Recipient, ...]:
    """Add one at the end, creating the file if need be; gives the new list.

    Raises:
        KeyFileError: the name or the key is in the list already, or the file is not good.
    """
    recipients = _load(path) if path.exists() else ()
    for present in recipients:
        if recipient.id == present.id or recipient.name == present.name:
            raise KeyFileError(
                f"{path} has recipient {present.name!r} ({present.id}) already.",
                remedy="Remove that one first, or give the new one another name.",
            )
    return _save(path, (*recipients, recipient))


def remove_recipient(path: Path, name_or_id: str) -> tuple[Recipient, ...]:
    """Remove one; gives the new list. Sets sealed so far still open for the removed one.

    Raises:
        KeyFileError: there is no such recipient, or it is the last one.
    """
    recipients = load_recipients(path)
    remaining = tuple(r for r in recipients if name_or_id not in (r.name, r.id))
    if len(remaining) == len(recipients):
        names = ", ".join(f"{r.name} ({r.id})" for r in recipients)
        raise KeyFileError(
            f"{path} has no recipient {name_or_id!r}.", remedy=f"Name one of: {names}."
        )
    if not remaining:
        raise KeyFileError(
            f"{name_or_id!r} is the last recipient in {path}.",
            remedy="Add its successor first; nobody could open a backup sealed to nobody.",
        )
    return _save(path, remaining)


def _load(path: Path) -> tuple[Recipient, ...]:
    try:
        content = _RecipientsFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise KeyFileError(
            f"The recipients file {path} does not exist.",
            remedy="Create a key with `onyx keys create`, or set ONYX_RECIPIENTS_FILE.",
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"The recipients file {path} cannot be read ({error.strerror}).",
            remedy="Make it readable for this user; it holds no secret.",
        ) from None
    except ValidationError:
        raise _damaged(path, "it is not a list of recipients") from None
    recipients = tuple(make_recipient(e.name, e.public_keyset) for e in content.recipients)
    for entry, recipient in zip(content.recipients, recipients, strict=True):
        if entry.id != recipient.id:
            raise _damaged(path, f"the id of {entry.name!r} does not fit its public key")
    if len({r.id for r in recipients}) < len(recipients):
        raise _damaged(path, "a recipient stands there twice")
    return recipients


def _save(path: Path, recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    content = {
        "recipients": [
            {"name": r.name, "id": r.id, "public_keyset": r.public_keyset} for r in recipients
        ]
    }
    data = json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
    try:
        replace_durably(path, data, mode=0o644)
    except OSError as error:
        raise KeyFileError(
            f"The recipients file {path} cannot be written ({error.strerror}).",
            remedy="Run as a user that may write there, or set ONYX_RECIPIENTS_FILE.",
        ) from None
    return recipients


def _damaged(path: Path, problem: str) -> KeyFileError:
    return KeyFileError(
        f"The recipients file {path} is damaged: {problem}.",
        remedy="Restore it, or add the recipients again with `onyx keys recipients add`.",
    )
