"""Which databases an interrupted restore has put in place already. One file per request."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from onyx_pipelines.restore.results import Finding
from onyx_pipelines.vault.durable_files import replace_durably


class _Finished(BaseModel):
    model_config = ConfigDict(extra="forbid")

    findings: dict[str, tuple[Finding, ...]] = {}


class RestoreJournal:
    """`identity`: of the set, the request and the server: another request begins anew."""

    def __init__(self, state_dir: Path, identity: str) -> None:
        self._path = state_dir / "restores" / f"postgresql-{identity}.journal"
        try:
            self._finished = _Finished.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            self._finished = _Finished()

    def finished(self, item: str) -> tuple[Finding, ...] | None:
        """The findings of an item that is in place, or None."""
        return self._finished.findings.get(item)

    def add(self, item: str, findings: tuple[Finding, ...]) -> None:
        self._finished.findings[item] = findings
        replace_durably(self._path, self._finished.model_dump_json().encode(), mode=0o600)

    def close(self) -> None:
        """The restore is over: the next one of the same request begins anew."""
        self._path.unlink(missing_ok=True)
