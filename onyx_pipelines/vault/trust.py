"""What makes a set count on this host: the signers that it believes, and its own signing key.

The list of signers stands beside the recipients. A machine that has none yet, but the escrow copy
of a private key, believes those that the copy carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.core.settings import KeySettings
from onyx_pipelines.vault.keys import load_private_key
from onyx_pipelines.vault.public_keys import KeyList
from onyx_pipelines.vault.signing import (
    SIGNERS,
    Signer,
    Signers,
    SigningKey,
    check_signing_key,
    load_signing_key,
)


@dataclass(frozen=True)
class Trust:
    """Whose signatures count here, and what this host signs with."""

    signers: Signers
    signing_key_file: Path

    @classmethod
    def of(cls, settings: KeySettings) -> Trust:
        """Reads the list of signers.

        Raises:
            KeyFileError: the list (or the escrow copy that stands for it) is not good.
        """
        return cls(Signers(known_signers(settings), settings.stack), settings.signing_key_path)

    def signing_key(self) -> SigningKey:
        """For what must be signed so that it counts.

        Raises:
            KeyFileError: there is none, it is not good, or its signatures do not count here.
        """
        key = load_signing_key(self.signing_key_file)
        check_signing_key(key, self.signers)
        return key

    def signing_key_if_any(self) -> SigningKey | None:
        """For notes that may be left out: None on a machine without a signing key."""
        return self.signing_key() if self.signing_key_file.exists() else None


def known_signers(settings: KeySettings) -> tuple[Signer, ...]:
    """Those of the list; where there is no list, those that an escrow copy carries, or none.

    Raises:
        KeyFileError: the list or the escrow copy is not good.
    """
    if settings.signers_path.exists():
        return KeyList(settings.signers_path, SIGNERS).load()
    private = settings.private_key_file
    return load_private_key(private).signers if private is not None and private.exists() else ()


def add_signer(settings: KeySettings, signer: Signer) -> tuple[Signer, ...]:
    """Believe one more. A new list begins with those that an escrow copy carries.

    Raises:
        KeyFileError: the name or the key is in the list already, or the file is not good.
    """
    listed = KeyList(settings.signers_path, SIGNERS)
    carried = known_signers(settings)
    if carried and not settings.signers_path.exists():
        listed.save(carried)
    return listed.add(signer)


def remove_signer(settings: KeySettings, name_or_id: str) -> tuple[Signer, ...]:
    """Believe one no longer, whenever it signed. See `KeyList.remove`."""
    return KeyList(settings.signers_path, SIGNERS).remove(name_or_id)


def retire_signer(settings: KeySettings, name_or_id: str, *, at: datetime) -> tuple[Signer, ...]:
    """Believe one only for what it signed before a moment.

    Raises:
        KeyFileError: there is no such signer, or the file is not good.
    """
    listed = KeyList(settings.signers_path, SIGNERS)
    signers = listed.load()
    wanted = listed.one(signers, name_or_id)
    retired = wanted.model_copy(update={"retired_at": at})
    return listed.save(tuple(retired if each is wanted else each for each in signers))


def no_signers(settings: KeySettings) -> KeyFileError:
    """What to say where a machine believes nobody."""
    return KeyFileError(
        f"This machine believes no signer ({settings.signers_path} is not there): no backup set"
        " counts.",
        remedy="A new host: `onyx keys create`. A new machine that restores: set"
        " ONYX_PRIVATE_KEY_FILE to the escrow copy, or see `onyx keys signers found`.",
    )
