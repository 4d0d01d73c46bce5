"""The keys of one host: its private key, if it has one, and both made where they are missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.core.settings import KeySettings
from onyx_pipelines.vault.keys import (
    PrivateKey,
    Recipient,
    create_private_key,
    load_private_key,
)
from onyx_pipelines.vault.recipients import add_recipient
from onyx_pipelines.vault.signing import Signer, create_signing_key
from onyx_pipelines.vault.trust import add_signer


def optional_private_key(settings: KeySettings) -> PrivateKey | None:
    """None on a host that holds public keys only. Raises KeyFileError: the file is not good."""
    return load_private_key(settings.private_key_file) if settings.private_key_file else None


def required_private_key(settings: KeySettings) -> PrivateKey:
    """The private key of this host.

    Raises:
        KeyFileError: it holds public keys only, or the file is not good.
    """
    return load_private_key(private_key_path(settings))


def private_key_path(settings: KeySettings) -> Path:
    """Where it is. Raises KeyFileError: this host holds public keys only."""
    if settings.private_key_file is None:
        raise KeyFileError(
            "This host has no private key (ONYX_PRIVATE_KEY_FILE is not set).",
            remedy="Run this where a recipient's private key is, or set the variable.",
        )
    return settings.private_key_file


@dataclass(frozen=True)
class MadeKeys:
    """What was made: None for what was there, or is not to be there."""

    recipient: Recipient | None
    signer: Signer | None


def make_missing_keys(settings: KeySettings, name: str, *, private: Path | None = None) -> MadeKeys:
    """A private key, whose public half goes among the recipients, and a signing key, whose public
    half goes among the signers.

    Args:
        name: what people call both.
        private: where the private key is to be, which must not exist; None: where the settings say,
            if they do.

    Raises:
        KeyFileError: nothing is missing, or it cannot be written.
    """
    wanted = private or settings.private_key_file
    signing = settings.signing_key_path
    has_private = private is None and (wanted is None or wanted.exists())
    if has_private and signing.exists():
        raise KeyFileError(
            f"{' and '.join(str(path) for path in (wanted, signing) if path)}: there already; a key"
            " file is never overwritten.",
            remedy="Give another --path, or set ONYX_PRIVATE_KEY_FILE.",
        )
    recipient = signer = None
    if not has_private and wanted is not None:
        recipient = create_private_key(wanted, name)
        add_recipient(settings.recipients_file, recipient)
    if not signing.exists():
        signer = create_signing_key(signing, name)
        add_signer(settings, signer)
    return MadeKeys(recipient, signer)
