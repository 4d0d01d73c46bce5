"""Whose own key counts for which role. They stand beside the signers and never among them: who may
sign off a launch must not be able to sign backup sets."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from tink import signature

from onyx_pipelines.core.settings import KeySettings
from onyx_pipelines.readiness.launch.checklist import Role
from onyx_pipelines.vault.public_keys import KeyKind, KeyList, PublicKey


class Lead(PublicKey):
    """A person with a key of their own."""

    roles: tuple[Role, ...] = ()


LEADS: Final[KeyKind[Lead]] = KeyKind(
    model=Lead,
    primitive=signature.PublicKeyVerify,
    noun="lead",
    variable="ONYX_RECIPIENTS_FILE",
    without_any="the host's own key signs for every role",
)


def known_leads(settings: KeySettings) -> tuple[Lead, ...]:
    """None where there is no list: then the host's key signs.

    Raises:
        KeyFileError: the list is not good.
    """
    return _listed(settings).load() if _path(settings).exists() else ()


def add_lead(
    settings: KeySettings, name: str, public_keyset: str, roles: Collection[Role]
) -> tuple[Lead, ...]:
    """From now on only leads sign for these roles.

    Raises:
        KeyFileError: the key is none, it or the name is in the list already, or the file is not
            good.
    """
    lead = LEADS.make(name, public_keyset).model_copy(update={"roles": tuple(sorted(set(roles)))})
    return _listed(settings).add(lead)


def remove_lead(settings: KeySettings, name_or_id: str) -> tuple[Lead, ...]:
    """What they signed no longer counts. See `KeyList.remove`."""
    return _listed(settings).remove(name_or_id)


def _listed(settings: KeySettings) -> KeyList[Lead]:
    return KeyList(_path(settings), LEADS)


def _path(settings: KeySettings) -> Path:
    return settings.recipients_file.with_name("leads.json")
