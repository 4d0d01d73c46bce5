"""The sign-offs of this host: one file each, never written again; one that is taken back stays,
with a note beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.core.settings import HostSettings
from onyx_pipelines.core.text import stamp_text
from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.readiness.launch.checklist import Checklist, Role
from onyx_pipelines.readiness.launch.objections import (
    Keys,
    Objection,
    ObjectionKind,
    Standing,
    objections,
)
from onyx_pipelines.readiness.launch.signing_off import (
    SIGNING_ROLES,
    Revocation,
    SignOff,
    SignOffError,
)
from onyx_pipelines.readiness.launch.verdicts import LaunchReview

_REVOKED: Final = ".revoked.json"
_LARGEST_BYTES: Final = 10**6


@dataclass(frozen=True)
class Kept:
    """`revocation`: None: it was not taken back."""

    signoff: SignOff
    revocation: Revocation | None
    path: Path


class SignOffBook:
    """What was signed, and what of it was taken back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, settings: HostSettings) -> SignOffBook:
        """That of this host's stack."""
        return cls(settings.state_dir / "launch" / "signoffs")

    def add(self, signoff: SignOff) -> Kept:
        """Durable when it returns. Raises SignOffError: it cannot be written."""
        signed = signoff.signature
        mark = hashlib.sha256(signed.value.encode()).hexdigest()[:8]
        name = f"{stamp_text(signed.signed_at)}-{signoff.statement.role}-{mark}.json"
        path = self.folder / name
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_durably(path, signoff.model_dump_json(indent=1).encode(), mode=0o600)
        except FileExistsError:
            pass  # the very same signature
        except OSError as error:
            raise _unwritten(path, error) from None
        return Kept(signoff, None, path)

    def all(self) -> list[Kept]:
        """The newest first. Raises SignOffError: one cannot be read."""
        paths = [path for path in self.folder.glob("*.json") if not path.name.endswith(_REVOKED)]
        kept = [_read(path) for path in paths]
        return sorted(kept, key=lambda each: each.signoff.signature.signed_at, reverse=True)

    def newest(self) -> dict[Role, Kept]:
        """Of each role the last one: an older one does not come back when that is revoked."""
        return {each.signoff.statement.role: each for each in reversed(self.all())}

    def revoke(self, role: Role, *, by: str, reason: str, at: datetime) -> Kept:
        """Take the role's newest one back.

        Raises:
            SignOffError: it has none that stands, or it cannot be written.
        """
        kept = self.newest().get(role)
        if kept is None or kept.revocation is not None:
            raise SignOffError(
                f"{role} has no sign-off that stands.",
                remedy="`onyx launch signoffs` shows those that there are.",
            )
        note = Revocation(at=at, by=by, reason=reason)
        path = kept.path.with_name(kept.path.stem + _REVOKED)
        try:
            RecordFile(path, Revocation).write(note)
        except OSError as error:
            raise _unwritten(path, error) from None
        return Kept(kept.signoff, note, kept.path)

    def standings(
        self, review: LaunchReview, asked: Checklist, keys: Keys, now: datetime
    ) -> list[Standing]:
        """Of each role that signs: whether it has, and whether that counts for this review."""
        newest = self.newest()
        return [
            _standing(role, newest.get(role), review, asked, keys, now) for role in SIGNING_ROLES
        ]


def unsigned(standings: Collection[Standing]) -> list[str]:
    """What keeps the launch waiting, a sentence for each role; none: all have signed."""
    return [each.sentence for each in standings if not each.counts]


def read_signoff(path: Path) -> SignOff:
    """One that was brought in a file. Raises SignOffError: it is none."""
    try:
        with path.open("rb") as file:
            return SignOff.model_validate_json(file.read(_LARGEST_BYTES))
    except (OSError, ValueError) as error:
        raise SignOffError(
            f"{path} is no sign-off ({type(error).__name__}).",
            remedy="Name the file that `onyx launch sign-bundle` wrote.",
        ) from None


def write_signoff(path: Path, signoff: SignOff) -> None:
    """To a new file. Raises SignOffError: it exists, or nothing can be written there."""
    try:
        create_durably(path, signoff.model_dump_json(indent=1).encode(), mode=0o644)
    except OSError as error:
        raise SignOffError(
            f"{path} cannot be written ({error.strerror}).",
            remedy="Name a new file in a directory that this user can write to.",
        ) from None


def _standing(
    role: Role,
    kept: Kept | None,
    review: LaunchReview,
    asked: Checklist,
    keys: Keys,
    now: datetime,
) -> Standing:
    if kept is None:
        return Standing(role, None)
    if note := kept.revocation:
        what = f"{note.by} took it back: {note.reason}"
        return Standing(role, kept.signoff, (Objection(ObjectionKind.REVOKED, what),))
    return Standing(role, kept.signoff, objections(kept.signoff, review, asked, keys, now))


def _read(path: Path) -> Kept:
    try:
        signoff = SignOff.model_validate_json(path.read_bytes())
        note = RecordFile(path.with_name(path.stem + _REVOKED), Revocation).read()
    except (OSError, ValidationError) as error:
        raise SignOffError(
            f"The sign-off {path} cannot be read ({type(error).__name__}).",
            remedy="Restore it, or move it away and let that role sign again.",
        ) from None
    return Kept(signoff, note, path)


def _unwritten(path: Path, error: OSError) -> SignOffError:
    return SignOffError(
        f"{path} cannot be written ({error.strerror}).",
        remedy="Run as the user of ONYX_STATE_DIR, with room on its disk.",
    )
