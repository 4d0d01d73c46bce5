"""Collections that a restore has under way: those in place, and those beside that must go again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from onyx_pipelines.restore.results import Finding
from onyx_pipelines.vault.durable_files import replace_durably


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    beside: list[str] = []
    identity: str = ""
    findings: dict[str, tuple[Finding, ...]] = {}


class RestoreJournal:
    """One per server. What is finished counts for the same request only (`identity`)."""

    def __init__(self, state_dir: Path, url: str, identity: str) -> None:
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._path = state_dir / "restores" / f"qdrant-{name}.journal"
        try:
            self._content = _Content.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            self._content = _Content()
        if self._content.identity != identity:
            self._content.identity = identity
            self._content.findings = {}

    @property
    def beside(self) -> tuple[str, ...]:
        return tuple(self._content.beside)

    def finished(self, collection: str) -> tuple[Finding, ...] | None:
        return self._content.findings.get(collection)

    def begin(self, beside: str) -> None:
        """Before the collection is made."""
        self._content.beside.append(beside)
        self._write()

    def gone(self, beside: str) -> None:
        self._content.beside.remove(beside)
        self._write()

    def add(self, collection: str, findings: tuple[Finding, ...]) -> None:
        self._content.findings[collection] = findings
        self._write()

    def close(self) -> None:
        """The restore is over; what could not be removed is remembered."""
        self._content.findings = {}
        if self._content.beside:
            self._write()
        else:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        replace_durably(self._path, self._content.model_dump_json().encode(), mode=0o600)
