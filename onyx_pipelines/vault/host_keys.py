"""The keys of one host, made where they are missing and never replaced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.errors import KeyFileError
from onyx_pipelines.settings import Settings
from onyx_pipelines.vault.keys import Recipient, create_private_key
from onyx_pipelines.vault.recipients import add_recipient
from onyx_pipelines.vault.signing import Signer, create_signing_key
from onyx_pipelines.vault.trust import add_signer


@dataclass(frozen=True)
class MadeKeys:
    """What was made: None for what was there, or is not to be there."""

    recipient: Recipient | None
    signer: Signer | None


def make_missing_keys(settings: Settings, name: str, *, private: Path | None = None) -> MadeKeys:
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
