"""What people have shown for the items that nobody can look at: one file each, in the state
directory; what was shown before is kept by the audit trail alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.core.errors import NotFoundError, OnyxError, SettingsError
from onyx_pipelines.core.settings import HostSettings
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.readiness.launch.checklist import Checklist, Item
from onyx_pipelines.readiness.launch.facts import SeenEvidence

_FOLDER: Final = "launch"
_PIECE_BYTES: Final = 1 << 20


class EvidenceError(OnyxError):
    """Evidence for an item of the launch checklist cannot be kept or read.

    Cause: the state directory cannot be written, the file that is shown cannot be read, or a
        record is damaged.
    Remedy: correct what the message names and give the evidence again.
    """

    code = "launch-evidence"


class Evidence(BaseModel):
    """What one person has shown for one item.

    Args:
        note, link, file: exactly one of them.
        sha256: of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    by: str
    at: AwareDatetime
    note: str = ""
    link: str = ""
    file: Path | None = None
    sha256: str = ""

    @property
    def shown(self) -> str:
        """In a line."""
        return self.note or self.link or (self.file.name if self.file else "")

    def seen(self) -> SeenEvidence:
        """With the file as it is now."""
        now = _sha256(self.file) if self.file else ""
        return SeenEvidence(
            by=self.by, at=self.at, shown=self.shown, sha256=self.sha256, sha256_now=now
        )


class EvidenceFolder:
    """Of one host, or one of its stacks."""

    def __init__(self, settings: HostSettings) -> None:
        self._folder = settings.state_dir / _FOLDER / "evidence"

    def of(self, item: Item) -> Evidence | None:
        """None: nobody has shown anything.

        Raises:
            EvidenceError: it cannot be read.
        """
        return self._try(item, lambda record: record.read(), "read")

    def keep(self, item: Item, evidence: Evidence) -> None:
        """Over what was shown before. Raises EvidenceError: it is not kept."""
        self._try(item, lambda record: record.write(evidence), "kept")

    def withdraw(self, item: Item) -> None:
        """It does not count any more; none is fine. Raises EvidenceError: it still counts."""
        self._try(item, lambda record: record.remove(), "withdrawn")

    def _file(self, item: Item) -> RecordFile[Evidence]:
        return RecordFile(self._folder / f"{item.id}.json", Evidence)

    def _try(
        self, item: Item, do: Callable[[RecordFile[Evidence]], Evidence | None], what: str
    ) -> Evidence | None:
        record = self._file(item)
        try:
            return do(record)
        except (OSError, ValidationError) as error:
            raise EvidenceError(
                f"The evidence for {item.id} cannot be {what} ({type(error).__name__}:"
                f" {record.path}).",
                remedy="See whether this user can write there, and show it again.",
            ) from None


def manual_item(asked: Checklist, item_id: str) -> Item:
    """One that people show something for.

    Raises:
        NotFoundError: there is no such item.
        SettingsError: it is one that is looked at.
    """
    item = asked.item(item_id)
    if item is None:
        raise NotFoundError(
            f"The launch checklist has no item {item_id}.",
            remedy="`onyx launch check` lists them; docs/LAUNCH.md says what each asks.",
        )
    if item.is_automatic:
        raise SettingsError(
            f"{item.id} is looked at: nobody's word stands for it.",
            remedy="Mend what `onyx launch check` says of it.",
        )
    return item


def evidence_for(
    asked: Checklist,
    item_id: str,
    *,
    by: str,
    note: str = "",
    link: str = "",
    file: Path | None = None,
    now: datetime,
) -> tuple[Item, Evidence]:
    """What a person shows, and what for.

    Raises:
        NotFoundError: there is no such item.
        SettingsError: it is one that is looked at, or not exactly one thing is shown.
        EvidenceError: the file cannot be read.
    """
    item = manual_item(asked, item_id)
    if [bool(note), bool(link), bool(file)].count(True) != 1:
        raise SettingsError(
            "Show exactly one thing.", remedy="Give one of --note, --link and --file."
        )
    if not by.strip():
        raise SettingsError("Nobody shows it.", remedy="Give your name with --by.")
    digest = ""
    if file is not None:
        file = file.absolute()
        digest = _sha256(file)
        if not digest:
            raise EvidenceError(
                f"{file} cannot be read.", remedy="Name a file that this user can read."
            )
    return item, Evidence(
        item_id=item.id, by=by.strip(), at=now, note=note, link=link, file=file, sha256=digest
    )


def _sha256(path: Path) -> str:
    """Empty: it is not there, or cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError:
        return ""
    return digest.hexdigest()
